"""Names of pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_common.contracts.annotations.names import check_name, is_safe_name, name_for_stem
from azaion_common.core.errors import PermanentError


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "..", ".hidden", "a..b", "", "a\0b", "é", "a" * 129, "-x", "x\n"]
)
def test_names_that_could_lead_elsewhere_are_unsafe(name: str) -> None:
    """Only plain file stems pass."""
    with pytest.raises(PermanentError, match="unsafe_name"):
        check_name(name)


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_stem_has_its_own_safe_name(first: str, second: str) -> None:
    """Cleaned names are safe, and two stems never share one."""
    assert is_safe_name(name_for_stem(first))
    assert first == second or name_for_stem(first) != name_for_stem(second)
