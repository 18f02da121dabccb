"""Words of others cannot steer the terminal of whoever looks at them."""

from __future__ import annotations

import pytest

from azaion_common.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("car", "car"),
        ("автомобиль 自動車 voilà", "автомобиль 自動車 voilà"),
        ("a\u00a0b", "a\u00a0b"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\r\ttab\x07\x7f", r"two\nlines\r\ttab\x07\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("می‌خواهم 👩‍🚀", "می‌خواهم 👩‍🚀"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text: str, shown: str) -> None:
    """Escapes, C1 controls, line ends, direction marks and lone surrogates are shown as letters; writing is left."""
    assert printable(text) == shown
