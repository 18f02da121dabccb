"""Connections: nobody takes all of them, and whoever keeps the server waiting makes room."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from azaion_common.platform.runtime.http_connections import Connections, client_of


@dataclass(eq=False)
class FakeConnection:
    """Notes why it was cut."""

    host: str = "192.0.2.1"
    keeps_us_waiting: bool = True
    cuts: list[str] = field(default_factory=list)

    def cut(self, reason: str) -> None:
        self.cuts.append(reason)


def fill(connections: Connections, count: int, **settings: bool | str) -> list[FakeConnection]:
    made = [FakeConnection(**settings) for _ in range(count)]  # type: ignore[arg-type]
    assert all(connections.admit(each) for each in made)
    return made


def test_a_client_with_all_its_connections_loses_its_oldest_idle_one() -> None:
    """One more from the same address is let in, and the one that has said nothing for longest goes."""
    connections = Connections(most=100, most_per_client=3)
    busy = fill(connections, 1, keeps_us_waiting=False)[0]
    first, second = fill(connections, 2)

    assert connections.admit(FakeConnection())
    assert (busy.cuts, first.cuts, second.cuts) == ([], ["crowded_out"], [])


def test_requests_under_way_are_never_cut_for_a_newcomer() -> None:
    """Where all of a client's connections are being served, its next one is refused."""
    connections = Connections(most=100, most_per_client=3)
    busy = fill(connections, 3, keeps_us_waiting=False)

    assert not connections.admit(FakeConnection())
    assert not any(each.cuts for each in busy)
    assert connections.admit(FakeConnection("192.0.2.2"))


def test_a_full_server_takes_room_from_whoever_has_most() -> None:
    """A crowd of one client does not keep another out, nor cost it a connection."""
    connections = Connections(most=10, most_per_client=100)
    other = fill(connections, 1, host="192.0.2.2")[0]
    crowd = fill(connections, 9)

    assert connections.admit(FakeConnection("192.0.2.3"))
    assert other.cuts == []
    assert crowd[0].cuts == ["crowded_out"]


def test_many_clients_behind_a_trusted_proxy_have_no_common_limit() -> None:
    """Only the limit for all counts for a proxy, IPv6 ones too."""
    trusted = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    connections = Connections(most=100, most_per_client=3, trusted=trusted)

    for host in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.4"):
        assert not any(each.cuts for each in fill(connections, 10, host=host))


def test_room_comes_back() -> None:
    """Connections that end are forgotten, also those that were never let in."""
    connections = Connections(most=2, most_per_client=2)
    for _ in range(5):
        made = fill(connections, 2, keeps_us_waiting=False)
        refused = FakeConnection()
        assert not connections.admit(refused)
        for each in (*made, refused, made[0]):
            connections.remove(each)
    assert connections.admit(FakeConnection())


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_a_client_is_an_address_or_a_block_of_them(host: str, client: str) -> None:
    """Whoever has an IPv6 network does not count as 2^64 clients."""
    assert client_of(host) == client
