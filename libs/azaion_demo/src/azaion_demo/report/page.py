"""Writes the page: gathers, draws, fills the template, and puts the file in place whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from azaion_common.core.durable import make_folder, write_file
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import open_blobs
from azaion_demo.report import wording
from azaion_demo.report.charts import group_strip
from azaion_demo.report.evidence import Evidence, InferredFrame, gather_evidence
from azaion_demo.report.facts import facts_of
from azaion_demo.report.pictures import Thumbnail, inline_video, labelled_thumbnail, stills
from azaion_demo.report.sampling import FRAMES, evenly
from azaion_demo.run import Outcome

FILE_NAME = "report.html"
_COPY_PX, _STILL_PX, _HERO_PX = 400, 480, 960


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture with its variants."""

    name: str
    original: Thumbnail
    variants: tuple[Thumbnail, ...]


@dataclass(frozen=True, slots=True)
class Still:
    """A frame of the annotated video."""

    caption: str
    objects: int
    picture: Thumbnail


@dataclass(frozen=True, slots=True)
class Film:
    """The annotated video: ``uri`` None when it is too large for the page."""

    name: str
    size_bytes: int
    uri: str | None


async def write_report(outcome: Outcome) -> Path:
    """Write ``results/report.html`` in the home: one file, no request to anywhere.

    Raises:
        PermanentError: ``demo_incomplete`` before the loop's end; ``blob_missing``, ``blob_corrupt`` from the store.
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    async with open_blobs(outcome.home, PlatformSettings.load(outcome.home, "platform")) as blobs:
        evidence = await gather_evidence(outcome, blobs)
    page = await asyncio.to_thread(render, outcome, evidence)
    path = outcome.home / "results" / FILE_NAME
    await asyncio.to_thread(make_folder, path.parent)
    await asyncio.to_thread(write_file, path, page.encode())
    return path


def render(outcome: Outcome, evidence: Evidence) -> str:
    """The page as text."""
    fullest = sorted(evidence.frames, key=lambda frame: len(frame.detections))[-1:]
    return _environment().get_template("template.html").render(
        facts=facts_of(outcome, evidence),
        done=evidence.finished,
        certificate=evidence.certificate,
        strip=group_strip(evidence.group_sizes),
        samples=_samples(evidence),
        legend=_legend(evidence),
        hero=next(iter(_stills(outcome.video, [frame for frame in fullest if frame.detections], _HERO_PX)), None),
        stills=_stills(outcome.video, _chosen(evidence.frames), _STILL_PX),
        film=_film(outcome.video),
        frames=outcome.inference["frames"],
        shown="video" if outcome.material.video else "test pictures",
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("azaion_demo.report", ""),
        autoescape=True,  # names of pictures and classes are data of others
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        size=wording.size, short=wording.short, grouped=wording.grouped, count=wording.count
    )
    return environment


def _samples(evidence: Evidence) -> list[Sample]:
    return [
        Sample(
            copies[0].name,
            labelled_thumbnail(copies[0], evidence.catalogue, _COPY_PX),
            tuple(labelled_thumbnail(copy, evidence.catalogue, _COPY_PX) for copy in copies[1:]),
        )
        for copies in evidence.samples
    ]


def _legend(evidence: Evidence) -> list[tuple[str, str]]:
    """Name and colour of the classes in the sample pictures."""
    ids = {box.class_id for copies in evidence.samples for copy in copies for box in copy.boxes}
    return [(evidence.catalogue.entry(each).name, evidence.catalogue.colour(each)) for each in sorted(ids)]


def _chosen(frames: tuple[InferredFrame, ...]) -> list[InferredFrame]:
    with_detections = [frame for frame in frames if frame.detections]
    return evenly(with_detections or frames, FRAMES)


def _stills(video: Path, frames: list[InferredFrame], width: int) -> list[Still]:
    if not frames or not video.exists():
        return []
    pictures = stills(video, [frame.time_s for frame in frames], width)
    return [
        Still(frame.image or f"{frame.time_s:.1f} s", len(frame.detections), picture)
        for frame, picture in zip(frames, pictures, strict=False)
    ]


def _film(video: Path) -> Film | None:
    if not video.exists():
        return None
    return Film(video.name, video.stat().st_size, inline_video(video))
