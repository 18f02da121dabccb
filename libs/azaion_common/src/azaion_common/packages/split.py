"""Cut a package into a small part (served by the API) and a big part (on the object store), and join them again.

The small part is at most 3 KiB or a fifth of the package, but always holds the whole header. So without it there is
neither the release secret nor the header hash: the big part alone cannot be opened even with the content key.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from azaion_common.core.durable import replacing
from azaion_common.core.errors import PermanentError
from azaion_common.packages.digest import sha256_of_rest
from azaion_common.packages.header import PackageHeader, encode_header
from azaion_common.packages.inspect import PackageFacts, read_header
from azaion_common.packages.open import read_sized_header
from azaion_common.packages.parts import JoinedParts
from azaion_common.packages.segments import SEGMENT_SIZE_BYTES
from azaion_common.packages.sources import Source, opened, remaining_size_bytes

SMALL_PART_LIMIT_BYTES = 3 << 10


@dataclass(frozen=True, slots=True)
class PartFacts:
    """Length and SHA-256 (hex) of a part, as a release states them."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """Both parts, and the SHA-256 (hex) of the whole package."""

    small: PartFacts
    big: PartFacts
    package_sha256: str


def small_part_size_bytes(header: PackageHeader) -> int:
    """``min(package, max(header, min(3072, floor(package / 5))))``; at least 56 bytes are left for the big part."""
    package_size_bytes = header.package_size_bytes
    share = min(SMALL_PART_LIMIT_BYTES, package_size_bytes // 5)
    return min(package_size_bytes, max(len(encode_header(header)), share))


def split_package(package: Source, small: Path, big: Path) -> SplitFacts:
    """Write both parts. The package's structure is checked first; its content is not (that needs the key).

    Raises:
        PermanentError: as ``verify_structure``.
        AzaionError: as ``core.durable.replacing``.
    """
    with opened(package) as file:
        start = file.tell()
        small_size_bytes = small_part_size_bytes(read_sized_header(file))
        file.seek(start)
        whole = hashlib.sha256()
        small_facts = _copy_part(io.BytesIO(file.read(small_size_bytes)), small, whole)
        big_facts = _copy_part(file, big, whole)
    return SplitFacts(small_facts, big_facts, whole.hexdigest())


@contextmanager
def joined_parts(small: Source, big: Source, *, expected: SplitFacts | None = None) -> Iterator[BinaryIO]:
    """Both parts as one readable package without writing it anywhere: ``open_package`` takes it as it is.

    Raises:
        PermanentError: ``package_parts_mismatch`` when a length (or, given ``expected``, a hash) is not the one that
            belongs to this package; ``package_header_invalid`` when the small part is none.
    """
    with opened(small) as small_file, opened(big) as big_file:
        if expected is not None:
            check_part(small_file, expected.small)
            check_part(big_file, expected.big)
        _check_part_sizes(small_file, big_file)
        with io.BufferedReader(JoinedParts(small_file, big_file)) as package:
            yield package


def join_package(
    small: Source, big: Source, destination: Path, *, expected: SplitFacts | None = None
) -> PackageFacts:
    """Write the parts as one package. Raises: as ``joined_parts``; as ``core.durable.replacing``."""
    with joined_parts(small, big, expected=expected) as package, replacing(destination) as sink:
        header = read_header(package)
        package.seek(0)
        while chunk := package.read(SEGMENT_SIZE_BYTES):
            sink.write(chunk)
        return PackageFacts.of(header)


def check_part(part: BinaryIO, expected: PartFacts) -> None:
    """Compare length first, then SHA-256; the position stays.

    Raises:
        PermanentError: ``package_parts_mismatch``.
    """
    size_bytes = remaining_size_bytes(part)
    if size_bytes != expected.size_bytes:
        raise _mismatch(f"a part has {size_bytes} bytes instead of {expected.size_bytes}")
    if sha256_of_rest(part) != expected.sha256:
        raise _mismatch("a part does not have the SHA-256 that its release states")


def _check_part_sizes(small: BinaryIO, big: BinaryIO) -> None:
    position = small.tell()
    header = read_header(small)
    small.seek(position)
    small_size_bytes = small_part_size_bytes(header)
    for name, part, size_bytes in (
        ("small", small, small_size_bytes),
        ("big", big, header.package_size_bytes - small_size_bytes),
    ):
        if remaining_size_bytes(part) != size_bytes:
            raise _mismatch(f"the {name} part has {remaining_size_bytes(part)} bytes instead of {size_bytes}")


def _copy_part(source: BinaryIO, destination: Path, whole: hashlib._Hash) -> PartFacts:
    part = hashlib.sha256()
    size_bytes = 0
    with replacing(destination) as sink:
        while chunk := source.read(SEGMENT_SIZE_BYTES):
            sink.write(chunk)
            part.update(chunk)
            whole.update(chunk)
            size_bytes += len(chunk)
    return PartFacts(size_bytes, part.hexdigest())


def _mismatch(problem: str) -> PermanentError:
    return PermanentError(
        "package_parts_mismatch",
        f"the two parts do not make one package: {problem}",
        hint="fetch both parts of the same release again",
    )
