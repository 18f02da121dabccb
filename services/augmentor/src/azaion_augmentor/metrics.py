"""Counters of the augmentor."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PICTURES = Counter("azaion_augmentor_pictures_total", "Pictures multiplied", ["reason"])
CRASHES = Counter("azaion_augmentor_worker_crashes_total", "Worker processes that died or hung at work")
SECONDS = Histogram(
    "azaion_augmentor_picture_seconds",
    "Time in a worker for one picture and all its variants",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
VIEWS_DUE = Gauge("azaion_augmentor_views_due", "Pictures whose files in data-processed/ are not up to date")
REFUSED = Counter(
    "azaion_augmentor_reconcile_refused_total",
    "Known pictures that could not be multiplied again",
    ["reason"],
)

for why in ("saved", "recipe"):
    PICTURES.labels(why)  # 0 until there is one
REFUSED.labels("blob_missing")
