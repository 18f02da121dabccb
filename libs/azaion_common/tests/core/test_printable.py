"""Words of others cannot steer the terminal of whoever looks at them."""

from __future__ import annotations

import pytest
import structlog

from azaion_common.core.errors import PermanentError
from azaion_common.core.logging import configure_logging
from azaion_common.core.printable import printable
from azaion_common.platform.cli.root import print_error
from azaion_vision.runtimes.outputs import Metadata


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


def test_an_error_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name in a message, or in the hint, cannot colour the screen or hide the line."""
    print_error(PermanentError("file_bad", "cannot read \x1b[2Ka.jpg", hint="rename \x1b]0;you\x07"))

    said = capsys.readouterr().err
    assert r"\x1b[2Ka.jpg" in said
    assert r"\x1b]0;you\x07" in said


def test_a_log_line_on_a_terminal_is_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a message of others says about itself is text."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    configure_logging("info")
    structlog.get_logger().info("picture.refused", name="\x1b]0;mine\x07")

    assert r"\x1b]0;mine\x07" in capsys.readouterr().err


@pytest.mark.parametrize("names", ["{0: 'car', 1: '\\x1b[31mtruck'}", "['car', '\\x1b[31mtruck']"])
def test_class_names_of_a_model_are_text(names: str) -> None:
    """Whatever a model's file calls its classes: everything behind it gets words that steer nothing."""
    parsed = Metadata.parse({"names": names, "imgsz": "[32, 32]"}, (1, 3, 32, 32))

    assert parsed.names == {0: "car", 1: r"\x1b[31mtruck"}
