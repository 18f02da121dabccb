"""Files of detections: appended, repaired after a power cut, rotated, bounded, and never in the way of inference."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from azaion_common.core.errors import PermanentError, TransientError
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.line_file import LineFile
from azaion_inferencer.adapters.line_series import LineSeries
from azaion_inferencer.adapters.syncing import SyncedSoon
from azaion_inferencer.ports import Frame, Shown
from azaion_inferencer.rotation import Limits, Member, Names, surplus
from azaion_vision.detections import Detections

MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
SMALL = Limits(file_bytes=400, file_age_s=3600, series_bytes=2000)


def line(number: int, padding: str = "") -> bytes:
    return json.dumps({"frame": number} | ({"padding": padding} if padding else {})).encode() + b"\n"


def numbers(path: Path) -> list[int]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(each)["frame"] for each in content.splitlines()]


def shown(number: int) -> Shown:
    frame = Frame(number, number / 25, lambda: np.zeros((4, 4, 3), np.uint8), arrived_at=1_767_254_400.5)
    return Shown(frame, Detections.empty(), "a" * 16, {}, inferred=True, picture=None)


@dataclass
class Wall:
    """A clock on the wall, and one that nobody sets."""

    at: datetime = MORNING
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.at

    def clock(self) -> float:
        return self.seconds

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class Disk:
    """An output that is full while ``full`` is set."""

    full: Event = field(default_factory=Event)
    lines: list[bytes] = field(default_factory=list)
    synced: int = 0
    tries: int = 0
    on_try: Event = field(default_factory=Event)

    def append(self, content: bytes) -> None:
        self.tries += 1
        self.on_try.set()
        if self.full.is_set():
            raise TransientError("disk_full", "no space left")
        self.lines.append(content)

    def sync(self) -> None:
        self.synced = len(self.lines)

    def close(self, *, whole: bool = True) -> None:
        self.sync()


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_torn_last_line_is_taken_away_when_the_file_is_opened_again(cut: int, tmp_path: Path) -> None:
    """Wherever a power cut tears the last line, every line parses afterwards, and the whole ones are all there."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(1) + line(2) + line(333)[:-cut])

    file = LineFile.continued(path)
    file.append(line(4))
    file.close()

    whole = [1, 2, 333] if cut == 1 else [1, 2]  # without its end a line is whole, and gets one
    assert numbers(path) == [*whole, 4]
    assert file.repaired_bytes > 0


def test_zeros_that_a_power_cut_leaves_are_taken_away(tmp_path: Path) -> None:
    """A file system may have made a file longer before it wrote what was to be there, also in the middle."""
    whole = b"".join(line(number, "x" * 1000) for number in range(1200))
    for number, content in enumerate(
        [
            whole + line(7) + b"\0" * 3_000_000,
            whole + line(7) + line(8)[:4] + b"\0" * 5000,
            whole + line(8)[:3] + b"\0" * 500 + b"\n" + line(7),
            whole + b"\0" * 900 + line(7),
        ]
    ):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(content)

        LineFile.continued(path).close()

        found = numbers(path)
        assert found[:1200] == list(range(1200))
        assert found[1200:] in ([7], [])


def test_random_damage_at_the_end_never_costs_a_whole_line(tmp_path: Path) -> None:
    """Cut anywhere, with anything behind it: what was whole before the cut is there, and everything parses."""
    chance = random.Random(5)
    content = b"".join(map(line, range(200)))
    for _ in range(100):
        cut = chance.randrange(1, len(content))
        path = tmp_path / "out.jsonl"
        path.write_bytes(content[:cut] + chance.choice([b"", b"\0" * 40, b"\xff\x00\n", b"{\n"]))

        LineFile.continued(path).close()

        whole = content[:cut].count(b"\n")
        assert numbers(path)[:whole] == list(range(whole))
        assert len(numbers(path)) <= whole + 1


