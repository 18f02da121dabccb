"""Publications: a release is what was read back and opened; a crash at any step leaves the former one current."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from azaion_common.contracts.events import BlobRef, Event
from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import PUBLICATIONS
from azaion_common.core.errors import PermanentError
from azaion_common.packages import FleetKeyWrapper, joined_parts, open_package
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import Delivery
from azaion_common.platform.ledger.worker import JobWorker
from azaion_common.platform.runtime.transports import blobs_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Record
from azaion_publisher import packages
from azaion_publisher.command import answers, find_export, outcome
from azaion_publisher.handlers import Planner
from azaion_publisher.plan import publish_job

pytestmark = pytest.mark.slow

STEPS = ["seal", "keep", "store small", "store big", "read back small", "read back big", "prove", "release"]


def delivery(event: Event) -> Any:
    return Delivery(Record(STREAM, 0, b"", {}, datetime.now(UTC)), event)


async def test_a_release_opens_with_what_its_event_says(bench: Any) -> None:
    """Halves from where the event says, the key unwrapped with the fleet's: out comes the artefact."""
    await bench.publish()

    (event,) = await bench.events()
    small = bench.api.stored[event.small.location]
    big = await bench.releases.get(event.big.location)
    cek = FleetKeyWrapper(b"k" * 32).unwrap(
        event.wrapped_key, bytes.fromhex(event.package_id + event.header_sha256)
    )
    with joined_parts(small, big) as package, open_package(package, cek) as opened:
        assert opened.plaintext.read() == b"an ONNX file" * 10_000
    assert event.release == 1
    assert (len(small), len(big)) == (event.small.size_bytes, event.big.size_bytes)
    assert len(small) <= 3072
    assert hashlib.sha256(small + big).hexdigest() == event.package_sha256
    assert event.package_size_bytes == len(small) + len(big)
    assert event.plaintext_sha256 == bench.export.artifact.sha256
    assert (event.target, event.imgsz, event.batch, event.class_names) == ("onnx", 320, 1, ("car",))


async def test_a_release_says_from_which_score_its_boxes_are_worth_showing(bench: Any) -> None:
    """The thresholds of the export, by class name."""
    await bench.publish()

    (event,) = await bench.events()
    assert event.thresholds == {"car": 0.31}


async def test_neither_half_alone_holds_the_plaintext(bench: Any) -> None:
    """What lies in the two stores is sealed."""
    await bench.publish()

    (event,) = await bench.events()
    for half in (bench.api.stored[event.small.location], await bench.releases.get(event.big.location)):
        assert b"an ONNX file" not in half


async def test_the_store_that_devices_read_holds_sealed_halves_and_nothing_else(bench: Any) -> None:
    """The big half goes there under its own hash; the artefact, whose name every announcement tells, never does."""
    await bench.publish()

    (event,) = await bench.events()
    assert [blob.sha256 async for blob in bench.releases.list()] == [event.big.sha256]
    assert event.plaintext_sha256 not in (event.big.sha256, event.small.sha256)
    assert await bench.platform.blobs.size(event.big.sha256) is None


async def test_releases_count_up(bench: Any) -> None:
    """Each has a higher number than all before it."""
    await bench.publish()
    await bench.publish(export=await bench.another_export(2))
    await bench.publish(export=await bench.another_export(3))

    assert [event.release for event in await bench.events()] == [1, 2, 3]


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_leaves_the_former_release_and_ends_well_later(
    bench: Any, step: str
) -> None:
    """Died before a step, the stream still says what it said; run again, it says one release more, not two."""
    await bench.publish(export=await bench.another_export(1))

    with pytest.raises(BaseException, match=step):
        await bench.publish(bench.crash_at(step))
    before = await bench.events()
    await bench.publish()

    assert [event.release for event in before] == [1]
    after = await bench.events()
    assert [event.release for event in after] == [1, 2]
    assert after[1].plaintext_sha256 == bench.export.artifact.sha256


