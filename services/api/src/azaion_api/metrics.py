"""What the API counts."""

from __future__ import annotations

from prometheus_client import Counter

REQUESTS = Counter("azaion_api_requests", "Answered requests", ["method", "route", "status"])
LOGINS = Counter("azaion_api_logins", "Login attempts by outcome", ["outcome"])
UPLOADED_BYTES = Counter("azaion_api_uploaded_bytes", "Bytes of new resources")
