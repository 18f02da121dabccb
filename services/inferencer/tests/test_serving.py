"""A device starts with what it kept, asks nobody, and looks for news afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from azaion_common.contracts.events import ModelLoaded, ModelLoadFailed, ModelPublished, devices, models
from azaion_common.contracts.events.codec import decode
from azaion_common.core.errors import PermanentError
from azaion_common.packages import signed
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.streams import Message
from azaion_inferencer import app
from azaion_inferencer.adapters.kept_releases import KeptReleases
from azaion_inferencer.adapters.release_feed import ReleaseFeed
from azaion_inferencer.announcements import Look, Place
from azaion_inferencer.device import Device, open_device
from azaion_inferencer.latest import serving_latest
from azaion_inferencer.serving import keep_serving, serving
from azaion_inferencer.settings import InferencerSettings

Publishing = Any
Releasing = Any
QUICK = InferencerSettings(runtime="onnxruntime", threads=1, trial_timeout_s=30)


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runtimes in which models were tried; no child is started for it here."""
    runtimes: list[str] = []
    monkeypatch.setattr(
        "azaion_inferencer.device.try_out", lambda _content, job: runtimes.append(job.runtime)
    )
    return runtimes


@asynccontextmanager
async def started(publishing: Publishing, settings: InferencerSettings = QUICK) -> AsyncIterator[Device]:
    """The device of this home, after it has served and kept the newest release."""
    async with open_device(publishing.platform, settings) as device:
        await serve_newest(device)
        yield device


async def serve_newest(device: Device) -> None:
    async with serving(device) as served:
        look = await device.feed.look()
        assert look.newest is not None
        await served.switch(look.newest, await device.download.fetch(look.newest))


class Nowhere:
    """An event log, an API and a store that hang, as where packets are swallowed."""

    async def read(self, *_: object, **__: object) -> Any:
        return await _never()

    async def follow(self, *_: object, **__: object) -> AsyncIterator[list[Any]]:
        yield await self.read()

    async def end(self, _stream: str) -> Any:
        return await _never()


async def _never() -> Any:
    await asyncio.Event().wait()


def cut_off(platform: Platform) -> Platform:
    """The same home without any network."""
    hanging: Any = Nowhere()
    return replace(platform, log=hanging, open_releases=nothing)


def nothing() -> Any:
    raise AssertionError("asked for the store")


async def test_a_kept_release_serves_without_a_network(publishing: Publishing, releasing: Releasing) -> None:
    """Log, API and store hang for ever, the account is gone: the release that ran before runs, and says which it is."""
    await publishing.release(1, releasing.model())
    async with started(publishing):
        pass
    (publishing.platform.home / "secrets" / "device.json").unlink()

    async with open_device(cut_off(publishing.platform), QUICK) as device, serving(device) as served:
        async with asyncio.timeout(10):
            release = await served.start()
            slot = await served.slot()

    assert release is not None
    assert release.release == 1
    assert slot.current.model.infer(np.zeros((1, 3, 64, 64), np.float32))[0].shape == (1, 6)


async def test_the_service_starts_so_and_takes_up_what_came_meanwhile(
    publishing: Publishing, releasing: Releasing
) -> None:
    """First word of the kept release, then of the newer one, and of nothing else."""
    await publishing.release(1, releasing.model())
    async with started(publishing):
        pass
    await publishing.release(2, releasing.model())

    told = await run_service(publishing.platform, until=2)

    assert [(event.type, event.release) for event in told] == [
        ("model.loaded.v1", 1),
        ("model.loaded.v1", 2),
    ]


async def run_service(platform: Platform, until: int) -> list[ModelLoaded | ModelLoadFailed]:
    """Run the service until it tells of a release; everything that it told."""
    told: list[ModelLoaded | ModelLoadFailed] = []
    running = asyncio.create_task(app.run(platform))
    try:
        async with asyncio.timeout(30):
            async for records in platform.log.follow(devices.STREAM):
                told += [decode(record.body).event for record in records]  # type: ignore[misc]
                if told[-1].release == until:
                    break
    finally:
        platform.stopping.set()
        await running
    return told


