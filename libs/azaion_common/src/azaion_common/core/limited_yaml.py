"""YAML from strangers: a few bytes of aliases can stand for more values than there is memory."""

from __future__ import annotations

from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_ALIASES = 16
MAX_DEPTH = 32


class YamlLimitError(ValueError):
    """A text that is larger, deeper or fuller of aliases than any that people write."""


def check_limits(text: str) -> None:
    """Look at the structure of ``text`` without building any of it.

    Raises:
        YamlLimitError: it is beyond a limit.
        yaml.YAMLError: it is no YAML.
    """
    if len(text) > MAX_BYTES:
        raise YamlLimitError(f"larger than {MAX_BYTES} characters")
    aliases = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise YamlLimitError(f"nested deeper than {MAX_DEPTH} levels")
        if aliases > MAX_ALIASES:
            raise YamlLimitError(f"more than {MAX_ALIASES} aliases")


def load_texts(text: str) -> Any:
    """The values of ``text`` with every scalar as the text that stands there: ``no`` is a name, not a truth value.

    Raises:
        YamlLimitError, yaml.YAMLError: as ``check_limits``.
    """
    check_limits(text)
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds nothing but texts, lists and dicts
