"""Which announcements count: those that are signed, and of them the highest; old, double and forged ones are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from azaion_common.contracts.events import ModelPublished, ReleaseSignature
from azaion_common.packages import signed, trusting, verified
from azaion_inferencer.announcements import NONE, Hearing, Mark, Rules

Releasing = Any
Make = Callable[..., ModelPublished]


@pytest.fixture
def rules(releasing: Releasing) -> Rules:
    keys = trusting([releasing.signer.public_key()])
    return Rules("onnx", lambda event: verified(event, keys), max_jump=1000)


@pytest.fixture
def make(releasing: Releasing) -> Make:
    """A signed release."""
    return lambda number, **facts: signed(releasing.announced(number, **facts), releasing.signer)


def heard(
    rules: Rules, events: Iterable[ModelPublished], *, floor: Mark = NONE, anew: bool = True
) -> tuple[int | None, list[str]]:
    """The newest number and the codes of the refusals, after a look to the end."""
    hearing = Hearing(rules, floor, anew)
    for event in events:
        hearing.hear(event)
    hearing.end()
    newest, refusals = hearing.take()
    return newest.release if newest else None, [refusal.error.code for refusal in refusals]


def with_wrong_signature(event: ModelPublished, proof: ReleaseSignature | None) -> ModelPublished:
    """``event`` with the statement of ``proof`` and a signature that does not belong to it."""
    assert proof is not None
    return event.model_copy(update={"signed": proof.model_copy(update={"signature": b"0" * 64})})


def test_the_newest_of_a_history_counts(rules: Rules, make: Make) -> None:
    """Of all that was announced only the last is news, and nothing about it is to be told."""
    assert heard(rules, [make(number) for number in range(1, 6)]) == (5, [])


def test_releases_of_other_targets_are_others_business(rules: Rules, make: Make) -> None:
    """Their numbers do not get in the way."""
    assert heard(rules, [make(1), make(2, target="openvino"), make(3)]) == (3, [])


@pytest.mark.parametrize("number", [1, 4, 6, 10**9])
def test_a_forged_release_is_refused_whatever_its_number(
    number: int, rules: Rules, make: Make, releasing: Releasing
) -> None:
    """Unsigned, signed by a stranger, with the signature of another: what was believed before stays the newest."""
    forged = releasing.announced(number)
    borrowed = make(5).signed
    attempts = [
        (forged, "release_unsigned"),
        (signed(forged, releasing.stranger), "release_key_unknown"),
        (with_wrong_signature(forged, borrowed), "release_forged"),
    ]
    for attempt, code in attempts:
        assert heard(rules, [make(5), attempt]) == (5, [code])
        assert heard(rules, [attempt], floor=Mark.of(make(5)), anew=False) == (None, [code])


def test_a_signature_moved_to_another_event_says_only_what_it_says(
    rules: Rules, make: Make, releasing: Releasing
) -> None:
    """Release 1's true signature on an event that claims to be release 10^9: it is release 1, which is old."""
    dressed_up = releasing.announced(10**9).model_copy(update={"signed": make(1).signed})

    assert heard(rules, [dressed_up], floor=Mark.of(make(5)), anew=False) == (None, ["release_outdated"])


def test_an_older_release_played_again_is_refused_and_told(rules: Rules, make: Make) -> None:
    """Signed truly once, it is no news: neither for a device that reads on nor for one that begins."""
    five = make(5)

    assert heard(rules, [make(3)], floor=Mark.of(five), anew=False) == (None, ["release_outdated"])
    assert heard(rules, [make(4), five, make(3)]) == (5, ["release_outdated"])
    assert heard(rules, [make(1), make(2)], floor=Mark.of(five)) == (None, ["release_outdated"])


def test_history_below_the_floor_is_no_attempt(rules: Rules, make: Make) -> None:
    """A device that has to read the stream anew does not cry over what it ran long ago."""
    assert heard(rules, [make(3), make(4), make(5)], floor=Mark.of(make(5))) == (5, [])


def test_the_same_release_told_again_is_the_same(rules: Rules, make: Make) -> None:
    """By number and package, whatever else its announcement says now; another package under its number is refused."""
    five = make(5)

    again = make(5, published_at="2030-01-01T00:00:00Z")
    assert heard(rules, [again], floor=Mark.of(five), anew=False) == (5, [])
    other = make(5, package_id="f" * 32)
    assert heard(rules, [other], floor=Mark.of(five), anew=False) == (None, ["release_outdated"])


def test_a_leap_beyond_reason_is_refused(rules: Rules, make: Make) -> None:
    """Truly signed as it may be: it would lock out every release after it. The next sound number is taken."""
    assert heard(rules, [make(5), make(1006), make(6)]) == (6, ["release_jump"])
    assert heard(rules, [make(5), make(1005)]) == (1005, [])
    assert heard(rules, [make(1006)], floor=Mark.of(make(5))) == (None, ["release_jump"])


def test_what_was_unsigned_before_the_first_signature_is_history(
    rules: Rules, make: Make, releasing: Releasing
) -> None:
    """Fifty releases of an older version are no fifty alarms; where nothing is signed at all, the last is told."""
    history = [releasing.announced(number) for number in range(1, 51)]

    assert heard(rules, [*history, make(51)]) == (51, [])
    assert heard(rules, history) == (None, ["release_unsigned"])
    assert heard(rules, [*history, make(51), releasing.announced(52)]) == (51, ["release_unsigned"])
    assert heard(rules, [*history, make(51)], floor=Mark.of(make(49))) == (51, ["release_unsigned"])


def test_a_forgery_in_the_middle_of_a_history_is_told(rules: Rules, make: Make, releasing: Releasing) -> None:
    """A wrong signature is nobody's history."""
    forged = with_wrong_signature(releasing.announced(2), make(2).signed)

    assert heard(rules, [make(1), forged, make(3)]) == (3, ["release_forged"])
