"""Numbered frames: a picture's colour spells its number, and a fake model reads it back as the class it found."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import av
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from looptest.tiny_model import tiny_model
from numpy.typing import NDArray
from onnx import NodeProto

from azaion_common.contracts.events import ModelPublished, PackagePart, models
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    PackageMeta,
    load_or_create_fleet_key,
    new_content_key,
    public_pem,
    seal_package,
    signed,
    split_package,
    wrap_context,
)
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message
from azaion_inferencer.model_slot import LoadedModel
from azaion_inferencer.ports import Dropped, Frame, FrameSource, Image, Shown

BOX = (10.0, 5.0, 30.0, 15.0)


def numbered_image(number: int, size: tuple[int, int] = (24, 40)) -> Image:
    return np.full((*size, 3), (number % 256, number // 256, 9), np.uint8)


@dataclass
class NumberReader:
    """A model that finds one box per picture, whose class is the picture's number."""

    input_size: tuple[int, int] = (24, 40)
    batch_size: int = 4
    names: dict[int, str] = field(
        default_factory=lambda: {n: str(n) for n in range(1 << 16)} | {0: "zero", 1: "one"}
    )

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((len(batch), 1, 6), np.float32)

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        middle = batch[:, :, self.input_size[0] // 2, self.input_size[1] // 2] * 255
        numbers = middle[:, 2].round() + 256 * middle[:, 1].round()
        return [np.array([[*BOX, 0.5, number]], np.float32) for number in numbers]


@dataclass
class NumberedSource:
    """``count`` frames; ``before(number)`` runs before each, ``broken`` ones cannot be decoded."""

    count: int
    broken: frozenset[int] = frozenset()
    before: Callable[[int], object] = lambda _: None
    live: bool = False
    rate: float = 25.0
    stopped: bool = False

    @property
    def total(self) -> int | None:
        return self.count

    def frames(self) -> Iterator[Frame | Dropped]:
        for number in range(self.count):
            if self.stopped:
                return
            self.before(number)
            yield Frame(number, number / self.rate, self._decoder(number))

    def stop(self) -> None:
        self.stopped = True

    def _decoder(self, number: int) -> Callable[[], Image]:
        return partial(_undecodable) if number in self.broken else partial(numbered_image, number)


def _undecodable() -> Image:
    raise PermanentError("frame_undecodable", "broken on purpose")


@dataclass
class Recorder:
    """A sink that keeps what it is given; ``before(shown)`` may be slow, or fail."""

    every_frame: bool = False
    before: Callable[[Shown], object] = lambda _: None
    shown: list[Shown] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, shown: Shown) -> None:
        self.before(shown)
        self.shown.append(shown)

    @property
    def numbers(self) -> list[int]:
        return [shown.frame.number for shown in self.shown]


