"""From an artefact to two sealed halves in a folder, and the proof that two halves are those. Synchronous."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from azaion_common.core.durable import make_folder
from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    KeyWrapper,
    PackageMeta,
    PartFacts,
    Source,
    SplitFacts,
    joined_parts,
    new_content_key,
    open_package,
    seal_package,
    split_package,
    wipe,
    wrap_context,
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The facts of a sealed package. The content key is kept wrapped only."""

    package_id: str
    package_sha256: str
    package_size_bytes: int
    plaintext_sha256: str
    header_sha256: str
    wrapped_key: bytes = field(repr=False)
    small: PartFacts
    big: PartFacts

    @property
    def small_name(self) -> str:
        """Named after the package, so that a package sealed anew never collides with its forerunner."""
        return f"{self.package_id}.small"

    @property
    def parts(self) -> SplitFacts:
        return SplitFacts(self.small, self.big, self.package_sha256)

    @property
    def key_context(self) -> bytes:
        return bytes.fromhex(self.package_id + self.header_sha256)


def small_path(folder: Path) -> Path:
    return folder / "small"


def big_path(folder: Path) -> Path:
    return folder / "big"


def seal(
    artifact: Path, folder: Path, *, meta: PackageMeta, plaintext_sha256: str, wrapper: KeyWrapper
) -> Sealed:
    """Seal ``artifact`` under a fresh content key; leaves the two halves in ``folder``, durably.

    Raises:
        PermanentError: ``plaintext_changed`` when the artefact does not have the SHA-256 that was announced.
        AzaionError: as ``core.durable.replacing``.
    """
    cek, package = new_content_key(), folder / "package"
    try:
        header = seal_package(artifact, package, meta=meta, cek=cek, plaintext_sha256=plaintext_sha256)
        wrapped_key = wrapper.wrap(cek, wrap_context(header))
    finally:
        wipe(cek)
    parts = split_package(package, small_path(folder), big_path(folder))
    package.unlink()
    return Sealed(
        package_id=header.package_id.hex(),
        package_sha256=parts.package_sha256,
        package_size_bytes=header.package_size_bytes,
        plaintext_sha256=header.plaintext_sha256,
        header_sha256=header.sha256.hex(),
        wrapped_key=wrapped_key,
        small=parts.small,
        big=parts.big,
    )


def prove(sealed: Sealed, small: Source, big: Source, wrapper: KeyWrapper) -> None:
    """Do what a device will do: check both halves, join them, unwrap the key, open everything, in memory.

    Raises:
        PermanentError: ``package_parts_mismatch``, ``key_unwrap_failed``, ``package_tampered`` and whatever else
            opening raises.
    """
    cek = bytearray(wrapper.unwrap(sealed.wrapped_key, sealed.key_context))
    try:
        with joined_parts(small, big, expected=sealed.parts) as package, open_package(package, cek) as opened:
            if opened.header.plaintext_sha256 != sealed.plaintext_sha256:
                raise PermanentError("package_parts_mismatch", "the halves hold another model")
    finally:
        wipe(cek)


def empty_folder(folder: Path) -> None:
    """Make ``folder`` exist without anything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)


def keep_only(work: Path, names: set[str]) -> None:
    """Remove the folders of packages that are released or given up."""
    for folder in work.glob("*"):
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
