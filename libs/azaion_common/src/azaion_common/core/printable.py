"""Words of others on our terminal: names in a model's file, in a message or on a disk can hold anything."""

from __future__ import annotations

import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls and escapes, marks that turn the direction of writing, lone surrogates, separators of lines."""
_JOINERS = frozenset("\u200c\u200d")
"""Persian, Indic scripts and emoji need them; they steer nothing."""


def printable(text: str) -> str:
    """``text`` in one line; what could steer a terminal is written out, as Python's literals do."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _STEERING:
        return character
    return character.encode("unicode_escape").decode("ascii")
