"""Requests that strangers send are read in one way or not at all, and their heads end soon."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import h11
import pytest

from azaion_common.platform.runtime.http_requests import MAX_HEAD_BYTES, MAX_HEAD_LINES, StrictConnection

HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def events(connection: StrictConnection) -> Iterator[Any]:
    while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        yield event


def read(data: bytes, piece_bytes: int | None = None) -> list[Any]:
    """What a connection makes of ``data`` that arrives in pieces."""
    connection, found = StrictConnection(), []
    step = piece_bytes or len(data)
    for start in range(0, len(data), step):
        connection.receive_data(data[start : start + step])
        found += list(events(connection))
    return found


REFUSED = {
    "two statements of the length": HEAD
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two different lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length with a sign": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a length of another base": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "an encoding inside chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding with a blank": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "lines that end in a bare line feed": b"GET / HTTP/1.1\nHost: a\n\n",
    "one line that does": HEAD + b"A: b\nContent-Length: 3\r\n\r\nabc",
    "a blank line that does": HEAD + b"\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"Host: b\r\n\r\n",
    "a NUL": HEAD + b"A: \0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_two_readers_take_differently_is_refused(name: str, piece_bytes: int | None) -> None:
    """A proxy in front and we never see two different requests in one, however the bytes are cut."""
    with pytest.raises(h11.RemoteProtocolError):
        read(REFUSED[name], piece_bytes)


@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
def test_an_ordinary_request_is_read(piece_bytes: int | None) -> None:
    """Strictness costs nobody anything, not even one byte at a time, or with line feeds in the body."""
    found = read(HEAD + b"Content-Length: 6\r\n\r\na\nb\n\nc", piece_bytes)

    assert isinstance(found[0], h11.Request)
    assert b"".join(bytes(event.data) for event in found[1:-1]) == b"a\nb\n\nc"
    assert isinstance(found[-1], h11.EndOfMessage)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"a:\r\n" * MAX_HEAD_LINES + b"\r\n",
        HEAD + b"a: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
@pytest.mark.parametrize("piece_bytes", [None, 1000])
def test_a_long_head_is_refused_with_431_before_it_is_taken_apart(
    head: bytes, piece_bytes: int | None
) -> None:
    """Neither many short lines nor a long one cost more than their reading, also when they come in one piece."""
    connection = StrictConnection()

    def feed() -> None:
        for start in range(0, len(head), piece_bytes or len(head)):
            connection.receive_data(head[start : start + (piece_bytes or len(head))])
            list(events(connection))

    with pytest.raises(h11.RemoteProtocolError):
        feed()
    assert connection.refused_with is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_a_long_head_is_refused_behind_another_request_too() -> None:
    """What is sent before the answer to the first request is measured like it."""
    connection = StrictConnection()
    connection.receive_data(
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + HEAD + b"a:\r\n" * MAX_HEAD_LINES + b"\r\n"
    )
    list(events(connection))
    connection.send(h11.Response(status_code=204, headers=[]))
    connection.send(h11.EndOfMessage())
    connection.start_next_cycle()

    with pytest.raises(h11.RemoteProtocolError):
        list(events(connection))


def test_a_body_in_crumbs_is_refused() -> None:
    """A chunk costs as much as a long one: bodies of thousands of chunks of one byte are not taken apart."""
    with pytest.raises(h11.RemoteProtocolError, match="crumbs"):
        read(CHUNKED + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")


def test_a_chunked_body_is_read() -> None:
    """Chunks of an ordinary size are a body."""
    found = read(CHUNKED + b"1000\r\n" + b"x" * 0x1000 + b"\r\n0\r\n\r\n", 1460)

    assert sum(len(event.data) for event in found if isinstance(event, h11.Data)) == 0x1000
