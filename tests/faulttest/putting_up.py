"""A device is put up as it is in a fleet: a publisher releases a model, and the device gets its settings and its secrets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from looptest.program import new_home, running, wait_until
from looptest.served import ServedEvidence, Servers
from looptest.tiny_model import tiny_model

from azaion_common.contracts.events import ModelExported, Parity, models
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import Message

_OF_DEVICES = ("streams_url", "releases_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key")
_SECRETS = ("device.json", "fleet.key", "release-signing.pub.pem")
_MODEL = "00000000000000ed"


@contextmanager
def releasing(home: Path, servers: Servers) -> Iterator[Path]:
    """Publisher and API at work on ``home``, which have released a model. It finds one thing in every picture."""
    new_home(home, {"platform": servers.settings()})
    with running(home, "--only", "publisher", "--only", "api"):
        asyncio.run(_export(home))
        wait_until(lambda: ServedEvidence(servers).of_type("model.published"), "release")
        yield home


def put_up(home: Path, server: Path, source: str) -> None:
    """What a new device has: settings, accounts and keys."""
    of_server = yaml.safe_load((server / "azaion.yaml").read_text())["platform"]
    platform = {name: of_server[name] for name in ("api_url", *_OF_DEVICES)}
    inferencer = {"device": "roof", "source": source, "every": 1, "threads": 1}
    new_home(home, {"platform": platform, "inferencer": inferencer})
    (home / "secrets").mkdir()
    for secret in _SECRETS:
        shutil.copy(server / "secrets" / secret, home / "secrets")


async def _export(home: Path) -> None:
    """As the exporter says it, of a model that nobody has trained."""
    async with open_platform(home, PlatformSettings.load(home, "platform")) as platform:
        artifact = await platform.blobs.put(tiny_model(), "application/onnx")
        parity = Parity(
            pictures=1, expected=1, matched=1, unexpected=0, min_iou=1, mean_iou=1, max_score_difference=0, passed=True
        )  # fmt: skip
        event = ModelExported(
            model_id=_MODEL, target="onnx", imgsz=64, batch=1, artifact=artifact, parity=parity,
            class_names=("car", "truck"), class_colours=("#ff0000", "#00ff00"), details={"origin": "model.trained"},
        )  # fmt: skip
        wrapped = wrap(event=event, subject=_MODEL, producer="exporter", epoch=1, seq=1, stream=models.STREAM)
        await platform.log.append(models.STREAM, [Message(encode(wrapped))])
