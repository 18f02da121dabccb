"""What the report page promises: one sound file, everything on it, and names that stay names."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_demo.report import write_report
from azaion_demo.run import Outcome

Make = Callable[..., Outcome]

SECTIONS = {
    "loop", "pictures", "quarantine", "split", "training", "accuracy", "parity", "package", "lineage", "video",
    "timings", "next",
}  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input"}
LIMIT_BYTES = 25_000_000
ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    @property
    def references(self) -> list[str]:
        return [
            value or ""
            for _, attributes in self.elements
            for name, value in attributes.items()
            if name in {"src", "href", "poster", "action", "srcset", "data"}
        ]

    @property
    def sections(self) -> set[str]:
        return {attributes.get("id") or "" for tag, attributes in self.elements if tag == "section"}


async def written(outcome: Outcome) -> Page:
    return Page((await write_report(outcome)).read_text(encoding="utf-8"))


async def test_the_report_is_one_file_with_everything_in_it(make: Make) -> None:
    """All sections are there, and nothing is fetched from anywhere."""
    outcome = make()
    path = await write_report(outcome)
    text = path.read_text(encoding="utf-8")
    page = Page(text)

    assert path == outcome.home / "results" / "report.html"
    assert page.sections == SECTIONS
    assert page.references
    assert all(reference.startswith("data:") for reference in page.references)
    assert "url(" not in text
    assert "@import" not in text
    assert text.startswith("<!DOCTYPE html>")
    assert path.stat().st_size < LIMIT_BYTES


async def test_the_report_says_on_what_the_model_was_trained(make: Make) -> None:
    """The device and its name."""
    assert "on the GPU 0 (NVIDIA Test)" in (await written(make())).text


@pytest.mark.parametrize(
    "story",
    [
        pytest.param({"classes": ("cell",)}, id="one class"),
        pytest.param(
            {"classes": tuple(f"kind {number}" for number in range(60)), "conditions": ("Norm",)},
            id="many classes",
        ),
        pytest.param({"detections_per_frame": 0}, id="nothing found"),
        pytest.param({"folder_source": True, "truth": False}, id="folder as source"),
        pytest.param({"epochs": 1}, id="one epoch"),
        pytest.param({"epochs": 0}, id="no epoch measured"),
        pytest.param({"names": ("x" * 128, *"abcde")}, id="long name"),
        pytest.param({"quarantined": tuple((f"p{number}", "cut") for number in range(40))}, id="quarantined"),
    ],
)
async def test_unusual_loops_have_a_whole_page(make: Make, story: dict[str, Any]) -> None:
    """However a loop went, its page has every section and is well-formed."""
    page = await written(make(**story))

    assert page.sections == SECTIONS
    assert all(reference.startswith("data:") for reference in page.references)


async def test_names_are_text_and_never_markup(make: Make) -> None:
    """What others called their pictures and classes is shown as it is and does nothing."""
    outcome = make(
        classes=(ATTACK, "car"), names=(ATTACK, *"abcde"), quarantined=((ATTACK, ATTACK),), folder_source=True
    )
    page = await written(outcome)

    assert ATTACK in page.text
    assert not {"script", "img", "iframe"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


async def test_a_large_video_stays_beside_the_page(make: Make) -> None:
    """A film of more than 12 MB is linked by its name, so that the page stays small."""
    outcome = make(video_padding_bytes=30_000_000)
    path = await write_report(outcome)
    page = Page(path.read_text(encoding="utf-8"))

    (link,) = (reference for reference in page.references if not reference.startswith("data:"))
    assert (path.parent / link) == outcome.video
    assert "video" not in {tag for tag, _ in page.elements}
    assert path.stat().st_size < LIMIT_BYTES


async def test_a_small_video_is_in_the_page(make: Make) -> None:
    """The annotated video plays without any other file."""
    page = await written(make())

    (video,) = (attributes for tag, attributes in page.elements if tag == "video")
    assert (video["src"] or "").startswith("data:video/mp4;base64,")


async def test_the_page_says_what_was_measured(make: Make) -> None:
    """Figures, digests and reasons on the page are those of the events."""
    outcome = make(quarantined=(("torn.jpg", "the picture ends too early"),))
    page = await written(outcome)

    for said in (
        "0.834",
        "0.512",
        "143 of 143",
        "0123456789abcdef",
        "torn.jpg",
        "the picture ends too early",
    ):
        assert said in page.text
    digests = {attributes.get("title") for tag, attributes in page.elements if tag == "code"}
    dataset, published = outcome.state.dataset, outcome.state.published
    assert dataset is not None
    assert published is not None
    assert {dataset.dataset_id, published.package_sha256, published.small.sha256} <= digests


async def test_sample_pictures_carry_a_box_per_label(make: Make) -> None:
    """Three pictures of the train side, eight copies each, three labels each."""
    page = await written(make())

    boxes = [attributes for tag, attributes in page.elements if attributes.get("class") == "box"]
    assert len(boxes) == 3 * 8 * 3


async def test_a_loop_without_an_end_has_no_report(make: Make) -> None:
    """Nothing is written before the release is published."""
    outcome = make()
    outcome.state.published = None

    with pytest.raises(PermanentError, match="demo_incomplete"):
        await write_report(outcome)

    assert not (outcome.home / "results" / "report.html").exists()


async def test_without_a_video_the_page_says_so(make: Make) -> None:
    """A video that somebody removed does not keep the report away."""
    outcome = make()
    outcome.video.unlink()

    assert "No annotated video was written." in (await written(outcome)).text


def test_the_template_is_found_where_the_package_is() -> None:
    """Template and style sheet travel with the package."""
    folder = Path(__import__("azaion_demo.report", fromlist=["page"]).__file__ or "").parent

    assert {"template.html", "style.css"} <= {path.name for path in folder.iterdir()}
