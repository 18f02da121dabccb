"""Wrapped content keys: for the fleet and the package they were wrapped for, and nobody else."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    KeyWrapper,
    load_fleet_key,
    load_or_create_fleet_key,
    new_content_key,
    wrap_context,
)

CONTEXT = bytes(range(48))


@pytest.fixture
def wrapper() -> KeyWrapper:
    return FleetKeyWrapper(os.urandom(32))


def test_a_wrapped_key_comes_back(wrapper: KeyWrapper) -> None:
    """The same fleet key and context give the content key back, in a buffer that can be wiped."""
    cek = new_content_key()

    unwrapped = wrapper.unwrap(wrapper.wrap(cek, CONTEXT), CONTEXT)

    assert unwrapped == cek
    assert isinstance(unwrapped, bytearray)


def test_wrapping_twice_looks_different(wrapper: KeyWrapper) -> None:
    """Nobody sees from two wrapped keys that they hold the same content key."""
    cek = new_content_key()

    assert wrapper.wrap(cek, CONTEXT) != wrapper.wrap(cek, CONTEXT)


def test_every_change_of_a_wrapped_key_is_refused(wrapper: KeyWrapper) -> None:
    """Each flipped bit, each truncation and one byte more are refused."""
    wrapped = wrapper.wrap(new_content_key(), CONTEXT)
    flipped = [
        (int.from_bytes(wrapped, "big") ^ (1 << bit)).to_bytes(len(wrapped), "big")
        for bit in range(8 * len(wrapped))
    ]

    for changed in (*flipped, *(wrapped[:size] for size in range(len(wrapped))), wrapped + b"\0"):
        with pytest.raises(PermanentError) as refusal:
            wrapper.unwrap(changed, CONTEXT)
        assert refusal.value.code == "key_unwrap_failed"


def test_a_wrapped_key_belongs_to_its_package(wrapper: KeyWrapper, small_package: Any) -> None:
    """The context names the package; a key wrapped for it does not unwrap for another."""
    context = wrap_context(small_package.header)
    wrapped = wrapper.wrap(small_package.cek, context)

    with pytest.raises(PermanentError) as refusal:
        wrapper.unwrap(wrapped, CONTEXT)

    assert context == small_package.header.package_id + small_package.header.sha256
    assert refusal.value.code == "key_unwrap_failed"


def test_another_fleet_cannot_unwrap(wrapper: KeyWrapper) -> None:
    """A key wrapped for one fleet is useless to another."""
    wrapped = wrapper.wrap(new_content_key(), CONTEXT)

    with pytest.raises(PermanentError) as refusal:
        FleetKeyWrapper(os.urandom(32)).unwrap(wrapped, CONTEXT)

    assert refusal.value.code == "key_unwrap_failed"


def test_the_fleet_key_is_made_once(tmp_path: Path) -> None:
    """The key file is made where there is none, for its owner only, and kept from then on."""
    path = tmp_path / "keys" / "fleet.key"

    key = load_or_create_fleet_key(path)

    assert load_or_create_fleet_key(path) == key == load_fleet_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_creators_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """Of several processes that start together, all get the key that ends up in the file."""
    path = tmp_path / "fleet.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_create_fleet_key, [path] * 32))

    assert keys == {path.read_bytes()}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "fleet_key_missing"),
        (b"", "fleet_key_invalid"),
        (bytes(31), "fleet_key_invalid"),
        (bytes(33), "fleet_key_invalid"),
    ],
)
def test_a_wrong_key_file_is_named(tmp_path: Path, content: bytes | None, code: str) -> None:
    """A missing file and a file that is no key are told apart, by path."""
    path = tmp_path / "fleet.key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PermanentError, match=r"fleet\.key") as refusal:
        load_fleet_key(path)

    assert refusal.value.code == code


def test_a_bad_key_file_is_never_replaced(tmp_path: Path) -> None:
    """Creating does not overwrite a file that is there, even when it is no key."""
    path = tmp_path / "fleet.key"
    path.write_bytes(b"precious")

    with pytest.raises(PermanentError):
        load_or_create_fleet_key(path)

    assert path.read_bytes() == b"precious"
