"""Which bucket, on which server, and who we are to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from azaion_common.core.errors import PermanentError

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3Location:
    """``s3://bucket``, ``s3://bucket/prefix``, or with ``?ca=/path/ca.pem``."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    """None: AWS."""
    region: str = DEFAULT_REGION
    access_key: str | None = None
    """None: wherever the AWS libraries find credentials (environment, instance role)."""
    secret_key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates to trust instead of the usual ones."""

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        setting: str = "blobs_url",
    ) -> S3Location:
        """The location in ``url``; the rest is what the URL does not hold.

        Raises:
            PermanentError: ``blobs_url_invalid``, ``releases_url_invalid`` (after the ``setting``); the URL itself is
                not shown, some put a secret in it.
        """
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError:
            raise _invalid(setting, "it is no URL") from None
        if parts.scheme != "s3" or not parts.hostname or parts.netloc != parts.hostname:
            raise _invalid(setting, "it is not s3://bucket/prefix")
        if query.keys() - {"ca"}:
            raise _invalid(setting, "it has an unknown option")
        _check_endpoint(setting, endpoint_url)
        if (access_key is None) != (secret_key is None):
            raise _invalid(setting, "one of access key and secret key is missing")
        return cls(
            bucket=parts.hostname,
            prefix=unquote(parts.path).strip("/"),
            endpoint_url=endpoint_url,
            region=region or DEFAULT_REGION,
            access_key=access_key,
            secret_key=secret_key,
            ca_file=Path(query["ca"][0]) if "ca" in query else None,
        )

    def key(self, sha256: str) -> str:
        """Where a blob lies or would lie in the bucket."""
        return f"{self.start}{sha256[:2]}/{sha256[2:4]}/{sha256}"

    @property
    def start(self) -> str:
        """What all keys begin with."""
        return f"{self.prefix}/" if self.prefix else ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def _check_endpoint(setting: str, endpoint_url: str | None) -> None:
    if endpoint_url is None:
        return
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid(setting, "the endpoint is no http:// or https:// address")


def _invalid(setting: str, why: str) -> PermanentError:
    keys = "s3" if setting == "blobs_url" else "releases"
    return PermanentError(
        f"{setting}_invalid",
        f"platform.{setting} is not valid: {why}",
        hint=f"{setting}: s3://bucket/prefix, with s3_endpoint_url, {keys}_access_key and {keys}_secret_key beside it",
    )