def test_a_file_of_something_else_is_not_repaired_to_pieces(tmp_path: Path) -> None:
    """Notes of the user's, named by mistake, stay as they are."""
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\nbuy bread")

    with pytest.raises(PermanentError) as refused:
        LineFile.continued(path)

    assert refused.value.code == "output_is_other"
    assert path.read_text() == "buy milk\nbuy bread"


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    """The second one is told so; after the first it may go on."""
    path = tmp_path / "out.jsonl"
    first = LineFile.continued(path)
    first.append(line(0))

    with pytest.raises(PermanentError) as refused:
        LineFile.continued(path)
    first.close()
    LineFile.continued(path).close()

    assert refused.value.code == "output_in_use"
    assert numbers(path) == [0]


def test_a_file_that_was_moved_away_has_a_successor(tmp_path: Path) -> None:
    """Who rotates with another program, or deletes, loses nothing of what comes after the next sync."""
    path = tmp_path / "out.jsonl"
    file = LineFile.continued(path)
    file.append(line(0))
    path.rename(tmp_path / "taken.jsonl")
    file.append(line(1))
    file.sync()
    file.append(line(2))
    file.close()

    assert (numbers(tmp_path / "taken.jsonl"), numbers(path)) == ([0, 1], [2])


def test_a_line_without_room_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a line: the half is taken back, and later lines are whole."""
    path, file = tmp_path / "out.jsonl", LineFile.continued(tmp_path / "out.jsonl")
    file.append(line(0))
    real = os.write

    def half(descriptor: int, content: memoryview) -> int:
        if len(content) < 6:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[:6])

    monkeypatch.setattr("os.write", half)
    with pytest.raises(TransientError) as refused:
        file.append(line(1))
    monkeypatch.setattr("os.write", real)
    file.append(line(2))
    file.close()

    assert refused.value.code == "disk_full"
    assert numbers(path) == [0, 2]


def test_what_was_written_is_synced_by_time_and_not_by_number() -> None:
    """One line alone is safe within a second."""
    synced = Event()
    soon = SyncedSoon(synced.set, within_s=0.01)

    soon.written()

    assert synced.wait(5)
    soon.close()


def test_a_line_is_acknowledged_within_a_second(tmp_path: Path) -> None:
    """With the intervals of the service: what was written is synced before a second has passed."""
    done = Event()
    output = LineFile.continued(tmp_path / "out.jsonl")
    sync = output.sync

    def noting() -> None:
        sync()
        if output.synced:
            done.set()

    output.sync = noting  # type: ignore[method-assign]
    with JsonLines(output) as sink:
        sink.write(shown(0))
        assert done.wait(1.0)


def test_a_line_counts_as_safe_only_once_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot sync acknowledges nothing: it is told once, and tried again."""
    told, file, real, tried = list[str](), LineFile.continued(tmp_path / "out.jsonl"), os.fsync, Event()

    def failing(descriptor: int) -> None:
        tried.set()
        raise OSError(5, "Input/output error")

    with JsonLines(file, when_full="drop", tell=lambda code, _: told.append(code)) as sink:
        monkeypatch.setattr("os.fsync", failing)
        sink.write(shown(0))
        assert tried.wait(5)
        assert file.synced == 0
        monkeypatch.setattr("os.fsync", real)

    assert file.synced == 1
    assert told == ["detections.not_synced"]


def test_a_live_line_says_the_time_of_day(tmp_path: Path) -> None:
    """Seconds since a start that nobody knows are not enough for a camera."""
    with JsonLines(LineFile.continued(tmp_path / "out.jsonl")) as sink:
        sink.write(shown(0))

    assert json.loads((tmp_path / "out.jsonl").read_text())["at"] == "2026-01-01T08:00:00.500Z"


def test_a_full_disk_stops_a_file_with_a_clear_error() -> None:
    """Of a file nothing is lost by stopping: it can be run again."""
    disk = Disk()
    disk.full.set()

    with pytest.raises(TransientError, match="no space left"), JsonLines(disk) as sink:
        sink.write(shown(0))


