"""The API of a running system while strangers attack it: others are served, memory stays, and it stops when told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import pytest
from attacktest import attacks
from attacktest.attacks import HEAD, MEGABYTE, many_keys
from attacktest.bystander import bystander
from attacktest.raw import Address, ask
from attacktest.target import Target, target
from faulttest.figures import tell

Attack = Callable[[Address], AbstractContextManager[None]]
SHORT_S = 1.0
LONG_S = 20.0
AT_ONCE = 16
"""Requests in hand together: memory grows by more than one of them needs, a page or an allocator's arena at a time."""
SERVED_WITHIN_S = 5.0
FAILURES = 0.02
"""The part of questions that may be lost on a machine that has other work, where a crowd may outrun a bystander."""
MORE_BYTES = 24 * MEGABYTE
HASHING_BYTES = 2 * 64 << 20
"""Two passwords are checked at a time, whatever comes."""

REQUESTS: dict[str, tuple[bytes, int]] = {
    "a login of 15 MB": (
        HEAD + b"Content-Length: 15000000\r\n\r\n" + many_keys(15 * MEGABYTE)[:15_000_000],
        413,
    ),
    "a login without end": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 200,
        413,
    ),
    "a login in crumbs": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000, 400),
    "as many names as fit": (HEAD + b"Content-Length: 16384\r\n\r\n" + many_keys(20_000)[:16_384], 422),
    "as deep as it gets": (HEAD + b"Content-Length: 16384\r\n\r\n" + b"[" * 16_384, 422),
    "a number of thousands of digits": (HEAD + b"Content-Length: 16384\r\n\r\n" + b"9" * 16_384, 422),
    "a million short headers": (
        b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 1_000_000 + b"\r\n",
        431,
    ),
    "a header of a megabyte": (
        b"GET /livez HTTP/1.1\r\nHost: a\r\na: " + b"x" * MEGABYTE + b"\r\n\r\n",
        431,
    ),
    "an upload of 50 MB without a token": (
        b"POST /resources/models HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 50000000\r\n\r\n" + bytes(50 * MEGABYTE),
        401,
    ),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("attacked") / "home") as running:
        yield running


@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.__name__)
def test_others_are_served_during_an_attack(api: Target, attack: Attack) -> None:
    """Probes on new connections from the attackers' own address are answered, all of them, in the same memory."""
    endure(api, attack, SHORT_S)


@pytest.mark.faults
@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.__name__)
def test_others_are_served_during_a_long_attack(api: Target, attack: Attack) -> None:
    """The same, for longer than every deadline."""
    endure(api, attack, LONG_S)


def endure(api: Target, attack: Attack, seconds: float) -> None:
    before = api.forget_peak()
    with bystander(api.address) as others, attack(api.address):
        time.sleep(seconds)
    grown = api.peak_bytes - before

    tell(f"{attack.__name__}: {others}; memory +{grown / MEGABYTE:.1f} MB")
    assert others.failures <= 1 + FAILURES * len(others.seconds)
    assert others.slow < SERVED_WITHIN_S
    assert grown < MORE_BYTES + (HASHING_BYTES if attack is attacks.wrong_passwords else 0)


@pytest.mark.parametrize("name", REQUESTS)
def test_one_request_of_a_stranger_costs_little(api: Target, name: str) -> None:
    """Whatever it is, it is answered with a refusal, for 50 ms of processor time and 64 KiB of memory at most."""
    request, status = REQUESTS[name]
    ask(api.address, request)  # what a first one leaves for good is no cost of each
    before, cpu_s = api.forget_peak(), api.cpu_s

    with ThreadPoolExecutor(AT_ONCE) as strangers:
        answers = list(strangers.map(lambda _: ask(api.address, request), range(AT_ONCE)))

    grown, cpu_s = (api.peak_bytes - before) / AT_ONCE, (api.cpu_s - cpu_s) / AT_ONCE
    slowest = max(answer.seconds for answer in answers)
    tell(
        f"{name}: {status} after {slowest:.2f} s, each {cpu_s * 1e3:.0f} ms of CPU and +{grown / 1024:.0f} KiB"
    )
    assert {answer.status for answer in answers} == {status}
    assert all(b"application/problem+json" in answer.text for answer in answers)
    assert max(len(answer.text) for answer in answers) < 4096
    assert cpu_s <= 0.050
    assert grown <= 64 << 10


def test_probes_of_a_service_are_answered_during_attacks(api: Target) -> None:
    """The small server for metrics and probes stands behind the same limits as the API."""
    with bystander(api.ops) as others, attacks.silent(api.ops), attacks.slow_heads(api.ops):
        time.sleep(SHORT_S)
    big = ask(api.ops, REQUESTS["a million short headers"][0])

    tell(f"silent and slow_heads at the probes: {others}")
    assert others.failures <= 1 + FAILURES * len(others.seconds)
    assert others.slow < SERVED_WITHIN_S
    assert big.status == 431


def test_it_stops_under_attack(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM ends the process with 0 within 20 s, whoever holds whatever open."""
    with ExitStack() as stack, target(tmp_path_factory.mktemp("stopped") / "home") as api:
        for attack in (attacks.silent, attacks.slow_bodies, attacks.slow_readers, attacks.big_bodies):
            stack.enter_context(attack(api.address))
        time.sleep(0.5)
        stopped_s = api.stop()

    tell(f"stopped under four attacks after {stopped_s:.1f} s")
    assert stopped_s < 20
