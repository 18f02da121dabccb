"""The loop as users run it: commands and one process with every service, on a home of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looptest.digest import outcome
from looptest.drawing import draw_folder
from looptest.evidence import DATASETS, MODELS, Evidence, torn_blobs, unbalanced
from looptest.program import azaion, new_home, refusal, running, succeed, wait_until
from looptest.released import Released

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]


def test_pictures_become_one_release(released: Released) -> None:
    """Each picture is stored and multiplied once; they make one dataset, one model, one export and one release."""
    evidence = released.evidence

    assert [state for _, state in evidence.pictures()] == ["data"] * 24
    assert len(evidence.view_files("data-processed")) == 24 * 8 * 2
    assert [event.type for event in evidence.events(DATASETS)].count("dataset.formed") == 1
    kinds = [event.type for event in evidence.events(MODELS)]
    told_once = {"training.started", "model.trained", "model.exported", "model.published"}
    assert {kind: kinds.count(kind) for kind in told_once} == dict.fromkeys(told_once, 1)
    assert not [kind for kind in kinds if kind.endswith(".failed")]
    assert released.trained["outcome"] == "trained"
    assert torn_blobs(evidence) == []


def test_the_books_balance(released: Released) -> None:
    """``azaion doctor`` shows every service with messages in = applied + quarantined + pending, nothing pending."""
    books = json.loads(succeed("doctor", "--json", home=released.home))

    streams = [stream for service in books["services"] for stream in service["streams"]]
    assert books["balanced"]
    assert sum(stream["messages_in"] for stream in streams) > 24 * 3
    assert [stream["pending"] for stream in streams] == [0] * len(streams)
    assert [service["outbox"] for service in books["services"]] == [0] * len(books["services"])
    assert unbalanced(released.evidence) == []


def test_the_release_runs_on_pictures_and_video(released: Released, tmp_path: Path) -> None:
    """``azaion infer`` fetches the newest release and writes one line a frame and an annotated video."""
    home = released.clone(tmp_path / "home")
    lines, film = tmp_path / "found.jsonl", tmp_path / "found.mp4"
    with running(home, "--only", "api"):
        on_pictures = summary(succeed("infer", released.pictures / "images", "--json", home=home))
        on_video = summary(
            succeed(
                "infer", released.video, "--every", "4", "--lines", lines, "--save", film, "--json",
                home=home,
            )
        )  # fmt: skip

    assert on_pictures["model_id"] == released.trained["model_id"]
    assert on_pictures["frames"]["inferred"] == 24
    assert (on_video["frames"]["read"], on_video["frames"]["inferred"]) == (40, 10)
    assert len(lines.read_text().splitlines()) == 10
    assert film.stat().st_size > 1000


def test_a_restart_does_nothing_again(released: Released) -> None:
    """After a restart, and the same import once more, ledgers, views, blobs and streams are what they were."""
    evidence = released.evidence
    before, messages = outcome(released.home), evidence.count("azaion-annotations")
    loads = len(evidence.events("azaion.devices", "model.loaded"))
    with running(released.home):
        again = json.loads(succeed("annotations", "import", released.pictures, "--json", home=released.home))
        wait_until(
            lambda: evidence.events("azaion.devices", "model.loaded")[loads:], "model in the inferencer"
        )
        wait_until(evidence.settled, "rest")

    assert (again["appended"], again["already_there"]) == (0, 24)
    assert evidence.count("azaion-annotations") == messages
    assert outcome(released.home) == before


def test_a_second_process_on_the_same_home_is_refused(tmp_path: Path) -> None:
    """Two processes would write one ledger: the second ends at once with ``already_running``, the first goes on."""
    home = new_home(tmp_path / "home")
    with running(home) as first:
        line, code = refusal(azaion("up", home=home))
        assert first.alive

    assert code == "already_running"
    assert str(home) in line


def test_new_pictures_and_new_releases_reach_a_running_inferencer(released: Released, tmp_path: Path) -> None:
    """A second training ends in a release or a rejection, and each newer release is served without a restart."""
    home = released.clone(tmp_path / "home")
    evidence = Evidence(home)
    succeed("annotations", "import", draw_folder(tmp_path / "more", 12, seed=2), home=home)
    with running(home) as up:
        wait_until(loaded(evidence, release=1, generation=up.generation), "first release in the inferencer")
        wait_until(lambda: len(evidence.of_type("batch.augmented")) == 36, "augmented pictures")
        second = json.loads(succeed("train", "--wait", "--json", "epochs=1", home=home))
        releases = await_verdict(evidence, second)

        exported = succeed("export", "latest", "imgsz=96", "--wait", home=home)
        published = succeed("publish", "latest", "--wait", home=home)
        wait_until(loaded(evidence, release=releases + 1, generation=up.generation), "newest release")

    assert "exported" in exported
    assert f"release {releases + 1}," in published
    assert [event.data["imgsz"] for event in evidence.events(MODELS, "model.published")][-1] == 96
    assert not evidence.events("azaion.devices", "model.load_failed")
    assert unbalanced(evidence) == []


def await_verdict(evidence: Evidence, second: dict[str, Any]) -> int:
    """Wait for what follows from the second training; the number of releases then."""
    if second["outcome"] == "trained":
        wait_until(lambda: len(evidence.of_type("model.published")) == 2, "second release")
        return 2
    rejected = evidence.of_type("model.rejected")
    assert [each["model_id"] for each in rejected] == [second["model_id"]]
    assert rejected[0]["champion_id"] == evidence.of_type("model.trained")[0]["model_id"]
    assert len(evidence.of_type("model.exported")) == 1
    return 1


def loaded(evidence: Evidence, *, release: int, generation: str) -> Callable[[], bool]:
    """Has the inferencer of the running process loaded ``release``? What a clone brings along counts too."""
    known = len(evidence.events("azaion.devices", "model.loaded")) if release == 1 else 0
    return lambda: any(
        event.data["release"] == release
        for event in evidence.events("azaion.devices", "model.loaded")[known:]
    )


def summary(stdout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found
