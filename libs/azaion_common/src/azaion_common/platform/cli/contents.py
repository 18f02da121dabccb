"""What ``azaion --help`` shows: the commands in the order in which somebody needs them, each in one short line.

It is written here and not taken from the commands, so that the list needs none of them to be imported. A command of
a plug-in that is not in the list is shown last, under a heading of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

SUMMARY_CHARS = 62
"""Longest summary that a terminal of 80 columns shows whole."""


@dataclass(frozen=True, slots=True)
class Section:
    """Commands of one kind of work."""

    title: str
    summaries: dict[str, str]


SECTIONS = (
    Section(
        "Start here",
        {
            "demo": "Run the whole loop on drawn or own pictures",
            "up": "Run every service in this process until Ctrl-C",
        },
    ),
    Section(
        "Data",
        {
            "annotations": "Bring labelled pictures in; correct or delete them",
            "data": "Take pictures, labels and datasets along",
            "dataset": "Look at datasets and prove that their split does not leak",
        },
    ),
    Section(
        "Models",
        {
            "train": "Start a training",
            "jobs": "Trainings and what is queued; cancel a job",
            "models": "List models, show where they come from, get their files",
            "export": "Export a model for another target, size or batch",
            "publish": "Seal and release an exported model",
            "package": "Seal, inspect, verify and open model packages",
        },
    ),
    Section(
        "Detect",
        {
            "infer": "Find objects in a video, pictures, a camera or a stream",
            "devices": "What each device runs, and what it refused",
        },
    ),
    Section(
        "Operate",
        {
            "doctor": "Check that everything adds up and nothing is stuck",
            "settings": "List every setting with its value and meaning",
            "dead-letters": "Look at what was refused; have it tried again",
            "backup": "Copy a home while its services work",
            "blobs": "The store of pictures and models: verify it, heal it",
            "gc": "Free the disk of what nothing needs any more",
            "replay": "Rebuild a ledger from its streams and compare",
            "run": "Run one service (what a container runs)",
            "setup": "Make buckets, streams and queues on servers, once",
        },
    ),
)
OTHER = "Other"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "azaion demo                              # see it work: 4 minutes on two cores",
        "azaion annotations import DIR --catalogue own",
        "azaion up &                              # then: train, export, publish by themselves",
        "azaion train --wait",
        "azaion infer video.mp4 --save out.mp4",
    ),
    "demo": ("azaion demo", "azaion demo --data DIR --home my-home --video drone.mp4 --weights yolo11n.pt"),
    "up": ("azaion up", "azaion up --only ingestor --only api"),
    "annotations import": (
        "azaion annotations import DIR --catalogue own",
        "azaion annotations import DIR --format coco --condition Night --role operator",
    ),
    "annotations edit": (
        "azaion annotations edit corrected/street_0012.txt",
        "azaion annotations edit corrected/",
    ),
    "annotations delete": ("azaion annotations delete street_0012 street_0013",),
    "annotations validate": ("azaion annotations validate --from names.txt",),
    "data export": (
        "azaion data export DIR",
        "azaion data export DIR --format coco --seed",
        "azaion data export DIR --dataset latest --link",
    ),
    "dataset verify": ("azaion dataset verify", "azaion dataset verify 3fa4c1 --json"),
    "train": ("azaion train --wait", "azaion train epochs=100 imgsz=640 --wait"),
    "jobs list": ("azaion jobs list", "azaion jobs list --json | jq '.runs[-1].hardware'"),
    "models list": ("azaion models list", "azaion models list --json | jq '.models[0]'"),
    "models lineage": ("azaion models lineage 3fa4c1",),
    "models get": ("azaion models get latest", "azaion models get 3fa4c1 --target onnx --save model.onnx"),
    "devices list": ("azaion devices list", "azaion devices list --json | jq '.devices[0]'"),
    "export": ("azaion export latest --target onnx imgsz=960 --wait",),
    "publish": ("azaion publish latest --wait",),
    "infer": (
        "azaion infer video.mp4 --save out.mp4 --lines out.jsonl",
        "azaion infer rtsp://camera/stream --lines found.jsonl --every 2",
        "azaion infer pictures/ --model model.onnx --confidence 0.4 --json",
    ),
    "doctor": ("azaion doctor", "azaion doctor --json && echo sound"),
    "settings": ("azaion settings", "azaion settings trainer", "azaion settings --json"),
    "dead-letters requeue": ("azaion dead-letters requeue --all --reason class_unknown",),
    "blobs verify": (
        "azaion blobs verify",
        "azaion blobs verify --heal",
        "azaion blobs verify --json | jq .rotten",
    ),
    "backup": ("azaion backup /backups/today", "azaion backup /backups/today --no-secrets --json"),
    "gc": ("azaion gc --dry-run", "azaion gc", "azaion gc --rejected-days 7 --json"),
    "replay": ("azaion replay ingestor",),
    "run": ("azaion run augmentor",),
    "setup": ("azaion setup", "azaion setup --json"),
}
"""Lines to copy, per command; the empty name is the program itself."""


def sections_of(installed: list[str]) -> list[Section]:
    """The sections with what is installed; what none of them knows comes last, without a summary."""
    known = {name for section in SECTIONS for name in section.summaries}
    shown = [
        Section(section.title, {name: text for name, text in section.summaries.items() if name in installed})
        for section in SECTIONS
    ]
    others = Section(OTHER, dict.fromkeys(sorted(set(installed) - known), ""))
    return [section for section in [*shown, others] if section.summaries]


def examples_of(path: str) -> str:
    """The examples of a command as its help ends with them; empty when there are none."""
    lines = EXAMPLES.get(path, ())
    # \b keeps the help's formatter from filling the lines into one paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
