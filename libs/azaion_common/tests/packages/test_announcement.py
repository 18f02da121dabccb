"""Announcements are believed for their signature alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from azaion_common.contracts.events import ModelPublished, PackagePart, ReleaseSignature
from azaion_common.contracts.events.codec import decode, encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    load_or_create_signing_key,
    load_trusted_keys,
    public_pem,
    signed,
    trusting,
    verified,
)
from azaion_common.packages.announcement import STATEMENT_TYPE
from azaion_common.packages.signing import encode as encoded_for_signing

KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(seed * 32) for seed in (b"s", b"x"))
TRUSTED = trusting([KEY.public_key()])
RELEASE = ModelPublished(
    model_id="a" * 16, target="onnx", release=7, imgsz=640, batch=1, class_names=("car",), class_colours=("#ff0000",),
    package_id="b" * 32, package_sha256="c" * 64, package_size_bytes=9, plaintext_sha256="d" * 64, header_sha256="e" * 64,
    wrapped_key=b"\x01\xff", thresholds={"car": 0.31},
    small=PackagePart(sha256="1" * 64, size_bytes=1, location="models/x.small"),
    big=PackagePart(sha256="2" * 64, size_bytes=8, location="2" * 64),
)  # fmt: skip
OTHER_VALUES = {
    "model_id": "9" * 16, "target": "openvino", "release": 8, "imgsz": 320, "batch": 2, "class_names": ("truck",),
    "class_colours": ("#00ff00",), "package_id": "9" * 32, "package_sha256": "9" * 64, "package_size_bytes": 10,
    "plaintext_sha256": "9" * 64, "header_sha256": "9" * 64, "wrapped_key": b"\x02", "thresholds": {"car": 0.0},
    "small": PackagePart(sha256="9" * 64, size_bytes=1, location="models/y.small"),
    "big": PackagePart(sha256="9" * 64, size_bytes=8, location="9" * 64), "published_at": datetime(2030, 1, 1, tzinfo=UTC),
}  # fmt: skip


def proof_of(release: ModelPublished) -> ReleaseSignature:
    assert release.signed is not None
    return release.signed


def refusal(release: ModelPublished) -> str:
    with pytest.raises(PermanentError) as refused:
        verified(release, TRUSTED)
    return refused.value.code


def test_what_was_signed_is_believed() -> None:
    """A signed release comes back whole, also after its way over the wire."""
    event = signed(RELEASE, KEY)
    envelope = wrap(event=event, subject="m", producer="publisher", epoch=1, seq=1, stream="azaion.models")

    arrived = decode(encode(envelope)).event

    assert isinstance(arrived, ModelPublished)
    assert verified(arrived, TRUSTED) == event
    assert verified(arrived, TRUSTED).model_copy(update={"signed": None}) == RELEASE


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_every_fact_of_a_release_is_inside_what_is_signed(field: str) -> None:
    """A field changed beside the statement changes nothing; changed inside it, the signature is none."""
    event = signed(RELEASE, KEY)
    beside = event.model_copy(update={field: OTHER_VALUES[field]})
    forged = signed(RELEASE.model_copy(update={field: OTHER_VALUES[field]}), KEY)
    inside = forged.model_copy(
        update={"signed": proof_of(forged).model_copy(update={"signature": proof_of(event).signature})}
    )

    assert verified(beside, TRUSTED) == event
    assert refusal(inside) == "release_forged"


def test_all_fields_are_tried_above() -> None:
    """A field that is added to the event later has to be added here, too."""
    assert set(OTHER_VALUES) == set(ModelPublished.model_fields) - {"type", "signed"}


def test_the_unsigned_and_the_strangers_word_are_refused() -> None:
    """No signature, a key that is not trusted, a stranger's signature under a trusted name: each has its code."""
    own = proof_of(signed(RELEASE, KEY))
    forged = proof_of(signed(RELEASE, STRANGER)).model_copy(update={"key_id": own.key_id})

    assert refusal(RELEASE) == "release_unsigned"
    assert refusal(signed(RELEASE, STRANGER)) == "release_key_unknown"
    assert refusal(RELEASE.model_copy(update={"signed": forged})) == "release_forged"


@pytest.mark.parametrize("statement", [b"", b"{}", b"not JSON", b"[" * 50_000])
def test_a_signed_statement_that_is_no_release_is_refused(statement: bytes) -> None:
    """What the right key signed still has to be a release."""
    proof = proof_of(signed(RELEASE, KEY)).model_copy(
        update={
            "statement": statement,
            "signature": KEY.sign(encoded_for_signing(STATEMENT_TYPE, statement)),
        }
    )

    assert refusal(RELEASE.model_copy(update={"signed": proof})) == "release_forged"


def test_a_signature_for_another_kind_of_statement_is_none() -> None:
    """The type is inside what is signed: the key may sign other things without releasing them."""
    proof = proof_of(signed(RELEASE, KEY))
    elsewhere = KEY.sign(encoded_for_signing("application/vnd.azaion.other", proof.statement))
    event = RELEASE.model_copy(update={"signed": proof.model_copy(update={"signature": elsewhere})})

    assert refusal(event) == "release_forged"


def test_the_encoding_is_the_documented_one() -> None:
    """Type and body with their lengths in front, and canonical JSON inside: anybody can check it without this program."""
    proof = proof_of(signed(RELEASE, KEY))
    kind = b"application/vnd.azaion.release.v1+json"
    length = str(len(proof.statement)).encode()

    KEY.public_key().verify(proof.signature, b"DSSEv1 38 " + kind + b" " + length + b" " + proof.statement)
    facts = json.loads(proof.statement)
    assert proof.statement == json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    assert (facts["release"], facts["wrapped_key"]) == (7, "Af8=")


def test_a_key_is_made_once_and_several_can_be_pinned(tmp_path: Path) -> None:
    """The private key is its owner's alone; a file of two public keys trusts both."""
    path, pins = tmp_path / "secrets" / "release-signing.pem", tmp_path / "pins.pem"
    key = load_or_create_signing_key(path)
    pins.write_bytes(b"# old and new\n" + public_pem(KEY) + public_pem(key))

    assert load_or_create_signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    trusted = load_trusted_keys(pins)
    assert verified(signed(RELEASE, KEY), trusted).release == 7
    assert verified(signed(RELEASE, key), trusted).release == 7


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_a_file_without_keys_trusts_nobody(content: bytes | None, tmp_path: Path) -> None:
    """It is an error, not an empty list."""
    path = tmp_path / "pins.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PermanentError) as refused:
        load_trusted_keys(path)

    assert refused.value.code == ("release_key_missing" if content is None else "release_key_invalid")
