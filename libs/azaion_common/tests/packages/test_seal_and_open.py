"""Sealing and opening: what goes in comes out, in flat memory, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.packages import (
    PackageMeta,
    extract_package,
    inspect_package,
    join_package,
    new_content_key,
    open_package,
    seal_package,
    split_package,
    verify_structure,
    wipe,
)
from azaion_common.packages.memory import PlaintextMemory

META = PackageMeta("r1", "fp32-640", "onnx", ("cpu",))
Sealed = Any


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plaintext=st.binary(max_size=5000))
def test_what_is_sealed_opens(seal: Callable[..., Sealed], plaintext: bytes) -> None:
    """Any plaintext, the empty one included, comes back with the header it was sealed under."""
    sealed = seal(plaintext)

    with open_package(sealed.data, sealed.cek) as opened:
        assert opened.plaintext.read() == plaintext
        assert opened.header == sealed.header


def test_two_packages_of_one_model_share_nothing(seal: Callable[..., Sealed]) -> None:
    """Ids, secrets and payloads are fresh for each package, even under one key."""
    one = seal(bytes(5000))
    two = seal(bytes(5000), cek=one.cek)

    assert one.header.package_id != two.header.package_id
    assert one.header.release_secret != two.header.release_secret
    assert one.data[-5000:] != two.data[-5000:]


def test_memory_can_be_given_as_a_path_and_not_be_changed(small_package: Sealed) -> None:
    """A runtime may read the plaintext by path; nobody can write to it any more; closing takes it away."""
    with open_package(small_package.data, small_package.cek) as opened:
        path = opened.plaintext.path
        assert path is not None
        assert path.read_bytes() == small_package.plaintext
        with pytest.raises(PermissionError):
            os.pwrite(opened.plaintext.file.fileno(), b"x", 0)

    assert opened.plaintext.file.closed


def test_memory_works_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform has no anonymous files, plain memory holds the same bytes and there is no path."""
    monkeypatch.delattr(os, "memfd_create")

    with PlaintextMemory() as memory:
        memory.file.write(b"plain")
        memory.freeze()

        assert memory.read() == b"plain"
        assert memory.path is None


def test_a_known_hash_is_still_checked(tmp_path: Path) -> None:
    """A caller's wrong SHA-256 makes no package that could never be opened."""
    with pytest.raises(PermanentError) as refusal:
        seal_package(
            b"model",
            tmp_path / "p",
            meta=META,
            cek=new_content_key(),
            plaintext_sha256=hashlib.sha256(b"x").hexdigest(),
        )

    assert refusal.value.code == "plaintext_changed"
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_sealed_from_where_it_stands(tmp_path: Path) -> None:
    """What lies before the current position of an open file is neither hashed nor sealed."""
    file, cek = io.BytesIO(b"container header, then the model"), new_content_key()
    file.seek(23)

    seal_package(file, tmp_path / "p", meta=META, cek=cek)

    with open_package(tmp_path / "p", cek) as opened:
        assert opened.plaintext.read() == b"the model"


class ShrinkingFile(io.BytesIO):
    """A file that someone cuts between the two passes of sealing."""

    passes = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.passes += whence == io.SEEK_SET
        if self.passes == 2:
            self.truncate(10)
        return super().seek(offset, whence)


def test_a_file_that_shrinks_is_not_sealed(tmp_path: Path) -> None:
    """A source that changes while it is sealed is an error, not a package."""
    with pytest.raises(PermanentError) as refusal:
        seal_package(ShrinkingFile(bytes(100)), tmp_path / "p", meta=META, cek=new_content_key())

    assert refusal.value.code == "plaintext_changed"


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """A path that is not there gives an error with that path, and no destination."""
    with pytest.raises(PermanentError, match=r"nothing\.onnx") as refusal:
        seal_package(tmp_path / "nothing.onnx", tmp_path / "p", meta=META, cek=new_content_key())

    assert refusal.value.code == "source_unreadable"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_transient_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses the bytes, the old package stays and the error says that trying again may help."""
    destination = tmp_path / "p"
    destination.write_bytes(b"the package before")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(TransientError, match="no space left") as refusal:
        seal_package(b"model", destination, meta=META, cek=new_content_key())

    assert refusal.value.code == "disk_full"
    assert destination.read_bytes() == b"the package before"
    assert list(tmp_path.iterdir()) == [destination]


def test_a_package_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced, then renamed, then the folder is synced: in that order."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def recorded_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_rename)
    seal_package(b"model", tmp_path / "p", meta=META, cek=new_content_key())

    assert steps == ["sync file", "rename", "sync folder"]


def test_plaintext_is_for_its_owner_only(small_package: Sealed, tmp_path: Path) -> None:
    """An extracted model can be read by no other user of the machine."""
    extract_package(small_package.data, tmp_path / "model", small_package.cek)

    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o600


def test_no_thread_outlives_a_refusal(small_package: Sealed) -> None:
    """The hashing thread ends with the call, also when the call fails."""
    before = threading.active_count()
    changed = small_package.data[:-1] + bytes([small_package.data[-1] ^ 1])
    with pytest.raises(PermanentError):
        open_package(changed, small_package.cek)

    assert threading.active_count() == before


def test_facts_need_no_key_and_tell_no_secret(small_package: Sealed) -> None:
    """The header alone says what a package holds; the release secret is not among it."""
    facts = inspect_package(small_package.data[: small_package.header_size_bytes])

    assert facts == verify_structure(small_package.data)
    assert facts.release == small_package.header.meta.release
    assert facts.plaintext_sha256 == hashlib.sha256(small_package.plaintext).hexdigest()
    assert facts.package_size_bytes == len(small_package.data)
    assert small_package.header.release_secret.hex() not in repr(facts)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda package: package[:-1], "package_truncated"),
        (lambda package: package[:-200], "package_header_invalid"),
        (lambda package: package + bytes(1), "package_trailing_bytes"),
    ],
    ids=["payload cut", "header cut", "longer"],
)
def test_structure_is_checked_without_the_key(
    small_package: Sealed, change: Callable[[bytes], bytes], code: str
) -> None:
    """A package of the wrong length is seen without the key."""
    with pytest.raises(PermanentError) as refusal:
        verify_structure(change(small_package.data))

    assert refusal.value.code == code


def test_a_wrong_stream_header_is_seen_without_the_key(small_package: Sealed) -> None:
    """A payload that does not start like one is seen without the key."""
    changed = bytearray(small_package.data)
    changed[small_package.header_size_bytes] = 0

    with pytest.raises(PermanentError) as refusal:
        verify_structure(bytes(changed))

    assert refusal.value.code == "package_tampered"


def test_memory_stays_flat(tmp_path: Path) -> None:
    """64 MiB are sealed, split, joined and extracted within 8 MiB of memory."""
    plaintext, cek = tmp_path / "plaintext", new_content_key()
    with plaintext.open("wb") as file:
        file.truncate(64 << 20)

    tracemalloc.start()
    seal_package(plaintext, tmp_path / "package", meta=META, cek=cek)
    split_package(tmp_path / "package", tmp_path / "small", tmp_path / "big")
    join_package(tmp_path / "small", tmp_path / "big", tmp_path / "joined")
    extract_package(tmp_path / "joined", tmp_path / "again", cek)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 8 << 20
    assert (tmp_path / "again").stat().st_size == 64 << 20


def test_a_key_can_be_wiped() -> None:
    """Wiping overwrites the key in place."""
    key = new_content_key()
    wipe(key)

    assert key == bytes(32)
