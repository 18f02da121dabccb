"""The judge of every fault run finds what it is there to find."""

from __future__ import annotations

from faulttest.checker import Verdict, judge

FIVE = [f"w-{number}" for number in range(1, 6)]


def test_everything_once_and_in_order_is_clean() -> None:
    """Effects that are the inputs, and those whose acknowledgement got lost on the way, are as they should be."""
    verdict = judge(FIVE, [*FIVE, "w-6", "w-7"], [*FIVE, "w-6"])

    assert verdict.is_clean


def test_each_wrong_is_told_by_name() -> None:
    """What is lost, there twice, made up or out of order is each found, and nothing else."""
    assert judge(FIVE, FIVE, FIVE[:2] + FIVE[3:]) == Verdict(("w-3",), (), (), ())
    assert judge(FIVE, FIVE, [*FIVE, "w-5"]) == Verdict((), ("w-5",), (), ())
    assert judge(FIVE, FIVE, [*FIVE, "w-6"]) == Verdict((), (), ("w-6",), ())
    assert judge(FIVE, FIVE, ["w-2", "w-1", *FIVE[2:]]) == Verdict((), (), (), ("w-1",))


def test_numbers_are_no_text() -> None:
    """The tenth comes after the ninth, and writers are ordered each for itself."""
    ten = [f"w-{number}" for number in range(1, 11)]

    assert judge(ten, ten, ten).is_clean
    assert judge(["a-2", "b-1"], ["a-1", "a-2", "b-1"], ["a-2", "b-1"]).is_clean
    assert not judge(["a-2", "b-1"], ["a-1", "a-2", "b-1"], ["a-2", "a-1", "b-1"]).is_clean


def test_a_verdict_says_how_many_and_which() -> None:
    """The line that ends up in a log names the first few."""
    assert str(judge(FIVE, FIVE, [])) == (
        "5 lost ['w-1', 'w-2', 'w-3'], 0 duplicated [], 0 phantom [], 0 reordered []"
    )