@dataclass(frozen=True)
class Kit:
    """What the tests build with."""

    source: type[NumberedSource] = NumberedSource
    model: type[NumberReader] = NumberReader
    recorder: type[Recorder] = Recorder

    @staticmethod
    def loaded(model_id: str = "a" * 16, **kwargs: object) -> LoadedModel:
        return LoadedModel(model_id, NumberReader(**kwargs))  # type: ignore[arg-type]

    @staticmethod
    def film(
        path: Path,
        count: int = 50,
        size: tuple[int, int] = (48, 64),
        *,
        codec: str = "h264",
        starts_at_s: int = 0,
        images: Callable[[int], Image] | None = None,
        matrix: tuple[int, ...] | None = None,
    ) -> Path:
        """Write a video of ``count`` numbered frames, 25 a second, a key frame every ten.

        ``matrix`` is a display matrix: a, b, c, d of where a pixel goes.
        """
        with av.open(str(path), "w") as container:
            options = {} if codec == "mjpeg" else {"g": "10", "bf": "2"}
            stream = cast("av.VideoStream", container.add_stream(codec, rate=25, options=options))
            stream.height, stream.width = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if matrix is not None:
                a, b, c, d = (entry * 65536 for entry in matrix)
                stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
            for number in range(count):
                image = images(number) if images else np.full((*size, 3), number * 5 % 256, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number + starts_at_s * 25, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    @staticmethod
    def as_source(source: object) -> FrameSource:
        return source  # type: ignore[return-value]


@pytest.fixture
def kit() -> Kit:
    return Kit()


SIGNER, STRANGER = (Ed25519PrivateKey.from_private_bytes(seed * 32) for seed in (b"s", b"x"))


def announced(number: int, **facts: Any) -> ModelPublished:
    """A release that is a name and nothing behind it."""
    facts = {
        "model_id": f"{number:016x}", "target": "onnx", "release": number, "imgsz": 64, "batch": 1,
        "class_names": ("car", "truck"), "class_colours": ("#ff0000", "#00ff00"), "package_id": f"{number:032x}",
        "package_sha256": "c" * 64, "package_size_bytes": 9, "plaintext_sha256": f"{number:064x}",
        "header_sha256": "e" * 64, "wrapped_key": b"wrapped",
        "small": PackagePart(sha256=f"{number:064x}", size_bytes=1, location="models/x.small"),
        "big": PackagePart(sha256=f"b{number:063x}", size_bytes=8, location="b"),
    } | facts  # fmt: skip
    return ModelPublished.model_validate(facts)


@dataclass
class Publishing:
    """What a publisher leaves on an embedded home, its API's files included."""

    platform: Platform
    wrapper: FleetKeyWrapper

    async def release(
        self, number: int, content: bytes, key: Ed25519PrivateKey | None = SIGNER, **facts: Any
    ) -> ModelPublished:
        """Seal ``content``, put its parts where they belong, and announce it, signed by ``key``."""
        event = await self.seal(number, content, **facts)
        event = event if key is None else signed(event, key)
        await self.announce(event)
        return event

    async def announce(self, event: ModelPublished) -> None:
        body = encode(wrap(event=event, subject="m", producer="who", epoch=1, seq=1, stream=models.STREAM))
        await self.platform.log.append(models.STREAM, [Message(body)])

    async def seal(self, number: int, content: bytes, **facts: Any) -> ModelPublished:
        home, cek = self.platform.home, new_content_key()
        plain, package = home / "plain", home / "package"
        plain.write_bytes(content)
        header = seal_package(plain, package, meta=PackageMeta("1", "default", "onnx", ()), cek=cek)
        parts = split_package(package, home / "small", home / "big")
        small, big = (home / "small").read_bytes(), (home / "big").read_bytes()
        plain.unlink()
        await FileBlobStore.open(home / "api" / "resources").put(small, "application/octet-stream")
        async with self.platform.open_releases() as releases:
            await releases.put(big, "application/octet-stream")
        return announced(
            number,
            **{
                "package_id": header.package_id.hex(),
                "package_sha256": parts.package_sha256,
                "package_size_bytes": len(small) + len(big),
                "plaintext_sha256": header.plaintext_sha256,
                "header_sha256": header.sha256.hex(),
                "wrapped_key": self.wrapper.wrap(cek, wrap_context(header)),
                "small": PackagePart(
                    sha256=parts.small.sha256, size_bytes=len(small), location="models/x.small"
                ),
                "big": PackagePart(sha256=parts.big.sha256, size_bytes=len(big), location=parts.big.sha256),
            }
            | facts,
        )


@pytest.fixture
async def publishing(tmp_path: Path) -> AsyncIterator[Publishing]:
    """A home with the keys of a device and of its publisher, and nothing released yet."""
    settings = PlatformSettings(api_url="http://127.0.0.1:9")  # nobody is there
    async with open_platform(tmp_path / "home", settings) as platform:
        secrets = tmp_path / "home" / "secrets"
        key = load_or_create_fleet_key(secrets / "fleet.key")
        (secrets / "device.json").write_text(json.dumps({"email": "d@example.org", "password": "p"}))
        (secrets / "release-signing.pub.pem").write_bytes(public_pem(SIGNER))
        yield Publishing(platform, FleetKeyWrapper(key))


@dataclass(frozen=True)
class Releasing:
    """What tests of releases build with."""

    signer: Ed25519PrivateKey = SIGNER
    stranger: Ed25519PrivateKey = STRANGER

    @staticmethod
    def announced(number: int, **facts: Any) -> ModelPublished:
        return announced(number, **facts)

    @staticmethod
    def model(
        rows: NDArray[np.float32] | None = None,
        nodes: Sequence[NodeProto] = (),
        properties: dict[str, str] | None = None,
        output_of: str = "images",
    ) -> bytes:
        return tiny_model(rows, nodes, properties, output_of)


@pytest.fixture
def releasing() -> Releasing:
    return Releasing()
