"""Keeping up with a live source: what cannot be processed in time is dropped and counted, the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread

from azaion_inferencer.ports import Dropped, Frame, FrameSource


class Newest:
    """A live source read by a thread of its own, at its own pace; at most ``backlog`` frames wait for us."""

    live = True
    total = None

    def __init__(self, source: FrameSource, backlog: int) -> None:
        self._source = source
        self._backlog = backlog
        self._waiting: deque[Frame | Dropped] = deque()
        self._overtaken: deque[Dropped] = deque()
        self._changed = Condition()
        self._ended = False
        self._error: BaseException | None = None

    @property
    def rate(self) -> float:
        return self._source.rate

    def frames(self) -> Iterator[Frame | Dropped]:
        """Give what the source gives, with Dropped (``behind``) in the place of frames that became too old."""
        reader = Thread(target=self._read, name="live-source", daemon=True)
        reader.start()
        while (item := self._next()) is not None:
            yield item
        reader.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self._source.stop()

    def _next(self) -> Frame | Dropped | None:
        with self._changed:
            self._changed.wait_for(lambda: self._overtaken or self._waiting or self._ended)
            if self._overtaken:
                return self._overtaken.popleft()
            return self._waiting.popleft() if self._waiting else None

    def _read(self) -> None:
        try:
            for item in self._source.frames():
                self._add(item)
        except BaseException as error:  # noqa: BLE001 - raised again where the frames are taken
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _add(self, item: Frame | Dropped) -> None:
        with self._changed:
            self._waiting.append(item)
            if len(self._waiting) > self._backlog:
                oldest = self._waiting.popleft()
                self._overtaken.append(
                    oldest if isinstance(oldest, Dropped) else Dropped(oldest.number, "behind")
                )
            self._changed.notify()
