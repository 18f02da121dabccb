"""``azaion infer`` beside ``yolo predict`` on the same ONNX file, video, frame step and cores.

Both are run as a user runs them, as a command in a process of its own, on the video and on a longer one made of the
same packets several times over. What a command needs per inferred frame is the slope between the two: starting,
importing and loading the model fall out. Two more rows say what there is to be gained at most: the bare runtime on
prepared inputs, and bare decoding of every frame with the conversion of those that are inferred.

All rows of one repeat run in turn, in an order that changes from repeat to repeat; the table shows medians. Beside
the time on the clock stands the processor time of all threads, which is steadier on a busy machine.
The peer lives in toolchains/ultralytics (its own environment, see its README).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from azaion_inferencer.adapters.video_file import VideoFile
from azaion_vision.options import Precision, RuntimeName
from azaion_vision.runtimes import load

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "toolchains" / "ultralytics" / ".venv" / "bin" / "yolo"
OURS = {
    "azaion, onnxruntime": ["--runtime", "onnxruntime"],
    "azaion, openvino f32": ["--runtime", "openvino", "--precision", "f32"],
    "azaion, openvino bf16": ["--runtime", "openvino", "--precision", "bf16"],
}
YOLO = "yolo predict, onnxruntime"
DECODING = "bare decoding"
PREPARED = 8


class Seconds(NamedTuple):
    """Time on the clock, and processor time of all threads."""

    wall: float
    cpu: float

    def per(self, frames: int) -> Seconds:
        return Seconds(self.wall / frames, self.cpu / frames)


@dataclass(frozen=True)
class Bench:
    """The inputs that all rows share. ``short`` and ``long`` are the video, once and several times over."""

    model: Path
    short: Path
    long: Path
    every: int
    threads: int
    folder: Path
    peer: Path

    def sampled(self, video: Path) -> int:
        return -(-frame_count(video) // self.every)

    def slope(self, run: Callable[[Path], Seconds]) -> Seconds:
        """Per inferred frame, without what is needed once per run."""
        long, short = run(self.long), run(self.short)
        difference = Seconds(long.wall - short.wall, long.cpu - short.cpu)
        return difference.per(self.sampled(self.long) - self.sampled(self.short))

    def azaion(self, options: list[str]) -> Callable[[Path], Seconds]:
        command = [
            sys.executable, "-c", "from azaion_common.platform.cli.root import main; main()", "infer",
            "--model", str(self.model), "--every", str(self.every), "--threads", str(self.threads), *options,
        ]  # fmt: skip
        return lambda video: timed([*command, str(video)], self.folder)

    def yolo(self) -> Callable[[Path], Seconds]:
        command = [
            str(self.peer), "predict", f"model={self.model}", f"vid_stride={self.every}", "imgsz=640", "device=cpu",
            "conf=0.25", "save=False", "verbose=False", f"project={self.folder}",
        ]  # fmt: skip
        return lambda video: timed([*command, f"source={video}"], self.folder)

    def runtime(self, name: RuntimeName, precision: Precision) -> Seconds:
        """Per picture inside the runtime alone, on inputs prepared before."""
        model = load(self.model.read_bytes(), runtime=name, threads=self.threads, precision=precision)
        shape = (model.batch_size, 3, *model.input_size)
        inputs = np.random.default_rng(0).random((PREPARED, *shape), np.float32)
        model.infer(inputs[0])
        runs = max(self.sampled(self.short) // model.batch_size, 1)
        with clock() as taken:
            for turn in range(runs):
                model.infer(inputs[turn % PREPARED])
        return taken().per(runs * model.batch_size)

    def decoding(self) -> Seconds:
        """Per inferred frame, for decoding all frames and converting the inferred ones."""
        with clock() as taken:
            for frame in VideoFile(self.short).frames():
                if frame.number % self.every == 0:
                    frame.decode()
        return taken().per(self.sampled(self.short))

    def rows(self) -> dict[str, Callable[[], Seconds]]:
        rows: dict[str, Callable[[], Seconds]] = {
            "bare onnxruntime": lambda: self.runtime("onnxruntime", "f32"),
            "bare openvino f32": lambda: self.runtime("openvino", "f32"),
            "bare openvino bf16": lambda: self.runtime("openvino", "bf16"),
            DECODING: self.decoding,
        }
        for name, options in OURS.items():
            rows[name] = lambda options=options: self.slope(self.azaion(options))  # type: ignore[misc]
        if self.peer.exists():
            rows[YOLO] = lambda: self.slope(self.yolo())
        return rows


@contextmanager
def clock() -> Iterator[Callable[[], Seconds]]:
    """Measure a block in this process; the function it gives has the result afterwards."""
    started = Seconds(time.perf_counter(), time.process_time())
    ended: list[Seconds] = []
    yield lambda: Seconds(ended[0].wall - started.wall, ended[0].cpu - started.cpu)
    ended.append(Seconds(time.perf_counter(), time.process_time()))


def timed(command: list[str], folder: Path) -> Seconds:
    """Time a command that has to succeed. What it says goes nowhere; its settings stay in ``folder``."""
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}  # noqa: TID251 - a child's
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder, check=False)
    wall_s, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(wall_s, cpu_s)


def frame_count(video: Path) -> int:
    with av.open(str(video)) as container:
        return container.streams.video[0].frames


def repeated(video: Path, times: int, destination: Path) -> Path:
    """Write the packets of ``video`` several times over, without encoding anything again."""
    with av.open(str(destination), "w") as sink, av.open(str(video)) as template:
        stream = sink.add_stream_from_template(template.streams.video[0])
        for turn in range(times):
            with av.open(str(video)) as source:
                for packet in source.demux(video=0):
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = turn * (source.streams.video[0].duration or 0)
                    packet.dts, packet.pts, packet.stream = packet.dts + shift, packet.pts + shift, stream
                    sink.mux(packet)
    return destination


def measure(bench: Bench, repeats: int) -> dict[str, Seconds]:
    """Medians per inferred frame of each row."""
    rows = list(bench.rows().items())
    taken: dict[str, list[Seconds]] = {name: [] for name, _ in rows}
    for turn in range(repeats):
        for name, row in random.Random(turn).sample(rows, len(rows)):
            taken[name].append(row())
    return {name: median(measured) for name, measured in taken.items()}


def median(measured: list[Seconds]) -> Seconds:
    walls, cpus = zip(*measured, strict=True)
    return Seconds(statistics.median(walls), statistics.median(cpus))


def ratios(seconds: dict[str, Seconds]) -> dict[str, dict[str, float]]:
    """For each way of ours: how often it fits into the peer's time, and its own time over what bounds it."""
    found: dict[str, dict[str, float]] = {}
    for name in OURS:
        bound_s = max(seconds[name.replace("azaion,", "bare")].wall, seconds[DECODING].wall)
        found[name] = {"wall_over_bare": seconds[name].wall / bound_s}
        if YOLO in seconds:
            found[name]["faster_than_yolo"] = seconds[YOLO].wall / seconds[name].wall
            found[name]["cpu_less_than_yolo"] = seconds[YOLO].cpu / seconds[name].cpu
    return found


