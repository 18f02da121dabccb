"""Splitting and joining: the rule for the sizes, the round trip, and parts that do not belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    join_package,
    joined_parts,
    open_package,
    small_part_size_bytes,
    split_package,
)

Sealed = Any


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "model.small", tmp_path / "model.big"


@pytest.mark.parametrize("plaintext_size", [0, 1, 1000, 3000, 20_000, 1 << 20])
def test_the_small_part_follows_the_rule(seal: Callable[..., Sealed], plaintext_size: int) -> None:
    """At most 3072 bytes or a fifth of the package, but never less than the header."""
    sealed = seal(bytes(plaintext_size))
    small_size = small_part_size_bytes(sealed.header)

    assert small_size == min(
        len(sealed.data), max(sealed.header_size_bytes, min(3072, len(sealed.data) // 5))
    )
    assert small_size >= sealed.header_size_bytes


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plaintext=st.binary(max_size=30_000), buffer_size=st.integers(min_value=1, max_value=5000))
def test_split_parts_join_and_open(
    seal: Callable[..., Sealed], tmp_path: Path, plaintext: bytes, buffer_size: int
) -> None:
    """Both parts make the same package again, on disk and when read in place in pieces of any size."""
    sealed = seal(plaintext)
    package, small, big = tmp_path / "package", tmp_path / "small", tmp_path / "big"
    package.write_bytes(sealed.data)

    facts = split_package(package, small, big)
    join_package(small, big, tmp_path / "joined", expected=facts)
    with joined_parts(small.read_bytes(), big, expected=facts) as joined:
        pieces = list(iter(lambda: joined.read(buffer_size), b""))
        joined.seek(0)
        with open_package(joined, sealed.cek) as opened:
            assert opened.plaintext.read() == plaintext

    assert small.read_bytes() + big.read_bytes() == sealed.data == b"".join(pieces)
    assert (tmp_path / "joined").read_bytes() == sealed.data
    assert facts.package_sha256 == hashlib.sha256(sealed.data).hexdigest()
    assert facts.small.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    assert facts.big.size_bytes == big.stat().st_size


def test_the_secret_is_only_in_the_small_part(seal: Callable[..., Sealed], parts: tuple[Path, Path]) -> None:
    """The big part holds nothing of the header: alone it cannot be opened even with the content key."""
    sealed = seal(bytes(100_000))
    split_package(sealed.data, *parts)

    assert sealed.header.release_secret in parts[0].read_bytes()
    assert sealed.header.release_secret not in parts[1].read_bytes()


@pytest.mark.parametrize("index", [0, 1], ids=["small", "big"])
@pytest.mark.parametrize(
    "change", [lambda part: part[:-1], lambda part: part + b"\0"], ids=["shorter", "longer"]
)
def test_a_part_of_another_length_is_refused(
    seal: Callable[..., Sealed],
    parts: tuple[Path, Path],
    tmp_path: Path,
    index: int,
    change: Callable[[bytes], bytes],
) -> None:
    """A part that is one byte short or long is refused before a file is made."""
    split_package(seal(bytes(100_000)).data, *parts)
    parts[index].write_bytes(change(parts[index].read_bytes()))

    with pytest.raises(PermanentError) as refusal:
        join_package(*parts, tmp_path / "joined")

    assert refusal.value.code == "package_parts_mismatch"
    assert not (tmp_path / "joined").exists()


@pytest.mark.parametrize("index", [0, 1], ids=["small", "big"])
def test_a_changed_part_fails_its_hash(
    seal: Callable[..., Sealed], parts: tuple[Path, Path], tmp_path: Path, index: int
) -> None:
    """With the facts of the release at hand, one changed byte is seen without any key."""
    facts = split_package(seal(bytes(100_000)).data, *parts)
    changed = bytearray(parts[index].read_bytes())
    changed[-1] ^= 1
    parts[index].write_bytes(changed)

    with pytest.raises(PermanentError) as refusal:
        join_package(*parts, tmp_path / "joined", expected=facts)

    assert refusal.value.code == "package_parts_mismatch"


def test_parts_in_the_wrong_order_are_refused(
    seal: Callable[..., Sealed], parts: tuple[Path, Path], tmp_path: Path
) -> None:
    """The big part given as the small one is not a header."""
    split_package(seal(bytes(100_000)).data, *parts)

    with pytest.raises(PermanentError) as refusal:
        join_package(parts[1], parts[0], tmp_path / "joined")

    assert refusal.value.code == "package_header_invalid"


def test_a_cut_package_is_not_split(seal: Callable[..., Sealed], parts: tuple[Path, Path]) -> None:
    """Splitting checks the length first and writes no part of a truncated package."""
    with pytest.raises(PermanentError) as refusal:
        split_package(seal(bytes(100_000)).data[:-1], *parts)

    assert refusal.value.code == "package_truncated"
    assert not parts[0].exists()
