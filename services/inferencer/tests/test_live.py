"""Live sources: they are waited for, for ever, whatever happens to them; and what cannot be kept up with is dropped."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import numpy as np
import pytest

from azaion_common.core.errors import TransientError
from azaion_inferencer.adapters.camera import open_camera
from azaion_inferencer.adapters.live_source import Decode, LiveSource, Patience, SourceLostError
from azaion_inferencer.adapters.network_stream import open_stream, shown_url
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.ports import Dropped, Frame, Image

Kit = Any
QUICK = Patience(deadline_s=5, first_wait_s=0.001, longest_wait_s=0.01)
HOUR = 3600.0


@dataclass
class MovedClock:
    """Time that passes only where somebody waits for it."""

    at: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def wait(self, stopped: Event, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds


@dataclass
class Told:
    """What was said, as code and sentence."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, code: str, sentence: str) -> None:
        self.said.append((code, sentence))

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.said]


def picture() -> Image:
    return np.zeros((4, 6, 3), np.uint8)


@dataclass
class FakeCamera:
    """A connection that gives ``count`` pictures; ``before`` runs before each of them."""

    count: int = 3
    before: Callable[[int], object] = lambda _: None
    rate: float = 12.5

    def pictures(self) -> Iterator[Decode]:
        for number in range(self.count):
            self.before(number)
            yield picture

    @contextmanager
    def opened(self) -> Iterator[FakeCamera]:
        yield self


def connecting(*answers: FakeCamera | Exception) -> Callable[[], AbstractContextManager[FakeCamera]]:
    """Each attempt gets the next answer; after the last there is nothing more."""
    left = iter(answers)

    def connect() -> AbstractContextManager[FakeCamera]:
        answer = next(left, SourceLostError("gone for good"))
        if isinstance(answer, Exception):
            raise answer
        return answer.opened()

    return connect


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
    url = f"tcp://127.0.0.1:{serve(film, 3)}"
    source = LiveSource(url, partial(open_stream, url, 5), QUICK)

    frames = list(islice(source.frames(), 60))
    source.stop()

    assert [frame.number for frame in frames] == list(range(60))
    assert [frame.time_s for frame in frames] == sorted(frame.time_s for frame in frames)
    assert frames[-1].decode().shape == (48, 64, 3)
    assert (source.connections, source.rate) == (3, 25.0)


def test_a_camera_that_is_gone_for_an_hour_is_waited_for_and_told_seldom() -> None:
    """An hour without it: said when it is lost, a few times meanwhile, and when it is back; then frames go on."""
    clock, told = MovedClock(), Told()

    @contextmanager
    def connect() -> Iterator[FakeCamera]:
        if clock.at and clock.at < HOUR:
            raise SourceLostError("connection refused")
        yield FakeCamera()

    source = LiveSource("camera 0", connect, Patience(), told, clock)
    frames = list(islice(source.frames(), 6))
    source.stop()

    assert [frame.number for frame in frames] == list(range(6))
    assert frames[3].time_s >= HOUR
    assert told.codes == ["source.lost", *["source.waiting"] * (len(told.codes) - 2), "source.back"]
    assert 2 <= told.codes.count("source.waiting") <= 7
    assert told.said[-1][1] == "camera 0 is back after 60 minutes"


def test_attempts_come_with_jitter_and_never_more_than_half_a_minute_apart() -> None:
    """Two hundred boards after a power cut do not ask at the same moments."""
    waits = []
    for _ in range(2):
        clock = MovedClock()
        source = LiveSource("camera", connecting(), Patience(give_up_after_s=HOUR), clock=clock)
        with pytest.raises(TransientError):
            list(source.frames())
        waits.append(clock.waits)

    assert waits[0] != waits[1]
    assert all(0.5 <= wait <= 30 for wait in waits[0])
    assert sum(waits[0]) / len(waits[0]) > 5


def test_a_source_is_given_up_only_where_somebody_said_when() -> None:
    """After the time allowed there is one transient error with the last reason."""
    clock = MovedClock()
    source = LiveSource("rtsp://camera/1", connecting(), Patience(give_up_after_s=120), clock=clock)

    with pytest.raises(
        TransientError, match=r"no picture from rtsp://camera/1 for 1\d\d s: gone"
    ) as given_up:
        list(source.frames())

    assert given_up.value.code == "stream_unreachable"
    assert 120 <= clock.at < 160


@pytest.mark.parametrize("hangs_at", [0, 2], ids=["before the first picture", "after two"])
def test_a_camera_that_hangs_is_noticed(hangs_at: int) -> None:
    """No picture and no error: after the deadline it counts as lost, and is connected anew."""
    released, told = Event(), Told()

    def hang(number: int) -> None:
        if number == hangs_at:
            released.wait(30)

    cameras = connecting(FakeCamera(5, before=hang), FakeCamera(3))
    quick = Patience(deadline_s=0.2, first_wait_s=0.001, longest_wait_s=0.01)
    source = LiveSource("camera 0", cameras, quick, told)
    frames = list(islice(source.frames(), hangs_at + 3))
    source.stop()
    released.set()

    assert [frame.number for frame in frames] == list(range(hangs_at + 3))
    assert "no picture for 0.2 s" in told.said[0][1]
    assert told.codes == ["source.lost", "source.back"]


