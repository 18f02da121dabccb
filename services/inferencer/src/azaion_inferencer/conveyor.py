"""Overlap in two directions: items made ahead of a loop and items worked off behind it, each in a thread of its own.

Both are bounded, so memory stays flat, and an exception in the thread is raised in the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_STOP_CHECK_S = 0.05


class _End:
    """The end of the items, with the error that caused it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Iterate over ``items`` while a thread computes up to ``depth`` of them in advance.

    At most ``depth + 2`` items exist at once: those waiting, the one being made and the one the loop holds.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(depth)
        self._left = Event()
        self._thread = Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        end = _End()
        try:
            for item in self._items:
                if not self._offer(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            end = _End(error)
        self._offer(end)

    def _offer(self, item: T | _End) -> bool:
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=_STOP_CHECK_S)
            except Full:
                continue
            return True
        return False


class Behind(Generic[T]):
    """Hand items to ``work`` in a thread, up to ``depth`` waiting.

    Leaving the context waits for the last one, also after an error: what was made is worked off.
    """

    def __init__(self, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._queue: Queue[T | _End] = Queue(depth)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="behind", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Wait for room and hand over. Raises what an earlier item's work raised."""
        self._raise_error()
        self._queue.put(item)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self._discard()  # somebody is in a hurry
        self._queue.put(_End())
        self._thread.join()
        if kind is None:
            self._raise_error()

    def _run(self) -> None:
        while not isinstance(item := self._queue.get(), _End):
            if self._error is None:
                self._attempt(item)

    def _attempt(self, item: T) -> None:
        try:
            self._work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the loop
            self._error = error

    def _discard(self) -> None:
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
