"""From frames to batches: every n-th frame is letterboxed into an input buffer, the others ride along."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import AzaionError, PermanentError
from azaion_inferencer.frame_ledger import FrameLedger
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.ports import Dropped, Frame, FrameSource, Image, StageClock
from azaion_vision.letterbox import Letterbox, Placement, letterbox


@dataclass(frozen=True)
class Passenger:
    """A frame in a batch. ``placement`` says that it is inferred, and where its picture lies in its input."""

    frame: Frame
    image: Image | None = None
    placement: Placement | None = None


@dataclass
class Batch:
    """Frames in order, the inputs of the sampled ones, and the model that both were prepared for."""

    loaded: LoadedModel
    buffer: NDArray[np.float32]
    passengers: list[Passenger] = field(default_factory=list)
    sampled: int = 0

    @property
    def inputs(self) -> NDArray[np.float32]:
        return self.buffer[: self.sampled]

    def sample(self, frame: Frame, image: Image, *, keep_image: bool) -> None:
        """Take the picture into the next free input. The pixels themselves are kept only if somebody shows them."""
        size = self.loaded.model.input_size
        letterbox(image, size, self.buffer[self.sampled])
        self.sampled += 1
        placement = Letterbox(size).place((image.shape[0], image.shape[1]))
        self.passengers.append(Passenger(frame, image if keep_image else None, placement))


@dataclass
class Batcher:
    """Reads a source and gives batches; runs in the decoding thread.

    Buffers are used in turn: with ``buffers`` one more than there are batches alive elsewhere, none is overwritten
    while it is read.
    """

    source: FrameSource
    slot: ModelSlot
    every: int
    buffers: int
    show_every_frame: bool
    ledger: FrameLedger
    stop: Event
    on_stage: StageClock
    _ring: list[NDArray[np.float32]] = field(default_factory=list)
    _turn: int = 0

    def batches(self) -> Iterator[Batch]:
        """Give full batches, and what is left at the end; one sampled frame at a time from a live source.

        Raises:
            AzaionError: what the source raises, after what came before it.
        """
        batch, failure = self._new_batch(), None
        items = self.source.frames()
        while not self.stop.is_set():
            try:
                item = next(items)
            except StopIteration:
                break
            except AzaionError as error:
                failure = error
                break
            self.ledger.read += 1
            self._board(batch, item)
            if batch.sampled == self._limit(batch):
                yield batch
                batch = self._new_batch()
        if batch.passengers:
            yield batch
        if failure is not None:
            raise failure

    def _board(self, batch: Batch, item: Frame | Dropped) -> None:
        if isinstance(item, Dropped):
            self.ledger.dropped[item.reason] += 1
        elif item.number % self.every:
            self._pass_by(batch, item)
        else:
            self._sample(batch, item)

    def _pass_by(self, batch: Batch, frame: Frame) -> None:
        self.ledger.skipped += 1
        if self.show_every_frame:
            batch.passengers.append(Passenger(frame))

    def _sample(self, batch: Batch, frame: Frame) -> None:
        started = time.perf_counter()
        try:
            image = frame.decode()
        except PermanentError as error:
            self.ledger.dropped[error.code] += 1
            return
        finally:
            self.on_stage("decode", time.perf_counter() - started)
        batch.sample(frame, image, keep_image=self.show_every_frame)

    def _limit(self, batch: Batch) -> int:
        return 1 if self.source.live else batch.loaded.model.batch_size

    def _new_batch(self) -> Batch:
        loaded = self.slot.current
        shape = (loaded.model.batch_size, 3, *loaded.model.input_size)
        if not self._ring or self._ring[0].shape != shape:
            self._ring = [np.empty(shape, np.float32) for _ in range(self.buffers)]
        self._turn = (self._turn + 1) % self.buffers
        return Batch(loaded, self._ring[self._turn])
