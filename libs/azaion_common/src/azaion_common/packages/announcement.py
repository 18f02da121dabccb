"""Signed announcements of releases: what the publisher says, and what a device may believe of it.

The statement is canonical JSON (RFC 8785) of everything in the event but the signature itself. It travels as the bytes that were
signed: a reader verifies those bytes and then reads nothing but them, so a field that an older reader does not know
is covered all the same, and one that was only added outside says nothing.
"""

from __future__ import annotations

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from azaion_common.contracts.events.models import ModelPublished, ReleaseSignature
from azaion_common.core.errors import PermanentError
from azaion_common.packages.signing import TrustedKeys, encode, is_signed_by, key_id

STATEMENT_TYPE = "application/vnd.azaion.release.v1+json"


def signed(release: ModelPublished, key: Ed25519PrivateKey) -> ModelPublished:
    """``release`` with its statement signed by ``key``, in place of any signature before."""
    statement = rfc8785.dumps(release.model_dump(mode="json", exclude={"signed"}))
    signature = ReleaseSignature(
        key_id=key_id(key.public_key()),
        statement=statement,
        signature=key.sign(encode(STATEMENT_TYPE, statement)),
    )
    return release.model_copy(update={"signed": signature})


def verified(release: ModelPublished, keys: TrustedKeys) -> ModelPublished:
    """What the signed statement in ``release`` says; the fields beside it count for nothing.

    Raises:
        PermanentError: ``release_unsigned``, ``release_key_unknown``: signed by a key that is not trusted,
            ``release_forged``: the signature is not that key's, or what it signs is no release.
    """
    proof = release.signed
    if proof is None:
        raise PermanentError(
            "release_unsigned",
            f"release {release.release} of {release.target} is not signed",
            hint="start this version's publisher once: it signs the current release",
        )
    key = keys.get(proof.key_id)
    if key is None:
        raise PermanentError(
            "release_key_unknown",
            f"release {release.release} of {release.target} is signed by the key {proof.key_id}, which is not pinned here",
            hint="if the publisher has a new key, add it to the file of pinned keys",
        )
    if not is_signed_by(key, STATEMENT_TYPE, proof.statement, proof.signature):
        raise _forged(release, "the signature does not belong to it")
    try:
        stated = ModelPublished.model_validate_json(proof.statement)
    except ValidationError as error:
        raise _forged(release, "what was signed is no release") from error
    return stated.model_copy(update={"signed": proof})


def _forged(release: ModelPublished, why: str) -> PermanentError:
    return PermanentError("release_forged", f"release {release.release} of {release.target}: {why}")
