"""Format 1.0 is fixed: packages made once, with known random bytes, must come out and open the same for ever.

The file is written for other readers too (docs/package-format.md says how); it is extended, never changed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.packages import PackageMeta, open_package, seal_package

VECTORS = json.loads((Path(__file__).parent / "vectors" / "v1.json").read_text())


def plaintext_of(vector: dict[str, Any]) -> bytes:
    """Byte i of a vector's plaintext is i modulo 251, a prime, so that no two segments look alike."""
    pattern = bytes(range(251))
    size: int = vector["plaintext_size_bytes"]
    return (pattern * (size // 251 + 1))[:size]


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: vector["name"])
def test_the_format_does_not_drift(
    vector: dict[str, Any], tmp_path: Path, second_reader: Callable[[bytes, bytes], bytes]
) -> None:
    """The same key, random bytes and meta make the same package bytes as on the day the format was fixed."""
    cek, plaintext = bytes.fromhex(vector["cek"]), plaintext_of(vector)
    entropy = io.BytesIO(b"".join(bytes.fromhex(vector[name]) for name in VECTORS["entropy_order"]))
    meta = PackageMeta(**vector["meta"] | {"hw": tuple(vector["meta"]["hw"])})

    seal_package(plaintext, tmp_path / "p", meta=meta, cek=cek, entropy=entropy.read)
    package = (tmp_path / "p").read_bytes()

    assert len(package) == vector["package_size_bytes"]
    assert package.startswith(bytes.fromhex(vector["package_start"]))
    assert hashlib.sha256(package).hexdigest() == vector["package_sha256"]
    assert second_reader(package, cek) == plaintext


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_what_must_be_refused_stays_refused(vector: dict[str, Any]) -> None:
    """Each package of the must-fail list is refused with the code beside it."""
    with pytest.raises(PermanentError) as refusal:
        open_package(bytes.fromhex(vector["package"]), bytes.fromhex(vector["cek"]))

    assert refusal.value.code == vector["code"]
