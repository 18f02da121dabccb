"""Live sources: connections break and come back, and what cannot be kept up with is dropped, oldest first."""

from __future__ import annotations

import socket
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import av
import av.container
import pytest

from azaion_common.errors import PermanentError, TransientError
from azaion_inferencer.adapters.network_stream import NetworkStream, Reconnecting, shown_url
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.ports import Dropped, Frame

Kit = Any
QUICK = Reconnecting(timeout_s=5, first_wait_s=0.001, longest_wait_s=0.01, give_up_after_s=0.2)


def serve(content: bytes, times: int) -> int:
    """A camera that sends its film and hangs up, ``times`` times; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with closing(listener):
            for _ in range(times):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(content)

    Thread(target=answer, daemon=True).start()
    return int(listener.getsockname()[1])


def test_a_stream_that_breaks_off_goes_on_after_reconnecting(kit: Kit, tmp_path: Path) -> None:
    """Over three connections of twenty frames the numbers go on without a gap and times do not go back."""
    film = kit.film(tmp_path / "a.ts", count=20).read_bytes()
    stream = NetworkStream(f"tcp://127.0.0.1:{serve(film, 3)}", QUICK)

    frames = list(islice(stream.frames(), 60))
    stream.stop()

    assert [frame.number for frame in frames] == list(range(60))
    assert [frame.time_s for frame in frames] == sorted(frame.time_s for frame in frames)
    assert frames[-1].decode().shape == (48, 64, 3)
    assert stream.connections == 3


def test_attempts_that_fail_are_repeated(kit: Kit, tmp_path: Path) -> None:
    """A camera that refuses twice and then answers is a camera."""
    film, refusals = kit.film(tmp_path / "a.ts", count=5), iter([OSError("refused"), OSError("refused")])

    def opener(url: str, timeout_s: float) -> av.container.InputContainer:
        for refusal in refusals:
            raise refusal
        return av.open(str(film))

    stream = NetworkStream("rtsp://camera/1", QUICK, opener)

    assert len(list(islice(stream.frames(), 12))) == 12
    assert stream.connections == 3


@pytest.mark.parametrize("empty", [False, True], ids=["refuses", "answers nothing"])
def test_a_stream_that_stays_away_is_given_up(empty: bool, kit: Kit, tmp_path: Path) -> None:  # noqa: FBT001
    """After the time allowed there is a transient error, without the password of the camera in it."""
    film = kit.film(tmp_path / "a.ts", count=0 if empty else 5)

    def opener(url: str, timeout_s: float) -> av.container.InputContainer:
        if empty:
            return av.open(str(film))
        raise OSError("connection refused")

    with pytest.raises(TransientError) as given_up:
        list(NetworkStream("rtsp://me:secret@camera/1?token=secret", QUICK, opener).frames())

    assert given_up.value.code == "stream_unreachable"
    assert "camera/1" in given_up.value.message
    assert "secret" not in given_up.value.message


def test_back_off_doubles_up_to_its_limit() -> None:
    """Waits grow from half a second to a quarter of a minute."""
    assert [Reconnecting().wait_s(n) for n in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]


def test_a_stream_without_video_is_refused(tmp_path: Path, kit: Kit) -> None:
    """Something that answers, but not with pictures, will not do so later either."""

    def opener(url: str, timeout_s: float) -> Any:
        class Silent:
            streams = type("Streams", (), {"video": ()})

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                return None

        return Silent()

    with pytest.raises(PermanentError) as refused:
        list(NetworkStream("rtsp://camera/1", QUICK, opener).frames())

    assert refused.value.code == "video_unreadable"


def test_a_stream_stops_while_it_waits() -> None:
    """Stopping interrupts the back-off at once."""
    patient = Reconnecting(first_wait_s=600, longest_wait_s=600)

    def opener(url: str, timeout_s: float) -> av.container.InputContainer:
        raise OSError("refused")

    stream = NetworkStream("rtsp://camera/1", patient, opener)
    reader = Thread(target=lambda: list(stream.frames()))
    reader.start()
    stream.stop()
    reader.join(5)

    assert not reader.is_alive()


def test_urls_are_shown_without_their_secrets() -> None:
    """User, password and query stay out of messages."""
    assert shown_url("rtsp://user:pass@host:554/live?key=1") == "rtsp://host:554/live"


def test_the_newest_frames_win(kit: Kit) -> None:
    """A reader that comes late gets the last frames, and one Dropped for each that was overtaken."""
    finished = Event()
    source = kit.source(100, before=lambda number: finished.set() if number == 99 else None)
    newest = Newest(source, backlog=5)
    items = newest.frames()

    first = next(items)
    finished.wait(5)
    rest = list(items)

    frames = [item for item in (first, *rest) if isinstance(item, Frame)]
    dropped = [item for item in (first, *rest) if isinstance(item, Dropped)]
    assert sorted(item.number for item in (first, *rest)) == list(range(100))
    assert [frame.number for frame in frames][-5:] == [95, 96, 97, 98, 99]
    assert len(frames) <= 5 + 1  # the backlog, and the one taken before
    assert {item.reason for item in dropped} == {"behind"}


def test_a_reader_that_keeps_up_loses_nothing(kit: Kit) -> None:
    """While there is room nothing is dropped, and everything comes in order."""
    newest = Newest(kit.source(50), backlog=50)

    assert [item.number for item in newest.frames()] == list(range(50))


def test_an_error_of_the_source_arrives_after_its_frames(kit: Kit) -> None:
    """What breaks in the reading thread is raised where the frames are taken."""

    def fail(number: int) -> None:
        if number == 3:
            raise TransientError("camera_lost", "unplugged")

    taken: list[int] = []
    with pytest.raises(TransientError, match="unplugged"):
        taken.extend(item.number for item in Newest(kit.source(10, before=fail), backlog=10).frames())
