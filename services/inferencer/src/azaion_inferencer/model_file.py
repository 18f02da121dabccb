"""Models given as a file: an ONNX file as it is, or a sealed package, opened in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from azaion_common.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    load_fleet_key,
    open_package,
    read_wrapped_key,
    unwrap_for,
    wipe,
)

PACKAGE_SUFFIX = ".azpkg"
_ID_DIGITS = 16


@dataclass(frozen=True)
class ModelFile:
    """A model's bytes and a name for them."""

    model_id: str
    content: bytes


def read_model_file(path: Path, fleet_key: Path | None = None) -> ModelFile:
    """Read ``path``; a package also needs ``fleet_key`` and its wrapped content key beside it (``<package>.cek``).

    Raises:
        PermanentError: ``model_missing``, ``fleet_key_missing``, ``key_unwrap_failed`` and what opening a package raises.
    """
    if path.suffix == PACKAGE_SUFFIX:
        content = _opened(path, fleet_key)
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PermanentError(
                "model_missing", f"cannot read the model {path}: {error.strerror}"
            ) from error
    return ModelFile(hashlib.sha256(content).hexdigest()[:_ID_DIGITS], content)


def _opened(package: Path, fleet_key: Path | None) -> bytes:
    if fleet_key is None:
        raise PermanentError(
            "fleet_key_missing", f"{package} is sealed", hint="name the fleet's key file with --key"
        )
    wrapped = read_wrapped_key(package.with_name(package.name + ".cek"))
    key = unwrap_for(package, FleetKeyWrapper(load_fleet_key(fleet_key)), wrapped)
    try:
        with open_package(package, key) as opened:
            return opened.plaintext.read()
    finally:
        wipe(key)
