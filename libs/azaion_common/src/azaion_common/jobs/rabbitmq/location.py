"""Where the broker of the jobs is and who we are to it, from one URL."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from azaion_common.errors import PermanentError

PLAIN, TLS = "amqp", "amqps"
_PORTS = {PLAIN: 5672, TLS: 5671}


@dataclass(frozen=True, slots=True)
class JobsLocation:
    """``amqp://user:password@host:5672/vhost``, or ``amqps://…?ca=/path/ca.pem``."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str = "/"
    tls: bool = False
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @classmethod
    def parse(cls, url: str) -> JobsLocation:
        """The location in ``url``.

        Raises:
            PermanentError: ``jobs_url_invalid``; the URL itself is not shown, it holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except (ValueError, KeyError):
            raise _invalid() from None
        if not parts.hostname or query.keys() - {"ca"}:
            raise _invalid()
        return cls(
            host=parts.hostname,
            port=port,
            username=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=parts.scheme == TLS,
            ca_file=Path(query["ca"][0]) if "ca" in query else None,
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        """Verification is never optional. Reads files: call it off the event loop.

        Raises:
            PermanentError: ``jobs_url_invalid``: the certificates cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file) if self.tls else None
        except OSError as error:
            raise PermanentError(
                "jobs_url_invalid", f"cannot read the certificates in {self.ca_file}: {error}"
            ) from error

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def _invalid() -> PermanentError:
    return PermanentError(
        "jobs_url_invalid",
        "the address of the job queues is not valid",
        hint="jobs_url: amqp://user:password@host:5672/vhost, or amqps://…?ca=/path/ca.pem",
    )