def show(seconds: dict[str, Seconds], found: dict[str, dict[str, float]]) -> None:
    keys = {
        "wall_over_bare": "over bare",
        "faster_than_yolo": "yolo / this",
        "cpu_less_than_yolo": "yolo / this, cpu",
    }
    table = Table("per inferred frame", "wall ms", "cpu ms", *keys.values())
    for name, each in sorted(seconds.items(), key=lambda item: item[1].wall):
        cells = [f"{found[name][key]:.2f}" if key in found.get(name, {}) else "" for key in keys]
        table.add_row(name, f"{each.wall * 1e3:.1f}", f"{each.cpu * 1e3:.1f}", *cells)
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="ONNX file, 640 x 640, batch 1")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2, help="cores that every row may use")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--longer", type=int, default=3, help="how often the long video repeats the short one"
    )
    parser.add_argument("--peer", type=Path, default=PEER, help="the yolo command")
    parser.add_argument("--json", action="store_true", help="one JSON object last")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long = repeated(given.video, given.longer, folder / "long.mp4")
        model, video = given.model.resolve(), given.video.resolve()
        bench = Bench(model, video, long, given.every, given.threads, folder, given.peer)
        seconds = measure(bench, given.repeats)
    found = ratios(seconds)
    show(seconds, found)
    if given.json:
        rounded = {
            name: {key: round(value, 3) for key, value in each.items()} for name, each in found.items()
        }
        wall_ms = {name: round(each.wall * 1e3, 2) for name, each in seconds.items()}
        cpu_ms = {name: round(each.cpu * 1e3, 2) for name, each in seconds.items()}
        print(json.dumps({"wall_ms": wall_ms, "cpu_ms": cpu_ms, "ratios": rounded}))


if __name__ == "__main__":
    main()