async def test_a_restart_follows_from_where_it_was(
    publishing: Publishing, releasing: Releasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of the newest announcement is kept, and following begins there."""
    for _ in range(3):
        await publishing.platform.log.append(models.STREAM, [Message(b"noise")])
    await publishing.release(1, releasing.model())
    await run_service(publishing.platform, until=1)
    begun: asyncio.Future[Place] = asyncio.get_running_loop().create_future()

    async def follow(_feed: ReleaseFeed, place: Place) -> AsyncIterator[Look]:
        begun.set_result(place)
        yield await _never()

    monkeypatch.setattr(ReleaseFeed, "follow", follow)
    async with open_device(publishing.platform, QUICK) as device, serving(device) as served:
        keeping = asyncio.create_task(keep_serving(device, served, app._Reporter(None, QUICK)))  # type: ignore[arg-type]
        place = await begun
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    assert place.offset == 3


async def test_what_is_kept_is_neither_plain_nor_of_use_elsewhere(
    publishing: Publishing, releasing: Releasing
) -> None:
    """No file of the device holds the model or the small part; without the device's key the kept ones do not open."""
    model = releasing.model()
    await publishing.release(1, model)
    async with started(publishing) as device:
        home = publishing.platform.home
        files = [path.read_bytes() for path in (home / "inferencer").rglob("*") if path.is_file()]
        assert files
        assert not any(model[40:200] in content for content in files)
        kept = device.kept.releases()[0]
        plain = device.kept.small(kept)
        assert not any(plain[32:200] in content for content in files)

        device.kept.seal.path.write_bytes(b"o" * 32)
        with pytest.raises(PermanentError) as refused:
            device.kept.small(kept)
        assert refused.value.code == "seal_broken"


@pytest.mark.parametrize("damage", ["big part", "kept file", "signature", "another release's small part"])
async def test_what_was_tampered_with_on_the_device_does_not_run(
    damage: str, publishing: Publishing, releasing: Releasing
) -> None:
    """The kept release is verified anew at each start: spoilt, it is told, and fetched again when there is a network."""
    event = await publishing.release(1, releasing.model())
    async with started(publishing) as device:
        spoil(device.kept, event, damage)

        async with serving(device) as served:
            assert await served.start() is None
            await serve_newest(device)
            assert await served.start() is not None


def spoil(kept: KeptReleases, event: ModelPublished, damage: str) -> None:
    part, file = kept.parts / event.big.sha256, kept.root / "kept" / "onnx.json"
    fields = json.loads(file.read_text())
    match damage:
        case "big part":
            part.write_bytes(part.read_bytes()[:-1] + b"x")
            return
        case "kept file":
            file.write_text("{")
            return
        case "signature":
            fields["releases"][0]["release"]["signed"] = None
        case _:
            fields["releases"][0]["small"] = "AAAA" * 20
    file.write_text(json.dumps(fields))


async def test_the_one_before_serves_where_the_newest_is_spoilt(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Two are kept, so that one may be lost."""
    await publishing.release(1, releasing.model())
    async with started(publishing):
        pass
    event = await publishing.release(2, releasing.model())
    async with started(publishing) as device:
        spoil(device.kept, event, "big part")
        async with serving(device) as served:
            release = await served.start()

    assert release is not None
    assert release.release == 1


async def test_only_the_current_release_and_the_one_before_stay(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Parts of older ones go."""
    events = []
    for number in range(1, 5):
        events.append(await publishing.release(number, releasing.model()))
        async with started(publishing):
            pass

    parts = {path.name for path in (publishing.platform.home / "inferencer" / "parts").iterdir()}
    assert parts == {event.big.sha256 for event in events[-2:]}


async def test_the_floor_outlives_restarts_and_lost_parts(
    publishing: Publishing, releasing: Releasing
) -> None:
    """After release 5, release 4 is refused for ever, though nothing of 5 is left on the device."""
    await publishing.release(5, releasing.model())
    async with started(publishing) as device:
        device.kept.forget()
    old = signed(await publishing.seal(4, releasing.model()), releasing.signer)
    await publishing.announce(old)

    async with open_device(publishing.platform, QUICK) as device:
        look = await device.feed.look(device.kept.place())

        assert device.kept.floor().release == 5
        assert device.kept.releases() == ()
        assert look.newest is None or look.newest.release == 5
        assert [refusal.error.code for refusal in look.refusals] == ["release_outdated"]


async def test_forged_and_old_releases_are_told_to_the_fleet(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Each with its code, and the true release runs on."""
    await publishing.release(1, releasing.model())
    three = await publishing.release(3, releasing.model())
    async with started(publishing):
        pass
    await publishing.release(10**9, releasing.model(), key=None)
    await publishing.release(10**9, releasing.model(), key=releasing.stranger)
    await publishing.announce(signed(await publishing.seal(2, releasing.model()), releasing.signer))
    await publishing.release(4, releasing.model())

    told = await run_service(publishing.platform, until=4)

    assert told[0].model_id == three.model_id
    refused = [(event.release, event.code) for event in told if isinstance(event, ModelLoadFailed)]
    assert refused == [
        (10**9, "release_unsigned"),
        (10**9, "release_key_unknown"),
        (2, "release_outdated"),
    ]
    assert [event.release for event in told if isinstance(event, ModelLoaded)] == [3, 4]


async def test_a_home_without_a_publishers_key_goes_on_as_before(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Its own log is believed until its publisher has made a key; from then on, signatures alone."""
    pins = publishing.platform.home / "secrets" / "release-signing.pub.pem"
    content = pins.read_bytes()
    pins.unlink()
    await publishing.release(1, releasing.model(), key=None)
    async with open_device(publishing.platform, QUICK) as device:
        before = await device.feed.look()
        pins.write_bytes(content)
        after = await device.feed.look()

    assert before.newest is not None
    assert after.newest is None
    assert [refusal.error.code for refusal in after.refusals] == ["release_unsigned"]


async def test_a_device_without_the_public_key_believes_nobody(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Where the log is a server's, a missing key is said, and nothing is run on trust."""
    pins = publishing.platform.home / "secrets" / "release-signing.pub.pem"
    pins.unlink()
    settings = publishing.platform.settings.model_copy(update={"streams_url": "rabbitmq-stream://elsewhere"})
    await publishing.release(1, releasing.model())

    async with open_device(replace(publishing.platform, settings=settings), QUICK) as device:
        look = await device.feed.look()

    assert look.newest is None
    assert [refusal.error.code for refusal in look.refusals] == ["release_key_missing"]


async def test_the_command_runs_what_the_home_itself_has(
    publishing: Publishing, releasing: Releasing
) -> None:
    """``azaion up`` is stopped, so no API answers, and nothing was ever fetched: the home's own small part does."""
    await publishing.release(1, releasing.model())

    async with serving_latest(publishing.platform.home, QUICK) as slot:
        assert slot.current.model_id == f"{1:016x}"


async def test_the_command_runs_what_was_fetched_before_when_nobody_tells_of_newer(
    publishing: Publishing, releasing: Releasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log hangs: after a moment the kept release runs."""
    await publishing.release(1, releasing.model())
    async with started(publishing):
        pass
    monkeypatch.setattr("azaion_inferencer.latest.NEWS_S", 0.05)
    monkeypatch.setattr("azaion_common.platform.streams.sqlite.SqliteEventLog.read", Nowhere.read)

    async with asyncio.timeout(20), serving_latest(publishing.platform.home, QUICK) as slot:
        assert slot.current.model_id == f"{1:016x}"


async def test_the_command_says_why_there_is_nothing_to_run(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Nothing was published; or only a forgery was."""
    for code in ("no_release", "release_key_unknown"):
        with pytest.raises(PermanentError) as refused:
            async with serving_latest(publishing.platform.home, QUICK):
                pass
        assert refused.value.code == code
        await publishing.release(1, releasing.model(), key=releasing.stranger)


async def test_a_first_release_that_is_on_its_way_is_waited_for(
    publishing: Publishing, releasing: Releasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after a training, ``infer`` waits for its export and publication instead of finding nothing."""
    looks = 0

    async def is_coming(_platform: object) -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            await publishing.release(1, releasing.model())
        return True

    monkeypatch.setattr("azaion_inferencer.latest.is_coming", is_coming)
    monkeypatch.setattr("azaion_inferencer.latest.LOOK_S", 0.01)

    async with asyncio.timeout(20), serving_latest(publishing.platform.home, QUICK) as slot:
        assert slot.current.model_id == f"{1:016x}"


async def test_a_release_that_was_tried_here_is_not_tried_again(
    publishing: Publishing, releasing: Releasing, tried: list[str]
) -> None:
    """A start from the cache pays for no child; with another runtime it does."""
    await publishing.release(1, releasing.model())
    async with started(publishing):
        pass
    assert tried == ["onnxruntime"]
    tried.clear()

    for runtime in ("onnxruntime", "openvino"):
        settings = QUICK.model_copy(update={"runtime": runtime})
        async with open_device(publishing.platform, settings) as device, serving(device) as served:
            await served.start()

    assert tried == ["openvino"]


async def test_the_score_of_each_class_is_the_releases_unless_one_is_asked_for(
    publishing: Publishing, releasing: Releasing
) -> None:
    """Of a car at 0.5 and a truck at 0.5, with 0.6 for cars, the truck is shown; a confidence of 0.4 shows both."""
    rows = np.array([[0, 0, 8, 8, 0.5, 0], [9, 9, 20, 20, 0.5, 1]], np.float32)
    await publishing.release(1, releasing.model(rows), thresholds={"car": 0.6, "truck": 0.3})
    found = {}
    for confidence in (None, 0.4, 0.9):
        settings = QUICK.model_copy(update={"confidence": confidence})
        async with serving_latest(publishing.platform.home, settings) as slot:
            (answer,) = slot.current.model.infer(np.zeros((1, 3, 64, 64), np.float32))
            found[confidence] = answer[:, 5].tolist()

    assert found == {None: [1.0], 0.4: [0.0, 1.0], 0.9: []}
