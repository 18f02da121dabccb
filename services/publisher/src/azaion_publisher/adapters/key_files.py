"""The file of public keys beside the signing key: what devices pin."""

from __future__ import annotations

from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from azaion_common.core.durable import create_once
from azaion_common.core.errors import SetupError
from azaion_common.packages import TrustedKeys, key_id, load_trusted_keys, public_pem, trusting

_log = structlog.get_logger(__name__)


def trusted_keys(path: Path, key: Ed25519PrivateKey) -> TrustedKeys:
    """The keys that releases may be signed by: those in ``path``, if there is such a file, and ``key``'s own.

    Raises:
        PermanentError: ``release_key_invalid``.
    """
    own = trusting([key.public_key()])
    if not path.exists():
        return own
    pinned = load_trusted_keys(path)
    if key_id(key.public_key()) not in pinned:
        _log.error(
            "release_key.not_pinned", path=str(path), consequence="devices with these keys refuse releases"
        )
    return {**pinned, **own}


def pin_public_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Leave the public key in ``path`` for devices, unless the file is there; a folder that is closed to us stays so."""
    if path.exists():
        return
    try:
        create_once(path, lambda: public_pem(key))
    except SetupError as error:
        _log.warning("release_key.not_written", code=error.code, path=str(path))
        return
    _log.info("release_key.written", path=str(path), consequence="devices need a copy of it")
