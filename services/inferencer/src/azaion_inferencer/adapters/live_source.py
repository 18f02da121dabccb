"""A camera that is waited for: however it is lost, refuses, is not there yet or hangs, it is asked again, for ever.

What speaks to the camera runs in a thread of its own, because a driver or a server may never answer; the thread is left
behind when nothing came within the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Protocol

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import TransientError
from azaion_inferencer.ports import Frame, Image, Tell, untold

Decode = Callable[[], Image]
DEFAULT_RATE = 25.0
_MOST_HANGING = 3
"""Threads that are left behind: with so many the next attempt waits for one of them."""
_TOLD_AGAIN_S = (60.0, 600.0, 3600.0)
"""After so long a silence it is told again, then every so often as the last says."""
_STOP_CHECK_S = 0.1


class Connection(Protocol):
    """A camera that answers."""

    @property
    def rate(self) -> float:
        """Frames per second, as it declares it."""
        ...

    def pictures(self) -> Iterator[Decode]:
        """Give pictures until it ends. Raises SourceLostError."""
        ...


class SourceLostError(Exception):
    """A connection could not be made, or broke off; the message says why, in words for people."""


Connect = Callable[[], AbstractContextManager[Connection]]
"""Reaches the camera. Raises SourceLostError."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How a source is waited for. Waits between attempts grow, with jitter, between the two."""

    deadline_s: float = 10.0
    """Without a picture for so long, the connection counts as hanging."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    give_up_after_s: float | None = None
    """None: never."""


class Clock(Protocol):
    """Time, and waiting for it to pass."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wait(self, stopped: Event, seconds: float) -> None:
        """Wait, but not longer than until ``stopped`` is set."""
        ...


class RealClock:
    """Time as it passes."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, stopped: Event, seconds: float) -> None:
        stopped.wait(seconds)


class LiveSource:
    """Frames of the camera that ``connect`` reaches; numbers and times go on across reconnections.

    Times are times of arrival since the start; ``name`` is what people know the camera by.
    """

    live = True
    total = None

    def __init__(
        self,
        name: str,
        connect: Connect,
        patience: Patience | None = None,
        tell: Tell = untold,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._patience = patience or Patience()
        self._clock = clock or RealClock()
        self._news = _News(name, tell, self._clock)
        self._stopped = Event()
        self._hanging: list[_Attempt] = []
        self._rate = DEFAULT_RATE
        self.connections = 0

    @property
    def rate(self) -> float:
        return self._rate

    def frames(self) -> Iterator[Frame]:
        """Give frames until stopped.

        Raises:
            TransientError: ``stream_unreachable`` when it is to be given up, after so long without a picture.
        """
        backoff = Backoff(self._patience.first_wait_s, self._patience.longest_wait_s)
        number, started = 0, self._clock.now()
        last_s = started
        while not self._stopped.is_set():
            reason = "it hangs, and so do the attempts before"
            if len(self._still_hanging()) < _MOST_HANGING:
                try:
                    for decode in self._attempt():
                        last_s = self._clock.now()
                        self._news.came()
                        backoff.reset()
                        yield Frame(number, last_s - started, decode, arrived_at=time.time())
                        number += 1
                    reason = "it ended"
                except SourceLostError as lost:
                    reason = str(lost)
            if self._stopped.is_set():
                return
            self._news.lost(reason)
            self._give_up_if(self._clock.now() - last_s, reason)
            self._clock.wait(self._stopped, backoff.next())

    def stop(self) -> None:
        self._stopped.set()

    def _attempt(self) -> Iterator[Decode]:
        """The pictures of one connection, as long as they keep coming."""
        attempt = _Attempt(self._connect, self._stopped)
        try:
            for decode in attempt.pictures(self._patience.deadline_s):
                if attempt.rate is not None:
                    self._rate, attempt.rate = attempt.rate, None
                    self.connections += 1
                yield decode
        finally:
            attempt.leave()
            self._hanging.append(attempt)

    def _still_hanging(self) -> list[_Attempt]:
        self._hanging = [attempt for attempt in self._hanging if attempt.hangs]
        return self._hanging

    def _give_up_if(self, silent_s: float, reason: str) -> None:
        limit_s = self._patience.give_up_after_s
        if limit_s is not None and silent_s >= limit_s:
            raise TransientError(
                "stream_unreachable", f"no picture from {self._name} for {silent_s:.0f} s: {reason}"
            )


@dataclass
class _End:
    error: BaseException | None = None


@dataclass
class _Attempt:
    """One connection, read by a thread."""

    connect: Connect
    stopped: Event
    rate: float | None = None
    _left: Event = field(default_factory=Event)
    _queue: Queue[Decode | _End] = field(default_factory=lambda: Queue(1))

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        return self._thread.is_alive()

    def pictures(self, deadline_s: float) -> Iterator[Decode]:
        """Give them; ends with the connection, or when all is to stop. Raises SourceLostError."""
        last = time.monotonic()
        while not self.stopped.is_set():
            try:
                item = self._queue.get(timeout=_STOP_CHECK_S)
            except Empty:
                if time.monotonic() - last > deadline_s:
                    raise SourceLostError(f"no picture for {deadline_s:g} s") from None
                continue
            if not isinstance(item, _End):
                last = time.monotonic()
                yield item
                last = time.monotonic()
            elif item.error is not None:
                raise item.error
            else:
                return

    def leave(self) -> None:
        """Whatever the thread is doing, nobody waits for it."""
        self._left.set()

    def _read(self) -> None:
        end = _End()
        try:
            with self.connect() as connection:
                self.rate = connection.rate
                for decode in connection.pictures():
                    if not self._offer(decode):
                        return
        except BaseException as error:  # noqa: BLE001 - raised again where the pictures are taken
            end = _End(error)
        self._offer(end)

    def _offer(self, item: Decode | _End) -> bool:
        while not (self._left.is_set() or self.stopped.is_set()):
            try:
                self._queue.put(item, timeout=_STOP_CHECK_S)
            except Full:
                continue
            return True
        return False


class _News:
    """Told when the source is lost, now and then while it is waited for, and when it is back."""

    def __init__(self, name: str, tell: Tell, clock: Clock) -> None:
        self._name = name
        self._tell = tell
        self._clock = clock
        self._lost_at: float | None = None
        self._told_again = 0
        self._due_at = 0.0
        self._seen = False

    def lost(self, reason: str) -> None:
        now = self._clock.now()
        if self._lost_at is None:
            self._lost_at, self._told_again = now, 0
            self._due_at = now + _TOLD_AGAIN_S[0]
            what = "lost" if self._seen else "cannot be reached"
            self._tell("source.lost", f"{self._name} {what}: {reason}; waiting for it")
        elif now >= self._due_at:
            gone = _duration(now - self._lost_at)
            self._told_again = min(self._told_again + 1, len(_TOLD_AGAIN_S) - 1)
            self._due_at = now + _TOLD_AGAIN_S[self._told_again]
            self._tell("source.waiting", f"{self._name} has been away for {gone}: {reason}; still waiting")

    def came(self) -> None:
        self._seen = True
        if self._lost_at is not None:
            gone = _duration(self._clock.now() - self._lost_at)
            self._lost_at = None
            self._tell("source.back", f"{self._name} is back after {gone}")


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004 - two hours
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
