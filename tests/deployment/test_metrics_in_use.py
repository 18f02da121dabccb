"""Metrics, dashboards and alerts fit together."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import make_dashboards
import pytest
from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[2]

UNUSED: dict[str, str] = {}
"""Metrics that no dashboard and no alert uses, and why they are there."""
_MODULES = [
    "azaion_common.platform.ledger.metrics",
    "azaion_common.platform.runtime.http_server",
    "azaion_common.platform.storage.counting",
    *(
        f"azaion_{name}.metrics"
        for name in ("api", "augmentor", "exporter", "inferencer", "ingestor", "publisher", "trainer")
    ),
]
_NAME = re.compile(r"\bazaion_[a-z0-9_]+")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every name under which one of our metrics has series."""
    for module in _MODULES:
        import_module(module)
    names = set()
    for family in REGISTRY.collect():
        if family.name.startswith("azaion_"):
            names.add(
                {"counter": f"{family.name}_total", "histogram": f"{family.name}_bucket"}.get(
                    family.type, family.name
                )
            )
    return names


@pytest.fixture(scope="module")
def used() -> set[str]:
    expressions = [expression for _, _, expression in make_dashboards.queries()]
    return set(_NAME.findall(" ".join(expressions) + (ROOT / "deploy/prometheus/alerts.yml").read_text()))


def test_dashboards_and_alerts_ask_for_metrics_that_exist(known: set[str], used: set[str]) -> None:
    """A renamed metric does not leave an empty panel behind."""
    assert used - known == set()


def test_every_metric_is_looked_at(known: set[str], used: set[str]) -> None:
    """Nothing is counted for nobody."""
    assert known - used == UNUSED.keys()


def test_the_dashboards_are_those_of_the_code() -> None:
    """Nobody edits the files that `make dashboards` writes."""
    for name, dashboard in make_dashboards.DASHBOARDS.items():
        written = json.loads((make_dashboards.FOLDER / f"{name}.json").read_text())
        assert written == json.loads(json.dumps(make_dashboards.as_json(dashboard))), "run `make dashboards`"
    assert {path.stem for path in make_dashboards.FOLDER.iterdir()} == make_dashboards.DASHBOARDS.keys()


@pytest.mark.parametrize("name", make_dashboards.DASHBOARDS)
def test_every_panel_explains_itself_and_none_overlap(name: str) -> None:
    """Somebody who sees a panel for the first time reads what it shows; panels lie side by side."""
    panels = make_dashboards.as_json(make_dashboards.DASHBOARDS[name])["panels"]
    cells = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]

    assert all(len(each["description"]) > 20 for each in panels if each["type"] != "row")
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < make_dashboards.WIDTH
