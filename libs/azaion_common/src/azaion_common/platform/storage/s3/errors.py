"""What servers, sockets and botocore say, as our own errors, and whether another try makes sense."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
from botocore import exceptions
from botocore.parsers import ResponseParserError

from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError

UNAVAILABLE = "store_unavailable"
CHANGED = "blob_changed"
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_RETRIED_CODES = frozenset(
    {
        "RequestTimeout",  # comes as 400
        "400",  # to a HEAD, whose answer cannot say more
        "ConditionalRequestConflict",  # two who write the same at once; comes as 409
        "OperationAborted",
        "IncompleteBody",  # what arrived there is not what was sent
        "BadDigest",
        "XAmzContentSHA256Mismatch",
    }
)
_DENIED_CODES = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"})
_LOST_CODES = frozenset({"NoSuchUpload", "InvalidPart"})
"""The server no longer has what it acknowledged: parts have to be sent anew, by another call."""
_FULL_CODES = frozenset({"QuotaExceeded", "XMinioStorageFull"})
_NO_CREDENTIALS = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)
_MESSAGE_CHARS = 200
_NOT_FOUND = 404


class Unfit(Exception):  # noqa: N818 - never leaves the package
    """An answer that is no proper one: cut short, without what S3 always sends, or about something else."""


class Redirected(Exception):  # noqa: N818 - never leaves the package
    """An answer that points elsewhere."""


FAILURES = (
    exceptions.ClientError,
    exceptions.BotoCoreError,
    ResponseParserError,
    aiohttp.ClientError,
    OSError,  # TimeoutError among them
    ValueError,  # dates and numbers that are none
    Unfit,
    Redirected,
)
"""What a request may end with."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How one try ended."""

    error: AzaionError
    again: bool = False
    after_s: float = 0.0
    """What the server asked for."""


def failure_of(error: Exception, doing: str) -> Failure:
    """What ``error`` means; ``doing`` completes "cannot …"."""
    if isinstance(error, exceptions.ClientError):
        return _answered(error, doing)
    if isinstance(error, exceptions.SSLError) and _is_untrusted(error):
        return Failure(
            SetupError("store_untrusted", _text(doing, error), hint="blobs_url: s3://…?ca=/path/ca.pem")
        )
    if isinstance(error, _NO_CREDENTIALS):
        return Failure(_denied(_text(doing, error)))
    if isinstance(error, exceptions.ParamValidationError):
        return Failure(PermanentError("store_refused", _text(doing, error)))
    if isinstance(error, Redirected):
        hint = "the server sends us elsewhere: check s3_endpoint_url and s3_region"
        return Failure(TransientError(UNAVAILABLE, _text(doing, error), hint=hint))
    return Failure(TransientError(UNAVAILABLE, _text(doing, error)), again=True)


def status_of(error: exceptions.ClientError) -> int:
    """The HTTP status that the server answered with."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: exceptions.ClientError) -> str:
    """S3's name for what is wrong; the status where an answer has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(error: exceptions.ClientError, doing: str) -> Failure:
    status, code = status_of(error), code_of(error)
    text = f"cannot {doing}: {status} {code}: {error.response.get('Error', {}).get('Message', '')}"
    text = text[: _MESSAGE_CHARS + len(doing)]
    if code in _FULL_CODES or status == 507:  # noqa: PLR2004 - Insufficient Storage
        hint = "free space; work goes on by itself"
        return Failure(TransientError("disk_full", text, hint=hint))
    if code in _LOST_CODES:
        return Failure(TransientError(UNAVAILABLE, text))
    if status in RETRIED_STATUSES or code in _RETRIED_CODES or _is_anothers(status, code):
        return Failure(TransientError(UNAVAILABLE, text), again=True, after_s=_retry_after_s(error))
    return Failure(_final(status, code, text))


def _is_anothers(status: int, code: str) -> bool:
    """A 404 that is not S3's, which names what is missing: some proxy's, and a blob must not be given up for that."""
    return status == _NOT_FOUND and code not in ("NoSuchKey", "NoSuchBucket")


def _final(status: int, code: str, text: str) -> AzaionError:
    if code == "NoSuchBucket":
        return SetupError("bucket_missing", text, hint="create the bucket, or correct blobs_url")
    if status in (401, 403) or code in _DENIED_CODES:
        return _denied(text)
    if status == _NOT_FOUND:
        return PermanentError("blob_missing", text)
    if status == 412:  # noqa: PLR2004 - only reads have a condition that gets this far
        return TransientError(CHANGED, text, hint="it was replaced while it was read; read it again")
    return PermanentError("store_refused", text)


def _denied(text: str) -> PermanentError:
    return SetupError(
        "store_denied",
        text,
        hint="check s3_access_key, s3_secret_key, s3_region and the clock; the user needs ListBucket as well, "
        "without it S3 says 403 for what is absent",
    )


def _is_untrusted(error: exceptions.SSLError) -> bool:
    return isinstance(error.kwargs.get("error"), aiohttp.ClientConnectorCertificateError)


def _retry_after_s(error: exceptions.ClientError) -> float:
    """Seconds from now; 0 when the server does not say."""
    value = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    try:
        return float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0.0


def _text(doing: str, error: Exception) -> str:
    text = str(error)
    name = type(error).__name__
    return f"cannot {doing}: {f'{name}: {text}' if text else name}"[: _MESSAGE_CHARS + len(doing)]
