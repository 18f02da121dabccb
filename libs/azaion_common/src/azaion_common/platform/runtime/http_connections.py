"""Who is connected: nobody takes all connections, and whoever keeps the server waiting makes room for those who do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_IPV6_SITE_BITS = 64
"""The smallest block that providers give out: all its addresses are one client's."""


class Connection(Protocol):
    """What the register asks of a connection."""

    @property
    def host(self) -> str: ...

    @property
    def keeps_us_waiting(self) -> bool: ...

    def cut(self, reason: str) -> None: ...


@dataclass
class Connections:
    """The open connections, by client in the order of their arrival."""

    most: int
    most_per_client: int
    trusted: Sequence[Network] = ()
    """Proxies: many clients come through each, so only ``most`` counts for them."""
    _by_client: dict[str, dict[Connection, None]] = field(default_factory=dict)
    _count: int = 0

    def admit(self, new: Connection) -> bool:
        """Take ``new`` in, if need be instead of the oldest one that keeps us waiting; False when there is none."""
        crowd = self._crowd(new.host)
        if crowd is not None:
            idle = next((each for each in crowd if each.keeps_us_waiting), None)
            if idle is None:
                return False
            self.remove(idle)
            idle.cut("crowded_out")
        self._by_client.setdefault(client_of(new.host), {})[new] = None
        self._count += 1
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is gone, or that never was let in."""
        client = client_of(connection.host)
        mates = self._by_client.get(client, {})
        if connection in mates:
            del mates[connection]
            self._count -= 1
        if not mates:
            self._by_client.pop(client, None)

    def _crowd(self, host: str) -> dict[Connection, None] | None:
        """Those of whom one has to go before one more from ``host`` can come."""
        mates = self._by_client.get(client_of(host), {})
        if len(mates) >= self.most_per_client and not is_in(host, self.trusted):
            return mates
        if self._count >= self.most:
            return max(self._by_client.values(), key=len)
        return None


def client_of(host: str) -> str:
    """What counts as one client of ``host``: an IPv4 address, the /64 of an IPv6 address; what is no address, itself."""
    address = parsed(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_SITE_BITS), strict=False))
    return host if address is None else str(address)


def parsed(host: str) -> Address | None:
    """The address that ``host`` spells, IPv4 inside IPv6 as IPv4; None when it is none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(host: str, networks: Sequence[Network]) -> bool:
    """Whether ``host`` is an address of one of ``networks``."""
    address = parsed(host)
    return address is not None and any(address in network for network in networks)