@pytest.mark.parametrize("step", STEPS[2:])
async def test_a_retry_sends_the_same_package(bench: Any, step: str) -> None:
    """From the first upload on the sealed bytes are kept: nothing is left behind in the stores."""
    with pytest.raises(BaseException, match=step):
        await bench.publish(bench.crash_at(step))

    await bench.publish()

    assert len(bench.api.stored) == 1
    big_sizes = [blob.size_bytes async for blob in bench.releases.list()]
    assert len(big_sizes) == 1


async def test_a_crash_in_the_last_transaction_releases_nothing(bench: Any) -> None:
    """The number, the event and the end of the job are one transaction."""
    finish = await bench.publisher.run(bench.job())

    def die(connection: Any) -> None:
        bench.ledger.emit(connection, finish(connection))
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await bench.ledger.transact(die)

    assert await bench.events() == []
    await bench.publish()
    assert [event.release for event in await bench.events()] == [1]


async def test_damaged_leftovers_are_sealed_anew(bench: Any) -> None:
    """A half that rotted between two tries is not uploaded: the package is made again, under another id."""
    with pytest.raises(BaseException, match="store big"):
        await bench.publish(bench.crash_at("store big"))
    (half,) = await asyncio.to_thread(lambda: list(bench.publisher.work.glob("*/big")))
    half.write_bytes(b"rotten")

    await bench.publish()

    (event,) = await bench.events()
    assert event.small.location in bench.api.stored
    assert len(bench.api.stored) == 2


async def test_an_api_that_stores_other_bytes_is_found_out(bench: Any) -> None:
    """It said 201, but what comes back is not what was sent: no release."""
    bench.api.lies = True

    with pytest.raises(PermanentError, match="package_parts_mismatch"):
        await bench.publish()

    assert await bench.events() == []


@dataclass
class LyingBlobs:
    """A store that says the right hash and keeps the wrong bytes."""

    real: Any
    sha256: str = ""

    async def put_file(self, path: Path, media_type: str) -> BlobRef:
        data = await asyncio.to_thread(path.read_bytes)
        self.sha256 = hashlib.sha256(data).hexdigest()
        return BlobRef(sha256=self.sha256, size_bytes=len(data), media_type=media_type)

    async def fetch(self, sha256: str, destination: Path) -> None:
        if sha256 == self.sha256:
            await asyncio.to_thread(self._lie, destination)
        else:
            await self.real.fetch(sha256, destination)

    def _lie(self, destination: Path) -> None:
        data = bytearray((destination.parent / "big").read_bytes())
        data[len(data) // 2] ^= 1
        destination.write_bytes(data)


async def test_a_store_that_changes_one_bit_is_found_out(bench: Any) -> None:
    """It said yes, but one bit of the big half differs: no release."""
    lying = replace(bench.publisher, releases=LyingBlobs(bench.releases))

    with pytest.raises(PermanentError, match="package_parts_mismatch"):
        await bench.publish(lying)

    assert await bench.events() == []


async def test_an_artefact_with_other_bytes_is_not_sealed(bench: Any) -> None:
    """What is sealed is what was compared with its source."""
    stored = FileBlobStore(blobs_path(bench.platform.home)).path(bench.export.artifact.sha256)
    stored.chmod(0o600)
    stored.write_bytes(b"another model")

    with pytest.raises(PermanentError, match="blob_corrupt"):
        await bench.publish()

    assert bench.api.stored == {}


async def test_a_failed_publication_is_told_and_the_former_release_stays(bench: Any) -> None:
    """The event carries the code; the number is not used up."""
    await bench.publish(export=await bench.another_export(1))
    bench.credentials.write_text('{"email": "service@example.org", "password": "wrong"}')
    bench.publisher.small_parts._token = None

    with pytest.raises(PermanentError, match="auth_denied") as caught:
        await bench.publish()
    await bench.ledger.transact(
        lambda c: bench.ledger.emit(c, bench.publisher.failed(c, bench.job(), caught.value))
    )

    released, failed = await bench.events()
    assert released.release == 1
    assert (failed.type, failed.code, failed.model_id) == (
        "publish.failed.v1",
        "auth_denied",
        "0123456789abcdef",
    )
    assert await bench.ledger.read(packages.unfinished) == []


async def test_nothing_sealed_is_kept_once_it_is_released(bench: Any) -> None:
    """The halves go with the release that has them elsewhere; the key of it lies nowhere but in its event."""
    await bench.publish()

    folders = await asyncio.to_thread(lambda: list(bench.publisher.work.iterdir()))
    assert folders == []
    assert await bench.ledger.read(packages.unfinished) == []


async def test_the_content_key_is_nowhere_in_the_clear(bench: Any) -> None:
    """Neither the ledger nor the stream holds it: only wrapped."""
    with pytest.raises(BaseException, match="store small"):
        await bench.publish(bench.crash_at("store small"))
    kept = await bench.ledger.read(lambda c: packages.find(c, bench.job().job_id))
    cek = bytes(FleetKeyWrapper(b"k" * 32).unwrap(kept.wrapped_key, kept.key_context))

    await bench.publish()

    databases = await asyncio.to_thread(
        lambda: [p.read_bytes() for p in bench.publisher.work.parent.rglob("*.sqlite*") if p.is_file()]
    )
    assert databases
    assert not any(cek in database for database in databases)
    assert cek.hex() not in repr(kept)


async def test_only_proven_exports_of_fresh_champions_are_published_unasked(bench: Any) -> None:
    """By-hand exports, other events and a publisher told not to make no job; an unproven export is quarantined."""
    planner: Any = Planner(automatic=True)
    by_hand = bench.export.model_copy(update={"details": {"origin": "command"}})
    unproven = bench.export.model_copy(
        update={"parity": bench.export.parity.model_copy(update={"passed": False})}
    )

    first, again = [list(planner.apply_one(None, delivery(bench.export), None)) for _ in range(2)]

    assert len(first) == 1
    assert first == again
    assert list(planner.apply_one(None, delivery(by_hand), None)) == []
    assert list(Planner(automatic=False).apply_one(None, delivery(bench.export), None)) == []  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="export_unproven"):
        planner.apply_one(None, delivery(unproven), None)


