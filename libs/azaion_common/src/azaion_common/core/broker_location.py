"""Where a broker is and who we are to it, from one URL."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

from azaion_common.core.errors import SetupError

_OPTIONS = {"ca"}
"""Nothing that would weaken a connection is one."""


@dataclass(frozen=True, slots=True)
class BrokerLocation:
    """``scheme://user:password@host:port/vhost``, over TLS ``…?ca=/path/ca.pem``. Its kinds name their schemes."""

    PLAIN: ClassVar[str]
    TLS: ClassVar[str]
    PORTS: ClassVar[dict[str, int]]
    """Those that a scheme stands for."""
    SETTING: ClassVar[str]

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    vhost: str = "/"
    tls: bool = False
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """The location in ``url``.

        Raises:
            SetupError: ``streams_url_invalid``, ``jobs_url_invalid``; the URL itself is not shown, it holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or cls.PORTS[parts.scheme]
            query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except (ValueError, KeyError):
            raise cls._invalid() from None
        if not parts.hostname or parts.scheme not in cls.PORTS or query.keys() - _OPTIONS:
            raise cls._invalid()
        return cls(
            host=parts.hostname,
            port=port,
            username=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=parts.scheme == cls.TLS,
            ca_file=Path(query["ca"][0]) if "ca" in query else None,
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        """Verification is never optional. Reads files: call it off the event loop.

        Raises:
            SetupError: ``streams_url_invalid``, ``jobs_url_invalid``: the certificates cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file) if self.tls else None
        except OSError as error:
            raise SetupError(
                f"{self.SETTING}_invalid", f"cannot read the certificates in {self.ca_file}: {error}"
            ) from error

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def _invalid(cls) -> SetupError:
        plain = f"{cls.PLAIN}://user:password@host:{cls.PORTS[cls.PLAIN]}/vhost"
        return SetupError(
            f"{cls.SETTING}_invalid",
            f"{cls.SETTING} is not a valid address",
            hint=f"{cls.SETTING}: {plain}, or {cls.TLS}://…?ca=/path/ca.pem",
        )
