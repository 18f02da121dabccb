"""Options of ``azaion infer`` as they were spelt in 0.1, and what they are called now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_JSON, _LINES = "--json", "--lines"
_FLAG_THEN = "--summary-json"
_FILE_THEN = "--json-lines"


@dataclass(frozen=True)
class Modern:
    """Arguments in the spelling of today, and one note for each that was not."""

    arguments: list[str]
    notes: list[str]


def modern(arguments: Sequence[str], with_value: Collection[str]) -> Modern:
    """Translate; ``with_value`` are the options that are followed by a value.

    ``--json`` was followed by a file and is a flag now. The next word is still taken as that file if a source stands
    elsewhere; otherwise it is the source itself (``infer --json video.mp4``).
    """
    result, notes, position = list[str](), list[str](), 0
    while position < len(arguments):
        word = arguments[position]
        rest = arguments[position + 1 :]
        position += 1
        name, has_value, value = word.partition("=")
        if word == "--":
            return Modern([*result, word, *rest], notes)
        if word == _FLAG_THEN:
            result.append(_JSON)
            notes.append(f"{_FLAG_THEN} is called {_JSON} now")
        elif name in {_FILE_THEN, _JSON} and has_value:
            result += [_LINES, value]
            notes.append(f"{name}=FILE is called {_LINES} FILE now")
        elif word == _FILE_THEN or (word == _JSON and _is_file(result, rest, with_value)):
            result.append(_LINES)
            notes.append(f"{word} FILE is called {_LINES} FILE now")
            result += rest[:1]
            position += 1
        else:
            result.append(word)
            if word in with_value:
                result += rest[:1]
                position += 1
    return Modern(result, notes)


def _is_file(before: Sequence[str], after: Sequence[str], with_value: Collection[str]) -> bool:
    """Whether the word after ``--json`` is a file of the old spelling: another word has to be the source then."""
    if not after or after[0].startswith("-"):
        return False
    values = {*with_value, _LINES, _FILE_THEN}
    return bool(_positional(before, values) or _positional(after[1:], values))


def _positional(words: Sequence[str], with_value: Collection[str]) -> list[str]:
    """The words that are neither options nor their values."""
    found, skip = list[str](), False
    for at, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return [*found, *words[at + 1 :]]
        elif word.startswith("-") and word != "-":
            skip = word in with_value
        else:
            found.append(word)
    return found
