"""HTTP/1.1 as strict as a server that strangers reach needs it: heads end soon, and only one reading of a request is possible."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11

MAX_HEAD_BYTES = 16 * 1024
MAX_HEAD_LINES = 100
FREE_PIECES = 64
MIN_PIECE_BYTES = 64
"""What the pieces of a chunked body have to hold on average, after the first few: each one costs as much as a long one."""

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


@dataclass(slots=True)
class HeadMeter:
    """Measures the head of one request while it arrives, before anything is made of it."""

    size_bytes: int = 0
    lines: int = 0
    is_over: bool = False
    _tail: bytes = field(default=b"", repr=False)

    def feed(self, data: bytes) -> None:
        """Take in the next bytes of the connection; those behind the head do not count.

        Raises:
            h11.RemoteProtocolError: with status 431 when the head is too long, with 400 when a line ends in a bare line feed.
        """
        if self.is_over:
            return
        seen = self._tail + data
        end = _END_OF_HEAD.search(seen)
        head = seen[: end.end()] if end else seen
        new = head[len(self._tail) :]
        self.is_over = end is not None
        self.size_bytes += len(new)
        self.lines += new.count(b"\n")
        if self.size_bytes > MAX_HEAD_BYTES or self.lines > MAX_HEAD_LINES:
            raise h11.RemoteProtocolError(
                "the head of the request is too long", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            )
        if _BARE_LINE_FEED.search(head, 1 if self._tail else 0):
            raise h11.RemoteProtocolError("a line ends in a bare line feed")
        self._tail = seen[-3:]


class StrictConnection(h11.Connection):
    """``h11`` that also refuses long heads, two statements of one length, and bodies in crumbs."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
        self.refused_with = HTTPStatus.BAD_REQUEST
        self._head = HeadMeter()
        self._refusal: tuple[str, int] | None = None
        self._pieces = self._body_bytes = 0

    def receive_data(self, data: bytes) -> None:
        self._measure(data)
        if self._refusal is None:
            super().receive_data(data)

    def start_next_cycle(self) -> None:
        super().start_next_cycle()
        self._head = HeadMeter()
        self._pieces = self._body_bytes = 0
        self._measure(self.trailing_data[0])

    def next_event(self) -> Any:
        """As ``h11.Connection.next_event``.

        Raises:
            h11.RemoteProtocolError: ``refused_with`` is the status to answer with.
        """
        try:
            self._raise_refusal()
            event = super().next_event()
            self._check(event)
        except h11.RemoteProtocolError as error:
            self.refused_with = HTTPStatus(error.error_status_hint)
            raise
        return event

    def _measure(self, data: bytes) -> None:
        """A refusal waits for ``next_event``, which is where callers expect one."""
        if self._refusal is None and self.their_state is h11.IDLE:
            try:
                self._head.feed(data)
            except h11.RemoteProtocolError as error:
                # Not the error itself: its traceback would hold copies of what came for as long as the connection is open.
                self._refusal = str(error), error.error_status_hint

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            raise h11.RemoteProtocolError(*self._refusal)

    def _check(self, event: object) -> None:
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                raise h11.RemoteProtocolError("two statements of the body's length")
        if isinstance(event, h11.Data):
            self._pieces += 1
            self._body_bytes += len(event.data)
            if self._pieces > FREE_PIECES + self._body_bytes // MIN_PIECE_BYTES:
                raise h11.RemoteProtocolError("a body in crumbs")
