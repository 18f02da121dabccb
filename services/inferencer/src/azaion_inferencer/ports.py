"""What the inferencer needs from outside: frames, somewhere to put results, and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from azaion_common.contracts.events.models import ModelPublished
from azaion_vision.detections import Detections

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, blue first."""
StageClock = Callable[[str, float], None]
"""Told a stage (``decode``, ``infer``, ``write``) and the seconds that it took."""
Tell = Callable[[str, str], None]
"""Told what happens beside the result: a code such as ``source.lost``, and the same as a sentence for people."""


def untold(_code: str, _sentence: str) -> None:
    """For whoever does not want to know."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source, not yet turned into pixels: frames that are skipped never are.

    ``number`` counts from 0 over everything the source read, ``time_s`` is the time since its start, ``name`` is the
    file's name where every picture is a file of its own, ``arrived_at`` the Unix time at which a live source gave it.
    ``decode`` gives the pixels or raises PermanentError, whose code is then the reason for which the frame was dropped.
    """

    number: int
    time_s: float
    decode: Callable[[], Image]
    name: str | None = None
    arrived_at: float | None = None


@dataclass(frozen=True)
class Dropped:
    """A frame that was read and can no longer be had, and why."""

    number: int
    reason: str


class FrameSource(Protocol):
    """Where frames come from."""

    @property
    def rate(self) -> float:
        """Frames per second, as the source declares it."""
        ...

    @property
    def total(self) -> int | None:
        """How many frames there will be, if that is known."""
        ...

    @property
    def live(self) -> bool:
        """True when the source has no end and does not wait for us."""
        ...

    def frames(self) -> Iterator[Frame | Dropped]:
        """Give every frame once, in order; to be used once, from one thread.

        Raises:
            PermanentError: ``video_unreadable`` when the source is broken.
            TransientError: ``stream_unreachable`` when it stays away.
        """
        ...

    def stop(self) -> None:
        """Make ``frames`` end soon, from any thread."""
        ...


@dataclass(frozen=True)
class Shown:
    """A frame on its way out: what was found in it, or in the last inferred one before it.

    ``picture`` is annotated; None for a sink that did not ask for every frame.
    """

    frame: Frame
    detections: Detections
    model_id: str
    names: dict[int, str]
    inferred: bool
    picture: Image | None


class Sink(AbstractContextManager["Sink"], Protocol):
    """Where results go. What was written stays, however the context is left."""

    @property
    def every_frame(self) -> bool:
        """True for a sink that shows pictures, skipped frames too; False for one that takes inferred frames only."""
        ...

    def write(self, shown: Shown) -> None: ...


ReleasedModel = ModelPublished
"""The event that announced it says where both parts lie and what they must be."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A release's model, verified and decrypted, in memory only; and its small part, for a device that keeps it."""

    content: bytes = field(repr=False)
    small: bytes = field(repr=False)


class ModelProvider(Protocol):
    """Where published models come from."""

    async def fetch(self, released: ReleasedModel) -> Fetched:
        """The model and its small part.

        Raises:
            PermanentError: when any part is not what the release says.
            SetupError: when it is this device that is not set up to fetch.
            TransientError: when a part could not be fetched.
        """
        ...
