"""Every setting with its meaning, taken from the classes that hold them: what is shown cannot be out of date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.discovery import ORDER
from azaion_common.platform.runtime.settings import PlatformSettings, ServiceSettings

PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a reader needs it."""

    section: str
    name: str
    variable: str
    """The environment variable; with ``_FILE`` behind it, one that names a file with the value."""
    kind: str
    default: str
    meaning: str

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"


def settings_classes(wanted: str | None = None) -> dict[str, type[ServiceSettings]]:
    """Sections of ``azaion.yaml`` in the order of the loop, ``platform`` first; only ``wanted`` where one is named.

    Raises:
        PermanentError: ``section_unknown``.
    """
    points = {point.name: point for point in entry_points(group="azaion.settings")}
    names = [PLATFORM, *(name for name in ORDER if name in points), *sorted(set(points) - set(ORDER))]
    if wanted is not None and wanted not in names:
        raise PermanentError(
            "section_unknown", f"there is no section {wanted!r}", hint=f"there are: {', '.join(names)}"
        )
    chosen = names if wanted is None else [wanted]
    return {name: PlatformSettings if name == PLATFORM else points[name].load() for name in chosen}


def describe(section: str, settings: type[ServiceSettings]) -> Iterator[Setting]:
    """The settings of one section, in the order in which they are written."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield Setting(
            section=section,
            name=name,
            variable=f"{prefix}{name.upper()}",
            kind=_kind(field.annotation),
            default=_default(field),
            meaning=" ".join((field.description or "").split()),
        )


def shown(value: Any) -> str:
    """A value as one writes it in YAML; secrets stay secret (``SecretStr`` shows stars), nothing is ``none``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(shown, value)) or "none"
    return str(value) if value not in ("", {}) else "none"


def _default(field: FieldInfo) -> str:
    if field.default is not PydanticUndefined:
        return shown(field.default)
    factory = getattr(field.default_factory, "__name__", "")
    return "none" if factory in ("dict", "list", "tuple") else f"by {factory}"


def _kind(annotation: Any) -> str:
    """The type in words: ``text or none``, ``one of base, slots``."""
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join("none" if each is NoneType else _kind(each) for each in get_args(annotation))
    name = getattr(annotation, "__name__", str(annotation))
    words = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "SecretStr": "secret",
    }
    if name == "Literal":
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    return words.get(name, name.lower())
