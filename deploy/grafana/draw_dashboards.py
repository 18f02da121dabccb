"""Draw the dashboards from a running Prometheus, one PNG each: to look at them where there is no Grafana, and for the docs.

Needs matplotlib, which the ultralytics toolchain has:

    toolchains/ultralytics/.venv/bin/python deploy/grafana/draw_dashboards.py --minutes 10 DIRECTORY
"""

from __future__ import annotations

import argparse
import json
import re
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import make_dashboards
import matplotlib as mpl

mpl.use("agg")
from matplotlib import dates, ticker
from matplotlib import pyplot as plt

POINTS = 200
_HEAD = 2
"""Rows of the grid above the first panel, for the title."""
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_SCALES = {
    "bytes": (1 << 20, "MiB"),
    "Bps": (1 << 20, "MiB/s"),
    "percentunit": (0.01, "%"),
    "s": (1, "s"),
    "ops": (1, "1/s"),
    "short": (1, ""),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, dashboard in make_dashboards.DASHBOARDS.items():
        path = options.folder / f"{name}.png"
        draw(dashboard, path, options.prometheus, options.minutes * 60)
        print(path)


def draw(dashboard: make_dashboards.Dashboard, path: Path, prometheus: str, seconds: float) -> None:
    """Every panel where Grafana has it, by the same queries."""
    laid_out = make_dashboards.as_json(dashboard)["panels"]
    height = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in laid_out) + _HEAD
    figure = plt.figure(figsize=(16, height * 0.33))
    figure.text(0.01, 1 - 0.9 / height, dashboard.title, fontsize=15, weight="bold")
    figure.text(0.01, 1 - 1.6 / height, dashboard.description, fontsize=10)
    panels = iter(panel for row in dashboard.rows for panel in row.panels)
    for each in laid_out:
        left, top, wide, high = (each["gridPos"][side] for side in "xywh")
        bottom = 1 - (top + high + _HEAD) / height
        if each["type"] == "row":
            figure.text(0.01, bottom + 0.2 / height, each["title"], fontsize=12, weight="bold", color="0.35")
            continue
        place = (left / 24 + 0.03, bottom + 1.2 / height, wide / 24 - 0.045, (high - 2.4) / height)
        draw_panel(figure.add_axes(place), next(panels), prometheus, seconds)
    figure.savefig(path, dpi=65)
    plt.close(figure)


def draw_panel(axis: Any, panel: make_dashboards.Panel, prometheus: str, seconds: float) -> None:
    factor, unit = _SCALES[panel.unit]
    axis.set_title(f"{panel.title}{f' [{unit}]' if unit else ''}", fontsize=10, loc="left")
    series = [
        (legend(query, each["metric"]), each)
        for query in panel.queries
        for each in ask(prometheus, query.expr, seconds)
    ]
    if panel.kind != "timeseries":
        axis.axis("off")
        texts = [shown(panel, label, each, factor) for label, each in series[:6]]
        axis.text(
            0.02, 0.5, "\n".join(texts) or "no data", fontsize=20 if panel.kind == "stat" else 8, va="center"
        )
        return
    for label, each in series:
        points = [(dates.date2num(time_of(at)), float(number) / factor) for at, number in each["values"]]
        axis.plot(*zip(*points, strict=True), label=label, linewidth=1.5)
    axis.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axis.xaxis.set_major_locator(ticker.MaxNLocator(5))
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    if series:
        axis.legend(fontsize=6, loc="upper left", ncols=2)


def shown(panel: make_dashboards.Panel, label: str, series: dict[str, Any], factor: float) -> str:
    if panel.kind == "table":
        wanted = ("component", "model", "release")
        return "  ".join(f"{name} {series['metric'][name]}" for name in wanted if name in series["metric"])
    return f"{float(series['values'][-1][1]) / factor:g}"


def legend(query: make_dashboards.Query, labels: dict[str, str]) -> str:
    return _LABEL.sub(lambda found: labels.get(found[1], ""), query.legend).strip() or "value"


def time_of(at: float) -> Any:
    return datetime.fromtimestamp(at, tz=UTC)


def ask(prometheus: str, expression: str, seconds: float) -> list[dict[str, Any]]:
    """The series of ``expression`` over the last ``seconds``."""
    now = time.time()
    step = max(5.0, seconds / POINTS)
    text = {
        "query": expression.replace("$__rate_interval", "1m"),
        "start": now - seconds,
        "end": now,
        "step": step,
    }
    url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(text)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


if __name__ == "__main__":
    main()
