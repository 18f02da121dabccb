"""What the publisher counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PUBLICATIONS = Counter("azaion_publisher_publications", "Publications that ended", ["target", "outcome"])
PUBLISH_SECONDS = Histogram(
    "azaion_publisher_publish_seconds", "Time from job to proof", ["target"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300),
)  # fmt: skip
RELEASE = Gauge("azaion_publisher_release", "Number of the newest release")
API_RETRIES = Counter("azaion_publisher_api_retries", "Calls to the API that had to be repeated", ["reason"])

PUBLICATIONS.labels("onnx", "published")  # 0 until there is one: a rise can only be seen from a number
PUBLISH_SECONDS.labels("onnx")
API_RETRIES.labels("ConnectError")
