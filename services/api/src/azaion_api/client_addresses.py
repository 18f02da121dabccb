"""Who asks, behind proxies: what a proxy says of its client is believed only where the operator trusts that proxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from azaion_common.platform.runtime.http_connections import Network, is_in, parsed

MAX_HOPS = 32


@dataclass(frozen=True)
class TrueClient:
    """Puts the client's own address into ``scope["client"]``, in place of the proxy's."""

    app: ASGIApp
    trusted: Sequence[Network]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] and self.trusted:
            peer, port = scope["client"]
            true = client_address(peer, Headers(scope=scope), self.trusted)
            scope["client"] = (true, port if true == peer else 0)
        await self.app(scope, receive, send)


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """The address of whoever sent the request, as far as trusted proxies vouch for it.

    ``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) are read from the right, which is where the nearest proxy writes. A
    proxy sets one of them and may pass on the other as its client made it up: where they differ, neither counts.
    """
    if not is_in(peer, trusted):
        return peer
    told = [
        _first_stranger(peer, hops, trusted)
        for hops in (_x_forwarded_for(headers), _forwarded(headers))
        if hops
    ]
    return told[0] if len(set(told)) == 1 else peer


def _first_stranger(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is no trusted proxy; the farthest proxy where what it says is no address."""
    nearest = peer
    for hop in reversed(hops[-MAX_HOPS:]):
        address = parsed(_host(hop))
        if address is None:
            return nearest
        nearest = str(address)
        if not is_in(nearest, trusted):
            return nearest
    return nearest


def _x_forwarded_for(headers: Headers) -> list[str]:
    return [hop for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]


def _forwarded(headers: Headers) -> list[str]:
    return [_for(hop) for line in headers.getlist("forwarded") for hop in line.split(",")]


def _for(hop: str) -> str:
    """What one element of ``Forwarded`` says of its client; nothing where it says nothing."""
    for pair in hop.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            return value.strip('"')
    return ""


def _host(text: str) -> str:
    """An address without its port: ``192.0.2.1:80``, ``[2001:db8::1]:80``."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.partition(":")
    return host if colon and port.isdecimal() and "." in host else text
