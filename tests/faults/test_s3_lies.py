"""Servers of blobs that do something else than they say: found out, every time.

Seed of what is random from ``AZAION_FAULTS_SEED``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from s3test.rig import PART_BYTES, QUICK, Rig, open_rig, small_part_server
from testservers import s3_modes as modes
from testservers.s3 import PrivateS3
from testservers.s3_faults import Exchange, Mode, Request

from azaion_common.core.errors import AzaionError, PermanentError, TransientError

_READ = os.environ.get  # noqa: TID251 - how a fault run is repeated
SIZES = (1, 100, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES)


@pytest.fixture(scope="module")
def behind() -> Iterator[PrivateS3]:
    with small_part_server() as server:
        yield server


@pytest.fixture
def chance() -> random.Random:
    seed = int(_READ("AZAION_FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AZAION_FAULTS_SEED={seed}")  # noqa: T201 - how this run is repeated
    return random.Random(seed)


def _flips_a_bit(chance: random.Random) -> Mode:
    async def mode(exchange: Exchange) -> None:
        body = bytearray(exchange.request.body)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        await exchange.answer(await exchange.forward(bytes(body)))

    return mode


def _cuts(chance: random.Random) -> Mode:
    async def mode(exchange: Exchange) -> None:
        body = exchange.request.body
        await exchange.answer(await exchange.forward(body[: chance.randrange(len(body))]))

    return mode


def _mixes_up(_chance: random.Random) -> Mode:
    async def mode(exchange: Exchange) -> None:
        await exchange.answer(await exchange.forward(b"the object of somebody else"))

    return mode


def _appends(_chance: random.Random) -> Mode:
    async def mode(exchange: Exchange) -> None:
        await exchange.answer(await exchange.forward(exchange.request.body + b"\r\n"))

    return mode


Lie = Callable[[random.Random], Mode]


@pytest.mark.parametrize("lie", [_flips_a_bit, _cuts, _mixes_up, _appends])
async def test_a_lie_is_found_out(behind: PrivateS3, tmp_path: Path, chance: random.Random, lie: Lie) -> None:
    """Whatever the server stores instead of what it acknowledges, in one part or many: the writer is told."""
    source = tmp_path / "source"
    async with open_rig(behind) as rig:
        rig.server.break_with(lie(chance), when=modes.writes)
        for size_bytes in SIZES:
            source.write_bytes(chance.randbytes(size_bytes))
            for put in (rig.store.put(source.read_bytes(), "a/b"), rig.store.put_file(source, "a/b")):
                with pytest.raises(TransientError) as caught:
                    await put
                assert caught.value.code == "blob_corrupt"


@pytest.mark.parametrize("lie", [_flips_a_bit, _cuts, _mixes_up, _appends])
async def test_a_lie_that_passes_is_mended(
    behind: PrivateS3, tmp_path: Path, chance: random.Random, lie: Lie
) -> None:
    """A server that stores other bytes once: the blob is sent again, and is right then."""
    source = tmp_path / "source"
    async with open_rig(behind) as rig:
        for size_bytes in SIZES:
            source.write_bytes(chance.randbytes(size_bytes))
            rig.server.mend()
            rig.server.break_with(_once(lie(chance)), when=modes.writes)
            blob = await rig.store.put_file(source, "a/b")
            assert rig.stored(blob.sha256) == source.read_bytes()


def _once(mode: Mode) -> Mode:
    modes_left = iter([mode])

    async def once(exchange: Exchange) -> None:
        await next(modes_left, _tells_the_truth)(exchange)

    return once


async def _tells_the_truth(exchange: Exchange) -> None:
    await exchange.answer(await exchange.forward())


async def test_an_acknowledgement_of_nothing_is_found_out(behind: PrivateS3) -> None:
    """A server that says 200 and stores nothing is asked to store again, and is not believed."""
    async with open_rig(behind, replace(QUICK, tries=3)) as rig:
        rig.server.break_with(modes.stores_nothing, when=modes.writes)
        with pytest.raises(AzaionError) as caught:
            await rig.store.put(b"data", "text/plain")

    assert caught.value.code == "store_unavailable"


async def test_bytes_that_change_on_their_way_are_found_out(behind: PrivateS3, tmp_path: Path) -> None:
    """What was stored rightly and arrives otherwise is never handed out, and no file appears."""
    async with open_rig(behind) as rig:
        blob = await rig.store.put(b"data" * PART_BYTES, "text/plain")
        rig.server.break_with(modes.returns_other_bytes)
        for attempt in (rig.store.get(blob.sha256), rig.store.fetch(blob.sha256, tmp_path / "out")):
            with pytest.raises(PermanentError) as caught:
                await attempt
            assert caught.value.code == "blob_corrupt"

    assert list(tmp_path.iterdir()) == []


async def test_bytes_that_changed_on_their_way_once_are_read_again(behind: PrivateS3) -> None:
    """Nobody calls a blob corrupt for good because a cable or a proxy had a bad moment."""
    async with open_rig(behind) as rig:
        blob = await rig.store.put(b"data", "text/plain")
        rig.server.break_with(_once(modes.returns_other_bytes))

        assert await rig.store.get(blob.sha256) == b"data"


def _looks(rig: Rig) -> Callable[[Request], bool]:
    return lambda request: (
        request.method in ("GET", "HEAD") and request.path.startswith(f"/{rig.location.bucket}")
    )


@pytest.mark.parametrize("verify_writes", [True, False])
async def test_what_was_just_stored_may_need_a_moment(behind: PrivateS3, *, verify_writes: bool) -> None:
    """A server that shows new objects late is asked again; objects are found by name, never by a list."""
    async with open_rig(behind, verify_writes=verify_writes) as rig:
        rig.server.break_with(modes.not_visible, when=_looks(rig), times=2)

        blob = await rig.store.put(b"data", "text/plain")

        assert rig.stored(blob.sha256) == b"data"
        assert [found async for found in rig.store.list()] == []  # still the old list


@pytest.mark.parametrize("verify_writes", [True, False])
async def test_what_never_shows_up_is_not_stored(behind: PrivateS3, *, verify_writes: bool) -> None:
    """An acknowledged object that stays invisible is an error that may pass."""
    async with open_rig(behind, replace(QUICK, tries=3), verify_writes=verify_writes) as rig:
        rig.server.break_with(modes.not_visible, when=_looks(rig))
        with pytest.raises(TransientError) as caught:
            await rig.store.put(b"data", "text/plain")

    assert caught.value.code == "store_unavailable"
