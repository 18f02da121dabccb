"""Behind proxies: whose word counts for the address of a client."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from azaion_api.client_addresses import client_address
from azaion_api.settings import ApiSettings
from azaion_api.web import create_app

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def headers(**lines: str | list[str]) -> Headers:
    raw = [
        (name.replace("_", "-").encode(), line.encode())
        for name, found in lines.items()
        for line in (found if isinstance(found, list) else [found])
    ]
    return Headers(raw=raw)


@pytest.mark.parametrize(
    ("peer", "sent", "client"),
    [
        ("10.0.0.1", headers(), "10.0.0.1"),
        ("10.0.0.1", headers(x_forwarded_for="192.0.2.7"), "192.0.2.7"),
        ("192.0.2.1", headers(x_forwarded_for="192.0.2.7"), "192.0.2.1"),
        ("10.0.0.1", headers(x_forwarded_for="1.1.1.1, 192.0.2.7"), "192.0.2.7"),
        ("10.0.0.1", headers(x_forwarded_for="1.1.1.1, 192.0.2.7, 10.9.9.9"), "192.0.2.7"),
        ("10.0.0.1", headers(x_forwarded_for=["1.1.1.1", "192.0.2.7", "10.9.9.9"]), "192.0.2.7"),
        ("10.0.0.1", headers(x_forwarded_for="10.9.9.9"), "10.9.9.9"),
        ("10.0.0.1", headers(x_forwarded_for="192.0.2.7:4711"), "192.0.2.7"),
        ("10.0.0.1", headers(x_forwarded_for="[2001:db8::7]:4711"), "2001:db8::7"),
        ("10.0.0.1", headers(x_forwarded_for="2001:DB8:0::7"), "2001:db8::7"),
        ("fd00::1", headers(x_forwarded_for="::ffff:192.0.2.7"), "192.0.2.7"),
        ("::ffff:10.0.0.1", headers(x_forwarded_for="192.0.2.7"), "192.0.2.7"),
        ("10.0.0.1", headers(x_forwarded_for="192.0.2.7, nonsense"), "10.0.0.1"),
        ("10.0.0.1", headers(x_forwarded_for=""), "10.0.0.1"),
        ("10.0.0.1", headers(x_forwarded_for=",,,"), "10.0.0.1"),
        ("10.0.0.1", headers(x_forwarded_for=", ".join(["192.0.2.7"] + ["10.2.2.2"] * 100)), "10.2.2.2"),
        ("10.0.0.1", headers(forwarded="for=192.0.2.7"), "192.0.2.7"),
        ("10.0.0.1", headers(forwarded='by=10.0.0.1;For="[2001:db8::7]:80";proto=https'), "2001:db8::7"),
        ("10.0.0.1", headers(forwarded="for=1.1.1.1, for=192.0.2.7, for=10.9.9.9"), "192.0.2.7"),
        ("10.0.0.1", headers(forwarded="for=_hidden"), "10.0.0.1"),
        ("10.0.0.1", headers(forwarded="proto=https"), "10.0.0.1"),
        ("10.0.0.1", headers(forwarded="for=192.0.2.7", x_forwarded_for="192.0.2.7"), "192.0.2.7"),
        ("10.0.0.1", headers(forwarded="for=192.0.2.7", x_forwarded_for="1.1.1.1"), "10.0.0.1"),
        ("192.0.2.1", headers(forwarded="for=192.0.2.7"), "192.0.2.1"),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_counts(peer: str, sent: Headers, client: str) -> None:
    """Read from the right, through trusted proxies only; what a client made up never counts."""
    assert client_address(peer, sent, TRUSTED) == client


async def through(api: Any, proxy: str, trusted: Any = TRUSTED) -> httpx.AsyncClient:
    app = create_app(api.services, docs=False, trusted_proxies=trusted)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(proxy, 1)), base_url="http://api")


async def log_in(client: httpx.AsyncClient, address: str, password: str) -> int:
    known = {"email": "admin@example.org", "password": password}
    return (await client.post("/login", json=known, headers={"X-Forwarded-For": address})).status_code


async def test_one_device_behind_a_proxy_does_not_lock_out_another(api: Any) -> None:
    """Limits count for the devices, not for the proxy that all of them come through."""
    from_proxy = await through(api, "10.0.0.1")

    guesses = [await log_in(from_proxy, "192.0.2.1", f"guess {number}") for number in range(6)]

    assert guesses == [401] * 5 + [429]
    assert await log_in(from_proxy, "192.0.2.2", "guess") == 401


async def test_nobody_gets_around_a_limit_by_making_up_addresses(api: Any) -> None:
    """Without a trusted proxy the header is nothing; neither are other addresses of one IPv6 network."""
    direct = await through(api, "192.0.2.1", trusted=())
    made_up = [await log_in(direct, f"198.51.100.{number}", f"guess {number}") for number in range(6)]

    from_proxy = await through(api, "10.0.0.1")
    one_site = [await log_in(from_proxy, f"2001:db8::{number}", f"try {number}") for number in range(6)]

    assert made_up == one_site == [401] * 5 + [429]


@pytest.mark.parametrize("text", ["10.0.0.5, 172.16.0.0/12", '["10.0.0.5", "172.16.0.0/12"]'])
def test_proxies_are_named_in_a_variable_as_one_writes_lists(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commas are enough, JSON works."""
    monkeypatch.setenv("AZAION_API__TRUSTED_PROXIES", text)

    assert [str(each) for each in ApiSettings().trusted_proxies] == ["10.0.0.5/32", "172.16.0.0/12"]
