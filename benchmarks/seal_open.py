"""Sealing and opening a package, beside raw AES-GCM from ``cryptography`` on the same bytes.

The peer is what somebody without this format would write: one ``AESGCM.encrypt`` of the whole plaintext, its result
written to the same folder, and one ``AESGCM.decrypt`` back into memory. It holds everything in memory twice and hashes
nothing. Two more rows stand beside it: the same cipher in 1 MiB chunks, and those chunks with the SHA-256 of the
plaintext in the same thread (the format states that hash, so leaving it out is not an option for us).

All rows of one repeat run in turn, in an order that changes from repeat to repeat; the table shows medians.
Sources are bytes in memory; destinations are a folder (default: a memory file system, so that no disk is measured)
and, for opening, memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.table import Table

from azaion_common.core.durable import replacing
from azaion_common.packages import PackageMeta, PlaintextMemory, new_content_key, open_package, seal_package

MIB = 1 << 20
CHUNK_BYTES = MIB
TAG_BYTES = 16
META = PackageMeta("benchmark", "none", "bin")


class Seconds(NamedTuple):
    """Time on the clock, and processor time of all threads: the second is steadier on a busy machine."""

    wall: float
    cpu: float


@dataclass
class Bench:
    """The bytes, the keys and the prepared ciphertexts that all rows share."""

    plaintext: bytes
    folder: Path
    cek: bytes = field(default_factory=lambda: bytes(new_content_key()))

    def __post_init__(self) -> None:
        self.aead = AESGCM(os.urandom(32))
        self.nonce = os.urandom(12)
        self.sha256 = hashlib.sha256(self.plaintext).hexdigest()
        seal_package(self.plaintext, self.folder / "package", meta=META, cek=self.cek)
        self.package = (self.folder / "package").read_bytes()
        self.sealed_whole = self.aead.encrypt(self.nonce, self.plaintext, None)
        self.sealed_chunks = [self.aead.encrypt(self.nonce, chunk, None) for chunk in self._chunks()]

    def seal(self) -> None:
        seal_package(self.plaintext, self.folder / "out", meta=META, cek=self.cek)

    def seal_known_hash(self) -> None:
        seal_package(
            self.plaintext, self.folder / "out", meta=META, cek=self.cek, plaintext_sha256=self.sha256
        )

    def seal_raw_whole(self) -> None:
        with replacing(self.folder / "out") as sink:
            sink.write(self.aead.encrypt(self.nonce, self.plaintext, None))

    def seal_raw_chunks(self) -> None:
        with replacing(self.folder / "out") as sink:
            for chunk in self._chunks():
                # One nonce for all: unsafe anywhere but in a benchmark, and no faster.
                sink.write(self.aead.encrypt(self.nonce, chunk, None))

    def seal_raw_chunks_and_hash(self) -> None:
        hashlib.sha256(self.plaintext)
        self.seal_raw_chunks()

    def open(self) -> None:
        open_package(self.package, self.cek).close()

    def open_raw_whole(self) -> None:
        self.aead.decrypt(self.nonce, self.sealed_whole, None)

    def open_raw_chunks(self) -> None:
        with PlaintextMemory() as memory:
            self._decrypt_chunks(memory.file, lambda _: None)

    def open_raw_chunks_and_hash(self) -> None:
        with PlaintextMemory() as memory:
            self._decrypt_chunks(memory.file, hashlib.sha256().update)

    def _decrypt_chunks(self, sink: BinaryIO, observe: Callable[[bytes], None]) -> None:
        for chunk in self.sealed_chunks:
            plaintext = self.aead.decrypt(self.nonce, chunk, None)
            observe(plaintext)
            sink.write(plaintext)

    def _chunks(self) -> Iterator[memoryview]:
        view = memoryview(self.plaintext)
        return (view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES))


def rows(bench: Bench) -> dict[str, dict[str, Callable[[], None]]]:
    """What is timed: the peer is the last of each group."""
    return {
        "seal": {
            "azaion, SHA-256 known": bench.seal_known_hash,
            "azaion, SHA-256 computed first": bench.seal,
            "raw 1 MiB chunks + SHA-256": bench.seal_raw_chunks_and_hash,
            "raw 1 MiB chunks": bench.seal_raw_chunks,
            "raw one-shot (the peer)": bench.seal_raw_whole,
        },
        "open": {
            "azaion, verified, into memory": bench.open,
            "raw 1 MiB chunks + SHA-256": bench.open_raw_chunks_and_hash,
            "raw 1 MiB chunks": bench.open_raw_chunks,
            "raw one-shot (the peer)": bench.open_raw_whole,
        },
    }


def measure(groups: dict[str, dict[str, Callable[[], None]]], repeats: int) -> dict[str, dict[str, Seconds]]:
    """Median wall and processor seconds of each row; one round of warming up is thrown away."""
    jobs = [(group, name, job) for group, members in groups.items() for name, job in members.items()]
    seconds: dict[tuple[str, str], list[Seconds]] = {(group, name): [] for group, name, _ in jobs}
    for repeat in range(repeats + 1):
        for group, name, job in random.Random(repeat).sample(jobs, len(jobs)):
            taken = timed(job)
            if repeat:
                seconds[group, name].append(taken)
    return {
        group: {name: median_of(seconds[group, name]) for name in members}
        for group, members in groups.items()
    }


def timed(job: Callable[[], None]) -> Seconds:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    job()
    return Seconds(time.perf_counter() - wall_s, time.process_time() - cpu_s)


def median_of(samples: list[Seconds]) -> Seconds:
    return Seconds(
        statistics.median(sample.wall for sample in samples),
        statistics.median(sample.cpu for sample in samples),
    )


def report(medians: dict[str, dict[str, Seconds]], size_mib: int) -> dict[str, dict[str, dict[str, float]]]:
    """Speed as a ratio of the peer's, of the honest equivalent's (chunks with the hash) and of bare chunks."""
    return {
        group: {
            name: {
                "mib_per_s": round(size_mib / taken.wall, 1),
                "cpu_ms": round(taken.cpu * 1000),
                "ratio_to_peer": round(members["raw one-shot (the peer)"].wall / taken.wall, 2),
                "ratio_to_chunks_and_hash": round(members["raw 1 MiB chunks + SHA-256"].wall / taken.wall, 2),
                "ratio_to_chunks": round(members["raw 1 MiB chunks"].wall / taken.wall, 2),
            }
            for name, taken in members.items()
        }
        for group, members in medians.items()
    }


def table_of(results: dict[str, dict[str, dict[str, float]]]) -> Table:
    table = Table("", "row", "MiB/s", "CPU ms", "of one-shot", "of chunks + SHA-256", "of chunks")
    for group, members in results.items():
        for name, figures in members.items():
            table.add_row(group, name, *(f"{figure:g}" for figure in figures.values()))
    return table


def default_folder() -> Path:
    memory = Path("/dev/shm")  # noqa: S108  # a memory file system is the point
    return memory if memory.is_dir() else Path(tempfile.gettempdir())


def main() -> None:
    """Measure and print; ``--json`` prints one object instead of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="where sealed files are written"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(os.urandom(options.size_mib * MIB), Path(folder))
        results = report(measure(rows(bench), options.repeats), options.size_mib)
    if options.json:
        print(json.dumps({"size_mib": options.size_mib, "repeats": options.repeats, "results": results}))
    else:
        Console(width=120).print(table_of(results))


if __name__ == "__main__":
    main()
