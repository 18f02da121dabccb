"""JSON in which nothing can be meant twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

_MAX_FIELDS = 16


def strict_json(data: bytes) -> Any:
    """What ``data`` says in JSON (RFC 8259) that can be read in one way only.

    Raises:
        ValueError: not UTF-8, no JSON, a name said twice, more than 16 names in an object, a number that is none, too
            deep; the message repeats nothing of ``data``.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except _AmbiguousError:
        raise
    except RecursionError:
        raise ValueError("the JSON is too deep") from None
    except ValueError:
        raise ValueError("no JSON in UTF-8, or a number of thousands of digits") from None


class _AmbiguousError(ValueError):
    """JSON that readers take differently."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _MAX_FIELDS:
        raise _AmbiguousError(f"an object has more than {_MAX_FIELDS} names")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _AmbiguousError("an object says a name twice")
    return found


def _refuse_constant(_text: str) -> Any:
    raise _AmbiguousError("a number is none")
