"""Models given as a file: an ONNX file as it is, or a sealed package, opened in memory; with what lies beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    load_fleet_key,
    open_package,
    read_wrapped_key,
    unwrap_for,
    wipe,
)
from azaion_common.packages.header import MAGIC
from azaion_inferencer.model_facts import read_facts
from azaion_vision.runtimes.outputs import Thresholds

PACKAGE_SUFFIX = ".azpkg"
_ID_DIGITS = 16
_LOOKED_AT = 1024
_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\n\r\t"
_NAME_ANOTHER = "name an ONNX file (azaion export makes one), a sealed package (.azpkg), or latest"


@dataclass(frozen=True)
class _Kind:
    """Something else than an ONNX model, by how it begins or what it is called."""

    what: str
    hint: str
    beginnings: tuple[bytes, ...]
    suffixes: frozenset[str] = frozenset()


_KINDS = (
    _Kind("a sealed package", "call it FILE.azpkg, and name the fleet's key with --key", (MAGIC,)),
    _Kind(
        "a PyTorch checkpoint",
        "export it first: azaion export MODEL --target onnx, or yolo export model=FILE format=onnx",
        (b"PK\x03\x04", b"\x80\x02", b"\x80\x04"),
        frozenset({".pt", ".pth", ".ckpt", ".safetensors"}),
    ),
    _Kind(
        "a model of another runtime",
        "this inferencer runs ONNX: azaion export MODEL --target onnx",
        (),
        frozenset(
            {
                ".xml",
                ".bin",
                ".engine",
                ".trt",
                ".plan",
                ".tflite",
                ".rknn",
                ".torchscript",
                ".pb",
                ".mlmodel",
            }
        ),
    ),
    _Kind("a picture", _NAME_ANOTHER, (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"II*\0", b"MM\0*")),
    _Kind("a video", _NAME_ANOTHER, (b"\x1aE\xdf\xa3", b"RIFF"), frozenset({".mp4", ".mov", ".avi", ".mkv"})),
)


@dataclass(frozen=True)
class ModelFile:
    """A model's bytes and a name for them."""

    model_id: str
    content: bytes = field(repr=False)
    thresholds: Thresholds | None = None
    """None: nothing lies beside it that says so; it may carry them itself."""
    colours: dict[int, str] = field(default_factory=dict)


def read_model_file(path: Path, fleet_key: Path | None = None) -> ModelFile:
    """Read ``path``; a package also needs ``fleet_key`` and its wrapped content key beside it (``<package>.cek``).

    Raises:
        PermanentError: ``model_missing``, ``model_unreadable`` when it is of another kind, ``fleet_key_missing``,
            ``key_unwrap_failed`` and what opening a package raises.
    """
    if path.suffix == PACKAGE_SUFFIX:
        content = _opened(path, fleet_key)
    else:
        content = _read(path)
        _check_kind(path, content)
    facts = read_facts(path)
    return ModelFile(
        hashlib.sha256(content).hexdigest()[:_ID_DIGITS], content, facts.scores(), facts.colours()
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PermanentError(
            "model_missing",
            f"cannot read the model {path}: {error.strerror}",
            hint="name an ONNX file, a sealed package (.azpkg), or latest",
        ) from error


def _check_kind(path: Path, content: bytes) -> None:
    """Name what people try, before a runtime says that it cannot parse it."""
    for kind in _KINDS:
        if content.startswith(kind.beginnings) or path.suffix.lower() in kind.suffixes:
            raise PermanentError(
                "model_unreadable", f"{path} is {kind.what}, not an ONNX model", hint=kind.hint
            )
    if not content:
        raise PermanentError("model_unreadable", f"{path} is empty", hint=_NAME_ANOTHER)
    if _is_text(content):
        raise PermanentError("model_unreadable", f"{path} is text, not an ONNX model", hint=_NAME_ANOTHER)


def _is_text(content: bytes) -> bool:
    beginning = content[:_LOOKED_AT]
    return not beginning.translate(None, _TEXT_BYTES)


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