def test_a_full_disk_never_stops_a_live_source() -> None:
    """Inference goes on, it is told once, lines are counted as dropped, and written again when there is room."""
    disk, told, dropped = Disk(), list[str](), list[int]()
    with JsonLines(
        disk, when_full="drop", tell=lambda code, _: told.append(code), on_dropped=lambda: dropped.append(1)
    ) as sink:
        for number in range(30):
            (disk.full.set if 10 <= number < 20 else disk.full.clear)()
            sink.write(shown(number))

    assert [json.loads(each)["frame"] for each in disk.lines] == [*range(10), *range(20, 30)]
    assert (sink.written, sink.dropped, len(dropped)) == (20, 10, 10)
    assert told == ["output.stopped", "output.resumed"]


def test_a_service_waits_for_room_while_it_works_on_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file does not run away: no line of it is dropped. Being stopped ends the waiting."""
    monkeypatch.setattr("azaion_inferencer.adapters.json_lines._ROOM_CHECK_S", 0.001)
    disk, stop = Disk(), Event()
    disk.full.set()

    class Freed(Event):
        def wait(self, timeout: float | None = None) -> bool:
            if disk.tries == 3:
                disk.full.clear()
            return super().wait(timeout)

    with JsonLines(disk, when_full="wait", stop=Freed()) as sink:
        sink.write(shown(0))
    assert (disk.tries, len(disk.lines)) == (4, 1)

    disk.full.set()
    stop.set()
    with JsonLines(disk, when_full="wait", stop=stop) as sink:
        sink.write(shown(1))
    assert sink.dropped == 1


def test_names_of_files_that_are_not_utf_8_make_whole_lines(tmp_path: Path) -> None:
    """A picture called in Latin-1 is a line like any other, with its name as it is."""
    frame = Frame(0, 0.0, lambda: np.zeros((4, 4, 3), np.uint8), name="caf\udce9.jpg")
    with JsonLines(LineFile.fresh(tmp_path / "o.jsonl")) as sink:
        sink.write(Shown(frame, Detections.empty(), "a", {}, inferred=True, picture=None))

    assert json.loads((tmp_path / "o.jsonl").read_text())["image"] == "caf\udce9.jpg"


def test_files_are_rotated_by_size_and_age_and_nothing_is_lost(tmp_path: Path) -> None:
    """Every line is in one file of the series, in order, and each file begins where it should."""
    wall = Wall()
    series = LineSeries(tmp_path, "cam", SMALL, compress=False, now=wall.now, clock=wall.clock)
    for number in range(60):
        series.append(line(number))
        wall.later(60 if number < 30 else 400)
    series.close()

    files = sorted(tmp_path.iterdir())
    assert [number for path in files for number in numbers(path)] == list(range(60))
    assert files[0].name == "cam-20260101T080000Z.jsonl"
    assert max(path.stat().st_size for path in files) < 400 + len(line(59))
    assert len(files) >= 4


def test_a_file_is_safe_before_the_next_one_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest file is repaired after a power cut: no other one may have an end that is not synced."""
    wall, unsynced = Wall(), list[int]()
    series = LineSeries(tmp_path, "cam", SMALL, compress=False, now=wall.now, clock=wall.clock)
    first = series._file
    open_next = LineFile.continued

    def opening(path: Path) -> LineFile:
        unsynced.append(first.written - first.synced)
        return open_next(path)

    monkeypatch.setattr(LineFile, "continued", opening)
    for number in range(40):
        series.append(line(number))
    series.close()

    assert unsynced[0] == 0


def test_closed_files_are_compressed_and_the_oldest_go(tmp_path: Path) -> None:
    """All files together stay within the bound; what goes is told, and it is the oldest."""
    wall = Wall()
    limits = Limits(file_bytes=4000, file_age_s=1e9, series_bytes=9000)
    for start in range(0, 6000, 1000):
        series = LineSeries(tmp_path, "cam", limits, now=wall.now, clock=wall.clock)
        for number in range(start, start + 1000):
            series.append(line(number))
            wall.later(1)
        series.close()

    files = sorted(tmp_path.iterdir())
    left = [number for path in files for number in numbers(path)]
    assert sum(path.stat().st_size for path in files) <= 9000
    assert left == list(range(left[0], 6000))
    assert left[0] > 0
    assert [path.suffix for path in files] == [*[".gz"] * (len(files) - 1), ".jsonl"]


