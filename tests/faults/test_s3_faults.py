"""The blob store while its server fails in every way that is known: in time, with the right error, and never a lie."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from s3test.rig import PART_BYTES, open_rig, small_part_server
from s3test.trials import DONE, Outcome, Trial, outcome, prepare
from testservers import s3_modes as modes
from testservers.s3 import PrivateS3
from testservers.s3_faults import Mode

from azaion_common.platform.storage.s3 import Limits, S3BlobStore

UNAVAILABLE = "store_unavailable"
LIMITS = Limits(
    deadline_s=1.5,
    attempt_s=0.4,
    idle_s=0.4,
    connect_s=0.4,
    tries=4,
    pause_s=0.01,
    longest_pause_s=0.05,
    retries_in_hand=10_000,
    part_bytes=PART_BYTES,
    slowest_bytes_per_s=1e9,
)
PATIENT = replace(LIMITS, deadline_s=20, tries=6)
PASSING: dict[str, Mode] = {
    "408": modes.saying(408, "RequestTimeout"),
    "425": modes.saying(425),
    "429": modes.saying(429, "TooManyRequests"),
    "500": modes.saying(500, "InternalError"),
    "502 from a gateway": modes.gateway_page,
    "503 and Retry-After": modes.saying(503, "SlowDown", retry_after="0"),
    "504": modes.saying(504),
    "400 RequestTimeout": modes.saying(400, "RequestTimeout"),
    "reset": modes.reset,
    "reset when done": modes.reset_when_done,
    "closed": modes.close,
    "never answers": modes.never_answers,
    "done but silent": modes.done_but_silent,
    "drips": modes.drips,
    "ends early": modes.ends_early,
    "dies in the body": modes.dies_in_the_body,
    "claims more": modes.claims_more,
    "claims less": modes.claims_less,
    "empty 200": modes.empty_200,
    "garbage XML": modes.garbage_xml,
    "garbage XML with 500": modes.garbage_xml_error,
    "login page": modes.login_page,
    "no HTTP": modes.no_http,
    "error in a 200": modes.error_in_a_200,
    "bad date": modes.bad_date,
    "ignores the range": modes.ignores_the_range,
    "another version": modes.another_version,
}
"""Each of these may be gone at the next try."""


@pytest.fixture(scope="module")
def behind() -> Iterator[PrivateS3]:
    with small_part_server() as server:
        yield server


async def _all(trials: list[Trial], store: S3BlobStore) -> list[Outcome]:
    return list(await asyncio.gather(*(outcome(trial, store) for trial in trials)))


def _wrong(outcomes: list[Outcome], allowed: set[str]) -> list[Outcome]:
    return [found for found in outcomes if not found.true or found.code not in allowed]


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_stays_is_told_in_time(behind: PrivateS3, tmp_path: Path, name: str) -> None:
    """Every call keeps its deadline and its number of tries, and ends with the truth or with an error that may pass."""
    async with open_rig(behind, LIMITS) as rig:
        trials = prepare(rig, tmp_path, name)
        rig.server.break_with(PASSING[name])
        outcomes = await _all(trials, rig.store)

    assert _wrong(outcomes, {DONE, UNAVAILABLE}) == []
    assert max(found.took_s for found in outcomes) < LIMITS.deadline_s + 1
    assert max(trial.most_repeated() for trial in trials) <= LIMITS.tries
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_passes_is_not_noticed(behind: PrivateS3, tmp_path: Path, name: str) -> None:
    """Every request fails at its first try: every call succeeds, and what it says is true."""
    async with open_rig(behind, PATIENT) as rig:
        trials = prepare(rig, tmp_path, name)
        rig.server.break_with(PASSING[name], times=1)
        outcomes = await _all(trials, rig.store)

    assert _wrong(outcomes, {DONE}) == []


@pytest.mark.parametrize("mode", [modes.redirects_to_itself, modes.moved_for_good])
async def test_redirects_are_not_followed(behind: PrivateS3, tmp_path: Path, mode: Mode) -> None:
    """One request for each call, however the server points elsewhere, and an error that may pass."""
    async with open_rig(behind, LIMITS) as rig:
        trials = prepare(rig, tmp_path, mode.__name__)
        rig.server.break_with(mode)
        outcomes = await _all(trials, rig.store)

    assert {found.code for found in outcomes} == {UNAVAILABLE}
    assert {found.requests for found in outcomes} == {1}
