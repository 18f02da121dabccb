"""What operators see of the loop: every panel of every dashboard, and one trace from annotation to published model."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import make_dashboards
import pytest
from looptest.collector import Collector
from looptest.drawing import draw_folder, draw_video
from looptest.evidence import Evidence
from looptest.program import TINY, log_of, new_home, running, succeed, wait_until
from testservers.processes import LOOPBACK, free_port
from testservers.prometheus import PrivatePrometheus, find_programs

PICTURES = 24
pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Watched:
    """A home whose loop went all the way under the eyes of a Prometheus and a collector of traces."""

    home: Path
    silent: list[str]
    """Queries of the dashboards without an answer."""
    collector: Collector


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    settings = {
        **TINY,
        "platform": {"metrics_port": port, "log_level": "debug"},
        "trainer": {**TINY["trainer"], "min_new_pictures": PICTURES, "quiet_s": 1},
        "inferencer": {"source": str(draw_video(folder / "clip.mp4", 40)), "confidence": 0.001},
    }
    home = new_home(folder / "home", settings)
    evidence = Evidence(home)
    programs = find_programs(lambda _: None)
    with (
        Collector() as collector,
        PrivatePrometheus(programs, [("azaion", f"{LOOPBACK}:{port}")]) as prometheus,
    ):
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint  # noqa: TID251 - for the child
        try:
            with running(home):
                succeed(
                    "annotations", "import", draw_folder(folder / "pictures", PICTURES, seed=1), home=home
                )
                wait_until(lambda: evidence.events("azaion.devices", "model.loaded"), "loaded model")
                silent = _settled(prometheus)
        finally:
            del os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]  # noqa: TID251
        yield Watched(home, silent, collector)
    shutil.rmtree(folder, ignore_errors=True)


def _settled(prometheus: PrivatePrometheus) -> list[str]:
    """The queries that stay without an answer; those on the broker's own metrics are for the rehearsal of the containers."""
    asked = [expr for _, _, expr in make_dashboards.queries() if "rabbitmq_" not in expr]
    silent = asked

    def all_answer() -> bool:
        nonlocal silent
        silent = [expr for expr in silent if not prometheus.query(expr)]
        return not silent

    try:
        wait_until(all_answer, "answers", 40)
    except AssertionError:
        return silent
    return []


def test_every_panel_shows_something(watched: Watched) -> None:
    """After one pass of the loop no query of any dashboard comes back empty from a real Prometheus."""
    assert watched.silent == []


def test_one_trace_leads_from_an_annotation_to_the_published_model(watched: Watched) -> None:
    """The spans of ingest, augmentation, training, export and publication hang together under one root."""
    published = [span for span in watched.collector.spans if span.name == "publisher publications"]
    assert [span.outcome for span in published] == ["done"]
    trace = {span.id: span for span in watched.collector.traces()[published[0].trace]}

    names, at = [], published[0]
    while at.parent:
        names.append(at.name)
        at = trace[at.parent]
    names.append(at.name)

    assert names[:5] == [
        "publisher publications",
        "publisher model.exported.v1",
        "exporter exports",
        "exporter model.trained.v1",
        "trainer trainings",
    ]
    assert names[5].startswith("trainer ")
    assert names[-1] == "ingestor azaion-annotations"
    assert "augmentor image.saved.v1" in {span.name for span in trace.values()}
    assert {span.outcome for span in trace.values()} <= {"applied", "passed_over", "done"}


def test_the_log_has_one_line_per_message_with_its_trace(watched: Watched) -> None:
    """Whoever has a line finds the trace, and the other way round; the event and the service stand in it."""
    lines = [
        line for line in log_of(watched.home) if '"message.applied"' in line and '"image.saved.v1"' in line
    ]
    traces = [re.search(r'"trace_id": "([0-9a-f]{32})"', line) for line in lines]

    assert len(lines) == 2 * PICTURES  # augmentor and trainer
    assert all('"event_id"' in line and '"service"' in line for line in lines)
    assert {found[1] for found in traces if found} <= watched.collector.traces().keys()
    assert all(traces)
