"""From a catalogue file to plain values, with every fault told as one line that names file and field."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from azaion_common.core.errors import PermanentError

MAX_BYTES = 1 << 20
_Model = TypeVar("_Model", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """A safe YAML loader that refuses a key given twice: YAML itself would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """The text of a catalogue file of at most ``MAX_BYTES``; raises ``catalogue_invalid``."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise _invalid(str(path), f"{len(data)} bytes is too large for a catalogue")
        return data.decode("utf-8")
    except OSError as error:
        raise _invalid(str(path), error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise _invalid(str(path), "is not UTF-8 text") from error


def parse_yaml(text: str, source: str) -> Any:
    """The values of a YAML text; raises ``catalogue_invalid`` with the line of the fault."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (derives from SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise _invalid(source, f"{line}{error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _invalid(source, " ".join(str(error).split())) from error


def validated(kind: type[_Model], raw: Any, source: str) -> _Model:
    """``raw`` as a model; raises ``catalogue_invalid`` naming the first field that is wrong."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        field = _field(first["loc"])
        raise _invalid(source, f"{field}: {message}" if field else message) from error


def _field(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _invalid(source: str, problem: str) -> PermanentError:
    return PermanentError(
        "catalogue_invalid", f"{source}: {problem}", hint="deploy/catalogues/README.md describes the form"
    )
