"""The dashboards as code: writes ``dashboards/*.json`` (Grafana schema 41). Change this file, then `make dashboards`.

Each panel says in its description what it shows and when to worry, for somebody who sees it for the first time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Query:
    """PromQL, and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture: lines over time, a number, or a table."""

    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    warn_at: float | None = None
    """From which value on a number is red."""
    most: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row] = field(default_factory=tuple)


def number(title: str, description: str, expr: str, **options: Any) -> Panel:
    return Panel(title, description, [Query(expr)], kind="stat", width=4, height=4, **options)


def p(quantile: float, metric: str, by: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket[{RATE}])))"


PIPELINE = Dashboard(
    "azaion-pipeline",
    "Azaion: the pipeline at a glance",
    "Is everything running, does it keep up, has anything been refused?",
    [
        Row(
            "Now",
            [
                number(
                    "Services up",
                    "Processes that answer Prometheus. One per service, more where there are replicas.",
                    'sum(up{job="azaion"})',
                ),
                number(
                    "Alerts",
                    "Alerts that fire now; Alertmanager has their texts and what to do.",
                    'count(ALERTS{alertstate="firing"}) or vector(0)',
                    warn_at=1,
                ),
                number(
                    "Dead letters",
                    "Messages that were refused and that nobody has looked after: azaion dead-letters list.",
                    "sum(azaion_dead_letters_open)",
                    warn_at=1,
                ),
                number(
                    "Furthest behind",
                    "Messages that the slowest reader still has before it.",
                    "max(azaion_stream_lag_messages)",
                    warn_at=1000,
                ),
                number(
                    "Not sent yet",
                    "Events that services owe to others. Stays above 0 only while the broker is away.",
                    "sum(azaion_outbox_unsent)",
                    warn_at=1000,
                ),
                number(
                    "Newest release",
                    "Number of the model that was published last.",
                    "max(azaion_publisher_release)",
                ),
            ],
        ),
        Row(
            "Flow",
            [
                Panel(
                    "Messages handled",
                    "Per second and service. A flat line while pictures come in means that a service hangs.",
                    [Query(f"sum by (service) (rate(azaion_messages_total[{RATE}]))", "{{service}}")],
                    "ops",
                ),
                Panel(
                    "Behind",
                    "Messages of each stream that a service has not handled yet. It should return to 0 after a burst.",
                    [
                        Query(
                            "max by (service, stream) (azaion_stream_lag_messages)", "{{service}} {{stream}}"
                        )
                    ],
                ),
                Panel(
                    "Refused",
                    "Messages put into quarantine per second. Each has a reason: azaion dead-letters list.",
                    [
                        Query(
                            f'sum by (service) (rate(azaion_messages_total{{outcome="quarantined"}}[{RATE}]))',
                            "{{service}}",
                        )
                    ],
                    "ops",
                ),
                Panel(
                    "Time to handle a batch",
                    "95th percentile, preparing and storing included.",
                    [Query(p(0.95, "azaion_handler_seconds", "service"), "{{service}}")],
                    "s",
                ),
                Panel(
                    "Events waiting to be sent",
                    "Outbox of each service. Nothing in it is lost when a process dies.",
                    [Query("max by (service) (azaion_outbox_unsent)", "{{service}}")],
                ),
                Panel(
                    "Jobs done",
                    "Trainings, exports and publications per hour, by how they ended.",
                    [
                        Query(
                            "round(sum by (queue, outcome) (increase(azaion_jobs_total[1h])))",
                            "{{queue}} {{outcome}}",
                        )
                    ],
                ),
            ],
        ),
        Row(
            "Machines",
            [
                Panel(
                    "Memory",
                    "Resident memory of each service's main process.",
                    [Query('process_resident_memory_bytes{job="azaion"}', "{{component}}")],
                    "bytes",
                ),
                Panel(
                    "Processor",
                    "Cores that each service's main process uses. Training and augmenting run in child processes.",
                    [Query(f'rate(process_cpu_seconds_total{{job="azaion"}}[{RATE}])', "{{component}}")],
                ),
                Panel(
                    "Disk for the broker",
                    "Free space where RabbitMQ keeps its streams. Below its limit (2 GB) it takes no messages, and services wait.",
                    [Query("rabbitmq_disk_space_available_bytes", "free")],
                    "bytes",
                ),
                Panel(
                    "Memory of the broker",
                    "Used by RabbitMQ. Above its limit (0.6 of the container's) it takes no messages, and services wait.",
                    [Query("rabbitmq_process_resident_memory_bytes", "used")],
                    "bytes",
                ),
                Panel(
                    "Open files",
                    "Of each service; a line that only rises is a leak.",
                    [Query('process_open_fds{job="azaion"}', "{{component}}")],
                ),
                Panel(
                    "Since its start",
                    "Time since each process started; a saw-tooth is a service that keeps dying.",
                    [Query('time() - process_start_time_seconds{job="azaion"}', "{{component}}")],
                    "s",
                ),
            ],
        ),
    ],
)

DATA = Dashboard(
    "azaion-data",
    "Azaion: data",
    "What has come in, what became of it, and what augmentation makes of it.",
    [
        Row(
            "Pictures",
            [
                Panel(
                    "Pictures by state",
                    "data: checked by a validator; data-seed: drawn by an operator; data_deleted: taken back.",
                    [Query("sum by (state) (azaion_ingestor_pictures)", "{{state}}")],
                    stacked=True,
                    width=12,
                ),
                Panel(
                    "Changes",
                    "Events about pictures per second.",
                    [Query(f"sum by (type) (rate(azaion_ingestor_events_total[{RATE}]))", "{{type}}")],
                    "ops",
                    width=12,
                ),
                Panel(
                    "Names that were refused",
                    "In messages about many pictures, per minute: unknown or already deleted.",
                    [
                        Query(
                            f"sum by (reason) (rate(azaion_ingestor_names_refused_total[{RATE}])) * 60",
                            "{{reason}}",
                        )
                    ],
                ),
                Panel(
                    "Seen by the trainer",
                    "Events about pictures that the trainer has taken in, per second.",
                    [Query(f"sum by (type) (rate(azaion_trainer_picture_events_total[{RATE}]))", "{{type}}")],
                    "ops",
                ),
                Panel(
                    "Files to bring up to date",
                    "Pictures whose files in data/ and its kin are behind; 0 where nothing is shown as files.",
                    [
                        Query("sum(azaion_ingestor_views_due)", "data/"),
                        Query("sum(azaion_augmentor_views_due)", "data-processed/"),
                    ],
                ),
            ],
        ),
        Row(
            "Augmentation",
            [
                Panel(
                    "Images made",
                    "Per second: each picture becomes itself and seven variants.",
                    [Query(f"sum(rate(azaion_augmentor_pictures_total[{RATE}])) * 8", "images")],
                    "ops",
                ),
                Panel(
                    "Time for one picture",
                    "In a worker, for the picture and all its variants.",
                    [
                        Query(p(0.5, "azaion_augmentor_picture_seconds", "job"), "median"),
                        Query(p(0.95, "azaion_augmentor_picture_seconds", "job"), "95th percentile"),
                    ],
                    "s",
                ),
                Panel(
                    "Trouble",
                    "Workers that died or hung, and pictures that could not be multiplied again after a change of recipe, per hour.",
                    [
                        Query("sum(increase(azaion_augmentor_worker_crashes_total[1h]))", "crashes"),
                        Query(
                            "sum by (reason) (increase(azaion_augmentor_reconcile_refused_total[1h]))",
                            "refused {{reason}}",
                        ),
                    ],
                ),
            ],
        ),
        Row(
            "Stores",
            [
                Panel(
                    "Blobs",
                    "Bytes written to and read from the blob store per second.",
                    [
                        Query(
                            f"sum by (component, direction) (rate(azaion_blob_bytes_total[{RATE}]))",
                            "{{component}} {{direction}}",
                        )
                    ],
                    "Bps",
                ),
                Panel(
                    "Time for one blob",
                    "95th percentile. It rises with the disk's or the network's load.",
                    [Query(p(0.95, "azaion_blob_seconds", "direction"), "{{direction}}")],
                    "s",
                ),
                Panel(
                    "The log",
                    "Streams that are halted (1), read again from their beginning, and events sent again because the broker had lost them.",
                    [
                        Query(
                            "max by (service, stream) (azaion_stream_halted)", "halted {{service}} {{stream}}"
                        ),
                        Query("sum(increase(azaion_stream_rewinds_total[1h]))", "read again"),
                        Query("sum(increase(azaion_outbox_resent_total[1h]))", "sent again"),
                    ],
                ),
            ],
        ),
    ],
)

TRAINING = Dashboard(
    "azaion-training",
    "Azaion: training",
    "The running training, the champion, and its way out: export, comparison, publication.",
    [
        Row(
            "The running training",
            [
                Panel(
                    "Progress",
                    "Epochs done, and how many there will be; 0 while nothing trains.",
                    [Query("max(azaion_trainer_epoch)", "done"), Query("max(azaion_trainer_epochs)", "of")],
                ),
                Panel(
                    "Losses",
                    "Of the training side; each should fall.",
                    [Query("max by (part) (azaion_trainer_loss)", "{{part}}")],
                ),
                Panel(
                    "Quality",
                    "On the validation side, after each epoch that was measured.",
                    [Query("max by (metric) (azaion_trainer_quality_ratio)", "{{metric}}")],
                    "percentunit",
                    most=1,
                ),
                Panel(
                    "GPU memory",
                    "Reserved at most by the running training; 0 on the processor.",
                    [Query("max(azaion_trainer_gpu_memory_bytes)", "reserved")],
                    "bytes",
                    width=8,
                ),
                Panel(
                    "Hardware",
                    "What the newest training ran on: the number of a GPU, or cpu, and its name.",
                    [Query("max by (device, name) (azaion_trainer_hardware_info)", "{{device}}: {{name}}")],
                    width=8,
                ),
                Panel(
                    "Time spent training",
                    "Seconds of training per hour, over all runs.",
                    [Query("sum(increase(azaion_trainer_train_seconds_total[1h]))", "training")],
                    "s",
                    width=8,
                ),
            ],
        ),
        Row(
            "The champion",
            [
                number(
                    "Champion's mAP50-95",
                    "On its test side, when it was promoted.",
                    "max(azaion_trainer_champion_map50_95)",
                    unit="percentunit",
                ),
                Panel(
                    "Runs",
                    "Per day, by outcome: rejected is a model that did not beat the champion.",
                    [
                        Query(
                            "round(sum by (outcome) (increase(azaion_trainer_runs_total[1d])))",
                            "{{outcome}}",
                        )
                    ],
                    width=10,
                ),
                Panel(
                    "Champion over time",
                    "mAP50-95 of the champion.",
                    [Query("max(azaion_trainer_champion_map50_95)", "mAP50-95")],
                    "percentunit",
                    width=10,
                    most=1,
                ),
            ],
        ),
        Row(
            "Out of the building",
            [
                Panel(
                    "Exports",
                    "Per day, by target and outcome. Anything but exported has not left.",
                    [
                        Query(
                            "round(sum by (target, outcome) (increase(azaion_exporter_exports_total[1d])))",
                            "{{target}} {{outcome}}",
                        )
                    ],
                ),
                Panel(
                    "Comparison with the checkpoint",
                    "Worst overlap of boxes (1 is the same) and worst difference of scores (0 is the same) of the last export.",
                    [
                        Query("min by (target) (azaion_exporter_parity_min_iou)", "{{target}} overlap"),
                        Query(
                            "max by (target) (azaion_exporter_parity_max_score_difference)",
                            "{{target}} difference",
                        ),
                    ],
                ),
                Panel(
                    "Time for an export",
                    "Comparison included, 95th percentile over a day.",
                    [
                        Query(
                            "histogram_quantile(0.95, sum by (le, target) (increase(azaion_exporter_export_seconds_bucket[1d])))",
                            "{{target}}",
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Publications",
                    "Per day, by target and outcome: anything but published has not left.",
                    [
                        Query(
                            "round(sum by (target, outcome) (increase(azaion_publisher_publications_total[1d])))",
                            "{{target}} {{outcome}}",
                        )
                    ],
                ),
                Panel(
                    "Time for a publication",
                    "Sealing, upload and reading back, 95th percentile over a day.",
                    [
                        Query(
                            "histogram_quantile(0.95, sum by (le, target) (increase(azaion_publisher_publish_seconds_bucket[1d])))",
                            "{{target}}",
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Repeated calls",
                    "Calls of the publisher to the API that had to be repeated, per hour.",
                    [
                        Query(
                            "sum by (reason) (increase(azaion_publisher_api_retries_total[1h]))",
                            "{{reason}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)

EDGE = Dashboard(
    "azaion-edge",
    "Azaion: edge",
    "What devices see and how fast, which model they run, and the API that they fetch it from.",
    [
        Row(
            "Devices",
            [
                Panel(
                    "Serving model",
                    "One line per device that is scraped: model and release.",
                    [Query("azaion_inferencer_model_info")],
                    kind="table",
                    width=8,
                ),
                Panel(
                    "Frames",
                    "Per second, by fate. Skipped frames are those that --every leaves out.",
                    [Query(f"sum by (fate) (rate(azaion_inferencer_frames_total[{RATE}]))", "{{fate}}")],
                    "ops",
                ),
                Panel(
                    "Dropped frames",
                    "Per second, by reason: a frame that could not be decoded or came too late.",
                    [
                        Query(
                            f'sum by (reason) (rate(azaion_inferencer_frames_total{{fate="dropped"}}[{RATE}]))',
                            "{{reason}}",
                        ),
                        Query(
                            f"sum(rate(azaion_inferencer_lines_dropped_total[{RATE}]))",
                            "detections: no room on the disk",
                        ),
                    ],
                    "ops",
                ),
                Panel(
                    "Releases refused",
                    "Per day, by reason. Forged, unsigned or older ones: somebody else writes to the stream of models.",
                    [
                        Query(
                            "sum by (code) (increase(azaion_inferencer_releases_refused_total[1d]))",
                            "{{code}}",
                        ),
                    ],
                    "short",
                ),
                Panel(
                    "Time by stage",
                    "Median and 95th percentile. The slowest stage decides the frames per second.",
                    [
                        Query(p(0.5, "azaion_inferencer_stage_seconds", "stage"), "{{stage}} median"),
                        Query(p(0.95, "azaion_inferencer_stage_seconds", "stage"), "{{stage}} 95th"),
                    ],
                    "s",
                ),
                Panel(
                    "Detections",
                    "Per second and class.",
                    [
                        Query(
                            f"sum by (class_name) (rate(azaion_inferencer_detections_total[{RATE}]))",
                            "{{class_name}}",
                        )
                    ],
                    "ops",
                ),
                Panel(
                    "Frames with detections",
                    "Share of the inferred frames on which something was found.",
                    [
                        Query(
                            f"sum(rate(azaion_inferencer_frames_with_detections_total[{RATE}])) "
                            f'/ sum(rate(azaion_inferencer_frames_total{{fate="inferred"}}[{RATE}]))',
                            "share",
                        )
                    ],
                    "percentunit",
                    most=1,
                ),
            ],
        ),
        Row(
            "API",
            [
                Panel(
                    "Requests",
                    "Per second, by status: 2xx is well, 4xx is the caller's fault, 5xx is ours.",
                    [Query(f"sum by (status) (rate(azaion_api_requests_total[{RATE}]))", "{{status}}")],
                    "ops",
                ),
                Panel(
                    "Time to answer",
                    "95th percentile, by route.",
                    [Query(p(0.95, "azaion_api_request_seconds", "route"), "{{route}}")],
                    "s",
                ),
                Panel(
                    "Logins",
                    "Per minute, by outcome; many denied ones are somebody who tries passwords.",
                    [Query(f"sum by (outcome) (rate(azaion_api_logins_total[{RATE}])) * 60", "{{outcome}}")],
                ),
                Panel(
                    "Uploads",
                    "Bytes of new resources per hour.",
                    [Query("sum(increase(azaion_api_uploaded_bytes_total[1h]))", "bytes")],
                    "bytes",
                ),
                Panel(
                    "Connections cut",
                    "Per minute, by reason, of the API and of the small servers for probes: some are networks that break; "
                    "many are somebody who keeps connections open, or sends what is no HTTP.",
                    [
                        Query(
                            f"sum by (reason) (rate(azaion_http_cut_connections_total[{RATE}])) * 60",
                            "{{reason}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)

DASHBOARDS = {"pipeline": PIPELINE, "data": DATA, "training": TRAINING, "edge": EDGE}


def queries() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel and expression of every query."""
    for name, dashboard in DASHBOARDS.items():
        for row in dashboard.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield name, panel.title, query.expr


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """As Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["azaion"],
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "tags": ["azaion"],
                "title": "Azaion",
                "asDropdown": False,
                "keepTime": True,
            }
        ],
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": list(_panels(dashboard.rows)),
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number_, top = 1, 0
    for row in rows:
        yield {
            "id": number_,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }
        number_, top, left, tallest = number_ + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top, tallest = 0, top + tallest, 0
            yield _panel(panel, number_, left, top)
            number_, left, tallest = number_ + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, number_: int, left: int, top: int) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": panel.kind != "timeseries",
            "range": panel.kind == "timeseries",
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for index, query in enumerate(panel.queries)
    ]
    return {
        "id": number_,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        "transformations": _MODEL_COLUMNS if panel.kind == "table" else [],
        "targets": targets,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warn_at is not None:
        steps.append({"color": "red", "value": panel.warn_at})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        mode = "normal" if panel.stacked else "none"
        defaults["custom"] = {
            "lineWidth": 2,
            "fillOpacity": 10,
            "showPoints": "never",
            "stacking": {"mode": mode, "group": "A"},
        }
    return defaults


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        "colorMode": "value",
        "graphMode": "area",
    },
    "table": {"showHeader": True},
}
_MODEL_COLUMNS = [
    {
        "id": "organize",
        "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True, "job": True}},
    }
]


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, dashboard in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(
            json.dumps(as_json(dashboard), indent=1, ensure_ascii=False) + "\n"
        )
        sys.stdout.write(f"{FOLDER / name}.json\n")


if __name__ == "__main__":
    main()
