"""Detections as JSON lines, one line per inferred frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from types import TracebackType
from typing import Literal, Protocol, Self

from azaion_common.core.errors import AzaionError, TransientError
from azaion_inferencer.adapters.losses import Losses
from azaion_inferencer.adapters.syncing import SyncedSoon
from azaion_inferencer.ports import Shown, Tell, untold

WhenFull = Literal["stop", "wait", "drop"]
"""What happens while a line cannot be written: the run ends with the error, waits for room, or goes on without it."""

_DECIMALS = {"time_s": 6, "confidence": 5, "box": 2}
_ROOM_CHECK_S = 1.0


class LineOutput(Protocol):
    """A file, or a series of them."""

    def append(self, line: bytes) -> None: ...

    def sync(self) -> None: ...

    def close(self, *, whole: bool = True) -> None: ...


class JsonLines:
    """Each line is there for readers at once, and safe from a power cut within a second.

    A line is ``{"frame", "time_s", "model_id", "detections": [{"class", "class_id", "confidence", "box"}]}``, with the
    file's name as ``image`` where each picture is a file, and the time of day as ``at`` where the source is live;
    boxes are ``[x1, y1, x2, y2]`` in pixels.

    ``stop`` ends waiting for room.
    """

    every_frame = False

    def __init__(
        self,
        output: LineOutput,
        *,
        when_full: WhenFull = "stop",
        tell: Tell = untold,
        stop: Event | None = None,
        on_dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self._output = output
        self._when_full = when_full
        self._tell = tell
        self._stop = stop or Event()
        self._on_dropped = on_dropped
        self._losses = Losses("lines", tell)
        self._sync_error: AzaionError | None = None
        self._soon = SyncedSoon(self._sync)
        self.written = 0

    def __enter__(self) -> Self:
        return self

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self._losses.count

    def write(self, shown: Shown) -> None:
        """Append the line of a frame.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``, where the run is to stop then.
        """
        line = json.dumps(as_record(shown), ensure_ascii=False) + "\n"
        # A file's name need not be UTF-8; what is none becomes a JSON escape.
        if self._append(line.encode(errors="backslashreplace")):
            self.written += 1
            self._soon.written()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._soon.close()
        self._output.close(whole=kind is None)

    def _append(self, line: bytes) -> bool:
        """Whether the line is written."""
        while True:
            try:
                if self._when_full == "stop" and self._sync_error is not None:
                    raise self._sync_error
                self._output.append(line)
            except TransientError as error:
                if self._when_full == "stop":
                    raise
                if self._when_full == "wait" and self._is_worth_waiting(error):
                    continue
                self._losses.lose(error)
                self._on_dropped()
                return False
            self._losses.resume()
            return True

    def _is_worth_waiting(self, error: TransientError) -> bool:
        self._losses.wait(error)
        return not self._stop.wait(_ROOM_CHECK_S)

    def _sync(self) -> None:
        try:
            self._output.sync()
        except AzaionError as error:
            if self._sync_error is None:
                self._tell("detections.not_synced", f"a power cut now would cost detections: {error}")
            self._sync_error = error
            self._soon.written()
        else:
            self._sync_error = None


def as_record(shown: Shown) -> dict[str, object]:
    """One line as a dictionary."""
    frame, found = shown.frame, shown.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True)
    return {
        "frame": frame.number,
        "time_s": round(frame.time_s, _DECIMALS["time_s"]),
        **({"at": _time_of_day(frame.arrived_at)} if frame.arrived_at is not None else {}),
        **({"image": frame.name} if frame.name else {}),
        "model_id": shown.model_id,
        "detections": [
            {
                "class": shown.names[class_id],
                "class_id": class_id,
                "confidence": round(score, _DECIMALS["confidence"]),
                "box": [round(edge, _DECIMALS["box"]) for edge in box],
            }
            for box, score, class_id in rows
        ],
    }


def _time_of_day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
