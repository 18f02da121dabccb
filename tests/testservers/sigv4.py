"""AWS Signature Version 4 from the server's side, after the public description of how requests are signed.

Written without a look at any client, so that both agree only when both are right.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
MOST_SKEW_S = 15 * 60
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/]+)/(?P<date>\d{{8}})/(?P<region>[^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Signed:
    """A request as it came over the wire; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


def complaint(
    request: Signed, access_key: str, secret_key: str, now: datetime | None = None
) -> tuple[int, str] | None:
    """Status and code that S3 would refuse the request with; None when its signature is right."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if not found:
        return 403, "AccessDenied"
    if found["key"] != access_key:
        return 403, "InvalidAccessKeyId"
    moment = request.headers.get("x-amz-date", "")
    if not moment.startswith(found["date"]) or _skew_s(moment, now) > MOST_SKEW_S:
        return 403, "RequestTimeTooSkewed"
    if request.headers.get("x-amz-content-sha256") != hashlib.sha256(request.body).hexdigest():
        return 400, "XAmzContentSHA256Mismatch"
    names = found["headers"].split(";")
    if not _must_be_signed(request.headers) <= set(names):
        return 403, "AccessDenied"
    expected = signature(request, names, secret_key, found["region"])
    return None if hmac.compare_digest(expected, found["signature"]) else (403, "SignatureDoesNotMatch")


def signature(request: Signed, names: Sequence[str], secret_key: str, region: str) -> str:
    """The signature over the headers in ``names``."""
    moment = request.headers["x-amz-date"]
    scope = (moment[:8], region, "s3", "aws4_request")
    text = "\n".join((ALGORITHM, moment, "/".join(scope), _sha256(_canonical(request, names))))
    key = f"AWS4{secret_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(request: Signed, names: Sequence[str]) -> str:
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names)
    return "\n".join(
        (
            request.method,
            quote(unquote(path), safe="/-_.~"),
            _canonical_query(query),
            headers,
            ";".join(names),
            request.headers["x-amz-content-sha256"],
        )
    )


def _canonical_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    encoded = ((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _must_be_signed(headers: Mapping[str, str]) -> set[str]:
    return {"host", *(name for name in headers if name.startswith("x-amz-"))}


def _skew_s(moment: str, now: datetime | None) -> float:
    try:
        sent = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return float("inf")
    return abs(((now or datetime.now(UTC)) - sent).total_seconds())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