def test_connecting_may_hang_too_and_threads_do_not_pile_up() -> None:
    """A driver that never answers costs three threads, not one for each attempt."""
    released, attempts = Event(), list[int]()

    @contextmanager
    def connect() -> Iterator[FakeCamera]:
        attempts.append(1)
        released.wait(30)
        yield FakeCamera()

    quick = Patience(deadline_s=0.01, first_wait_s=0.001, longest_wait_s=0.01, give_up_after_s=1)
    with pytest.raises(TransientError):
        list(LiveSource("camera 0", connect, quick).frames())
    released.set()

    assert len(attempts) == 3


def test_a_source_stops_while_it_waits() -> None:
    """Stopping interrupts the pause at once."""
    told = Event()
    source = LiveSource(
        "camera 0",
        connecting(),
        Patience(first_wait_s=600, longest_wait_s=600),
        lambda _code, _sentence: told.set(),
    )
    reader = Thread(target=lambda: list(source.frames()))
    reader.start()
    told.wait(5)
    source.stop()
    reader.join(5)

    assert not reader.is_alive()


class FakeCapture:
    """OpenCV's camera: ``there`` says for each opening how many pictures it gives; None: it is not there."""

    there: list[int | None]

    def __init__(self, index: int) -> None:
        self.left = FakeCapture.there.pop(0)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.left is not None

    def get(self, _property: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, Image | None]:
        if not self.left:
            return False, None
        self.left -= 1
        return True, picture()

    def release(self) -> None:
        return None


def test_a_usb_camera_that_is_pulled_out_and_put_in_again_goes_on() -> None:
    """Its index disappears and comes back, also at the start: it is told, and its frames go on."""
    FakeCapture.there, told = [None, 2, None, None, 3], Told()
    source = LiveSource("camera 0", partial(open_camera, 0, FakeCapture), QUICK, told)

    frames = list(islice(source.frames(), 5))
    source.stop()

    assert [frame.number for frame in frames] == list(range(5))
    assert [sentence.split(":")[0] for _, sentence in told.said] == [
        "camera 0 cannot be reached",
        "camera 0 is back after 0 s",
        "camera 0 lost",
        "camera 0 is back after 0 s",
    ]


def answering(status: str) -> int:
    """An HTTP and RTSP server that answers everything with ``status``; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with closing(listener):
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(4096).decode()
                number = next((line for line in request.splitlines() if line.startswith("CSeq")), "CSeq: 0")
                protocol = "RTSP/1.0" if "RTSP" in request else "HTTP/1.0"
                page = "<html>no camera</html>" * 20
                head = [f"{protocol} {status}", number, f"Content-Length: {len(page)}", "", page]
                connection.sendall("\r\n".join(head).encode())

    Thread(target=answer, daemon=True).start()
    return int(listener.getsockname()[1])


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (lambda: f"rtsp://127.0.0.1:{unused_port()}/live", "connection refused"),
        (lambda: f"http://127.0.0.1:{unused_port()}/live", "connection refused"),
        (lambda: "rtsp://nowhere.invalid/live", "there is no host nowhere.invalid"),
        (lambda: "http://nowhere.invalid/live", "there is no host nowhere.invalid"),
        (lambda: f"rtsp://127.0.0.1:{answering('401 Unauthorized')}/live", "user and a password"),
        (lambda: f"http://127.0.0.1:{answering('401 Unauthorized')}/live", "user and a password"),
        (lambda: f"rtsp://127.0.0.1:{answering('404 Not Found')}/live", "no such stream"),
        (lambda: f"http://127.0.0.1:{answering('404 Not Found')}/live", "no such stream"),
        (lambda: f"http://127.0.0.1:{answering('200 OK')}/live", "no video"),
    ],
)
def test_a_wrong_address_says_after_the_first_attempt_what_it_answers(
    address: Callable[[], str], said: str
) -> None:
    """Refused, no such host, a password, nothing there: in words, at once."""
    url = address()

    with pytest.raises(SourceLostError, match=said), open_stream(url, 5):
        pass


def test_a_stream_without_video_is_waited_for(kit: Kit) -> None:
    """Something that answers without pictures, as a camera that starts, is told and asked again."""

    class Sound:
        streams = type("Streams", (), {"video": ()})

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    def opener(url: str, timeout_s: float) -> Any:
        return Sound()

    with pytest.raises(SourceLostError, match="sends no video"), open_stream("rtsp://camera/1", 5, opener):
        pass


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
