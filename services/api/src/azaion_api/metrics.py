"""What the API counts."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter("azaion_api_requests", "Answered requests", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("azaion_api_request_seconds", "Time until an answer begins", ["route"])
LOGINS = Counter("azaion_api_logins", "Login attempts by outcome", ["outcome"])
UPLOADED_BYTES = Counter("azaion_api_uploaded_bytes", "Bytes of new resources")

for outcome in ("ok", "denied", "throttled"):
    LOGINS.labels(outcome)  # 0 until there is one: a rise can only be seen from a number