async def test_through_the_queue_a_job_put_twice_ends_in_one_release(bench: Any) -> None:
    """The worker, the ledger and the outbox together: one event."""
    worker = JobWorker(
        jobs=bench.platform.jobs,
        ledger=bench.ledger,
        queue=PUBLICATIONS,
        run=bench.publisher.run,
        failed=bench.publisher.failed,
    )
    job = bench.job()
    await bench.platform.jobs.put(job.queue, job.job_id, job.body)
    await bench.platform.jobs.put(job.queue, job.job_id, job.body)
    running = asyncio.create_task(worker.run(bench.platform.stopping))
    async with asyncio.timeout(10):
        while await bench.platform.jobs.pending(PUBLICATIONS):
            await asyncio.sleep(0.02)
    bench.platform.stopping.set()
    await running

    assert [event.type for event in await bench.events()] == ["model.published.v1"]


async def test_a_job_that_is_none_ends_without_an_event(bench: Any) -> None:
    """Nonsense in the queue is refused with a code."""
    job = Job(PUBLICATIONS, "x", "{}", attempt=1)

    with pytest.raises(PermanentError, match="job_invalid") as caught:
        await bench.publisher.run(job)

    assert await bench.ledger.transact(lambda c: list(bench.publisher.failed(c, job, caught.value))) == []


async def test_the_command_finds_the_newest_export_and_knows_its_outcome(bench: Any) -> None:
    """By the beginning of a model id, by target, or the latest; unknown ones are a clear error."""
    await bench.publish()
    (released,) = await bench.events()
    job = publish_job(bench.export)

    assert answers(released, job)
    assert "release 1" in outcome(released)
    with pytest.raises(PermanentError, match="export_missing"):
        await find_export(bench.platform.log, "latest", "onnx")
