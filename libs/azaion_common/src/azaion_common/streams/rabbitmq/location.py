"""Where the brokers are and who we are to them, from one URL."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from azaion_common.errors import PermanentError

PLAIN, TLS = "rabbitmq-stream", "rabbitmq-stream+tls"
_PORTS = {PLAIN: 5552, TLS: 5551}


@dataclass(frozen=True, slots=True)
class StreamsLocation:
    """``rabbitmq-stream://user:password@host:5552/vhost``, or ``rabbitmq-stream+tls://…?ca=/path/ca.pem``."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str = "/"
    tls: bool = False
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @classmethod
    def parse(cls, url: str) -> StreamsLocation:
        """The location in ``url``.

        Raises:
            PermanentError: ``streams_url_invalid``; the URL itself is not shown, it holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise _invalid() from None
        if not parts.hostname:
            raise _invalid()
        ca = parse_qs(parts.query).get("ca")
        return cls(
            host=parts.hostname,
            port=port,
            username=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=parts.scheme == TLS,
            ca_file=Path(ca[0]) if ca else None,
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        """Verification is never optional. Reads files: call it off the event loop."""
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def _invalid() -> PermanentError:
    return PermanentError(
        "streams_url_invalid",
        "the address of the streams is not valid",
        hint="streams_url: rabbitmq-stream://user:password@host:5552/vhost",
    )
