"""The arithmetic of segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_common.packages.segments import payload_size_bytes, segment_count, segment_sizes

FIRST = (1 << 20) - 40 - 16
NEXT = (1 << 20) - 16


@pytest.mark.parametrize(
    ("size_bytes", "segments"),
    [(0, 1), (1, 1), (FIRST, 1), (FIRST + 1, 2), (FIRST + NEXT, 2), (FIRST + NEXT + 1, 3)],
)
def test_a_segment_starts_only_when_the_one_before_is_full(size_bytes: int, segments: int) -> None:
    """A plaintext that ends on a boundary has no empty segment behind it."""
    assert segment_count(size_bytes) == segments
    assert len(list(segment_sizes(size_bytes))) == segments


@given(st.integers(min_value=0, max_value=50 << 20))
def test_segments_add_up(size_bytes: int) -> None:
    """The segments hold every plaintext byte once, and the payload length follows from them."""
    sizes = list(segment_sizes(size_bytes))

    assert sum(sizes) == size_bytes
    assert payload_size_bytes(size_bytes) == 40 + sum(size + 16 for size in sizes)
    assert all(sizes) or sizes == [0]


def test_the_largest_package_keeps_its_counter_small() -> None:
    """64 GiB stay far below the 2^31 segments at which the nonce counter could wrap."""
    assert segment_count(64 << 30) < 1 << 17