def test_a_service_that_starts_again_goes_on_with_the_same_file(tmp_path: Path) -> None:
    """A hundred starts are not a hundred files; the torn end of the last is repaired."""
    wall = Wall()
    for number in range(10):
        series = LineSeries(tmp_path, "cam", SMALL, now=wall.now, clock=wall.clock)
        series.append(line(number))
        series.close()
        wall.later(1)
        with series.path.open("ab") as torn:
            torn.write(b'{"fra')

    (path,) = tmp_path.iterdir()
    LineSeries(tmp_path, "cam", SMALL, now=wall.now, clock=wall.clock).close()
    assert numbers(path) == list(range(10))


def test_a_full_file_that_a_power_cut_tore_is_repaired_before_the_next_one_begins(tmp_path: Path) -> None:
    """Too big or too old to go on with is no reason to leave half a line in it."""
    for hours, lines in ((0, 40), (48, 1)):
        folder = tmp_path / str(hours)
        folder.mkdir()
        torn = folder / "cam-20260101T080000Z.jsonl"
        torn.write_bytes(b"".join(map(line, range(lines))) + b'{"fra')
        wall = Wall()
        wall.later(hours * 3600 + 1)

        series = LineSeries(folder, "cam", SMALL, compress=False, now=wall.now, clock=wall.clock)
        series.append(line(lines))
        series.close()

        assert numbers(torn) == list(range(lines))
        assert len(list(folder.iterdir())) == 2


def test_a_clock_that_was_set_back_makes_no_file_older_than_it_is(tmp_path: Path) -> None:
    """A board without a battery wakes up in 1970: its new file is the newest all the same, and is not the first to go."""
    wall, limits = Wall(), Limits(file_bytes=400, file_age_s=3600, series_bytes=20_000)
    for number in range(4):
        series = LineSeries(tmp_path, "cam", limits, compress=False, now=wall.now, clock=wall.clock)
        for each in range(30):
            series.append(line(number * 30 + each))
        series.close()
        wall.at = datetime(1970, 1, 1, tzinfo=UTC) if number == 1 else wall.at

    files = sorted(tmp_path.iterdir())
    assert [number for path in files for number in numbers(path)] == list(range(120))


def test_a_kill_in_the_middle_of_compressing_leaves_every_line_once(tmp_path: Path) -> None:
    """Both the file and its packed copy are there: the copy is whole, and the file goes."""
    closed = tmp_path / "cam-20260101T080000Z.jsonl"
    closed.write_bytes(line(0) + line(1))
    (tmp_path / f"{closed.name}.gz").write_bytes(gzip.compress(line(0) + line(1)))

    LineSeries(tmp_path, "cam", SMALL, now=Wall().now).close()

    found = [number for path in sorted(tmp_path.iterdir()) for number in numbers(path)]
    assert found == [0, 1]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """Only this device's own files belong to the series; those of version 0.1 do."""
    names = Names("cam", ".jsonl")
    own = ["cam-20260101T080000Z.jsonl", "cam-20250101T080000Z.jsonl.gz"]
    others = [
        "cam-2-20260101T080000Z.jsonl",
        "cam.jsonl",
        "cam-20269901T080000Z.jsonl",
        "cam-20260101T080000Z.mp4",
    ]

    members = names.members([tmp_path / name for name in (*own, *others)])

    assert [member.path.name for member in members] == sorted(own)


def test_the_oldest_go_first_and_no_more_than_needed() -> None:
    """Until the others fit."""
    members = [Member(MORNING + timedelta(hours=hour), Path(str(hour))) for hour in range(4)]
    sizes = [(member, 100) for member in members]

    assert surplus(sizes, 400) == []
    assert surplus(sizes, 399) == members[:1]
    assert surplus(sizes, 0) == members
