"""The catalogue as a value: base classes, conditions, and the mapping of both onto a model's slots.

A slot is the class id a trainer sees: ``class id + offset of the condition``. Every consecutive pair of offsets
leaves room for the base ids between them, so that the mapping is one to one. Free slots are named ``Class-N``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import rfc8785
import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from azaion_common.contracts.catalogue.colours import derived_colour
from azaion_common.contracts.catalogue.reading import parse_yaml, read_text, validated
from azaion_common.contracts.events.references import MAX_CLASSES, MAX_NAME
from azaion_common.core.errors import PermanentError

DEFAULT_SLOTS = 80
_DEFAULT_CONDITIONS = {"Norm": 0, "Wint": 20, "Night": 40}
_PLACEHOLDER = re.compile(r"Class-\d+")

Name = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?$"),
]


class CatalogueClass(BaseModel):
    """One base class. A colour that is left out is derived from the id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: StrictInt = Field(ge=0)
    name: Name
    colour: StrictStr = Field(default="", pattern=r"^#[0-9a-f]{6}$")

    @model_validator(mode="before")
    @classmethod
    def _colour_in_one_form(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        colour = raw.get("colour")
        if colour is None and type(raw.get("id")) is int:
            colour = derived_colour(raw["id"])
        return {**raw, "colour": colour.lower() if isinstance(colour, str) else colour}


class Catalogue(BaseModel):
    """Base classes and conditions, and their place in ``slots`` class ids. Immutable; equal content, equal digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: Name
    slots: StrictInt = Field(default=DEFAULT_SLOTS, ge=1, le=MAX_CLASSES)
    conditions: dict[Name, Annotated[StrictInt, Field(ge=0)]] = Field(min_length=1)
    classes: tuple[CatalogueClass, ...] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a catalogue file.

        Raises:
            PermanentError: ``catalogue_invalid``, naming the file and the field, if it is missing or not a catalogue.
        """
        return validated(cls, parse_yaml(read_text(path), str(path)), str(path))

    @classmethod
    def default(cls) -> Self:
        """The neutral aerial catalogue that ships with this package."""
        text = (
            resources.files("azaion_common.contracts.catalogue")
            .joinpath("aerial.yaml")
            .read_text(encoding="utf-8")
        )
        return validated(cls, parse_yaml(text, "aerial.yaml"), "aerial.yaml")

    @classmethod
    def from_names(cls, names: Sequence[str], *, name: str = "names") -> Self:
        """A catalogue for a list of class names, ids in their order; three conditions if they fit, else ``Norm`` only.
        Names of slots (``car (Wint)``) are of one class, where the catalogue has their condition.

        Raises:
            PermanentError: ``catalogue_invalid`` for an empty list, more than a thousand names, or a name twice.
        """
        classes: Sequence[str] = _classes_of(names, _DEFAULT_CONDITIONS)
        fits = len(classes) <= min(b - a for a, b in pairwise(_DEFAULT_CONDITIONS.values()))
        if not fits:
            classes = names
        raw = {
            "name": name,
            "slots": max(DEFAULT_SLOTS, len(classes)),
            "conditions": _DEFAULT_CONDITIONS if fits else {"Norm": 0},
            "classes": [{"id": number, "name": each} for number, each in enumerate(classes)],
        }
        return validated(cls, raw, f"class names of '{name}'")

    def with_classes(self, names: Sequence[str]) -> Self:
        """This catalogue and, after its own classes, those of ``names`` that it does not have; itself if it has all.

        Raises:
            PermanentError: ``catalogue_full`` when a condition has no room for them, ``catalogue_invalid``.
        """
        unknown = dict.fromkeys(name for name in names if self.find(name) is None)
        missing = [name for name in _classes_of(list(unknown), self.conditions) if self.find(name) is None]
        if not missing:
            return self
        first, room = max(self._by_id) + 1, self._room
        if first + len(missing) > room:
            raise PermanentError(
                "catalogue_full",
                f"catalogue '{self.name}' has ids for {room} classes in each condition, no room for {', '.join(missing)}",
                hint="give fewer conditions or more slots in its file; deploy/catalogues/README.md describes the form",
            )
        added = [{"id": first + index, "name": name} for index, name in enumerate(missing)]
        raw = self.model_dump()
        raw["classes"] = [*raw["classes"], *added]
        return validated(type(self), raw, f"classes added to '{self.name}'")

    @property
    def _room(self) -> int:
        """How many ids fit between two conditions."""
        return min(b - a for a, b in pairwise([*sorted(self.conditions.values()), self.slots]))

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        offsets = sorted(self.conditions.values())
        if len(set(offsets)) < len(offsets):
            raise ValueError("conditions: two conditions have the same offset")
        room = self._room
        for number, entry in enumerate(self.classes):
            if entry.id >= room:
                raise ValueError(
                    f"classes[{number}].id: {entry.id} leaves its condition: ids must be below {max(room, 0)}"
                )
        self._refuse_doubles()
        return self

    def _refuse_doubles(self) -> None:
        _refuse_double("classes.id", [entry.id for entry in self.classes])
        _refuse_double("classes.name", [entry.name for entry in self.classes])
        taken = [entry.name for entry in self.classes if _PLACEHOLDER.fullmatch(entry.name)]
        if taken:
            raise ValueError(f"classes.name: '{taken[0]}' is how free slots are named")
        # 'car (Wint)' as a base class beside 'car' would make two slots indistinguishable by name.
        _refuse_double("classes.name", self.slot_names())

    @cached_property
    def _by_id(self) -> dict[int, CatalogueClass]:
        return {entry.id: entry for entry in self.classes}

    @cached_property
    def _by_slot(self) -> dict[int, tuple[int, str]]:
        return {
            entry.id + offset: (entry.id, condition)
            for condition, offset in self.conditions.items()
            for entry in self.classes
        }

    @cached_property
    def _by_name(self) -> dict[str, tuple[int, str | None]]:
        """What a name says of class and condition; a bare name leaves the condition open."""
        bare: dict[str, tuple[int, str | None]] = {entry.name: (entry.id, None) for entry in self.classes}
        full: dict[str, tuple[int, str | None]] = {
            f"{entry.name} ({condition})": (entry.id, condition)
            for entry in self.classes
            for condition in self.conditions
        }
        return full | bare

    @cached_property
    def _by_folded_name(self) -> dict[str, tuple[int, str | None]]:
        """Letter case aside, where that leaves no doubt."""
        times = Counter(name.casefold() for name in self._by_name)
        folded = ((name.casefold(), meaning) for name, meaning in self._by_name.items())
        return {name: meaning for name, meaning in folded if times[name] == 1}

    def find(self, name: str) -> tuple[int, str | None] | None:
        """Class id and condition that a name stands for, letter case aside where that leaves no doubt; None: no class
        is called so. A slot's name (``car (Wint)``) says its condition; a bare one says none, so the condition is None.
        """
        name = name.strip()
        class_name, condition = _parted(name, self.conditions)
        as_written_here = f"{class_name} ({condition})" if condition else name
        return (
            self._by_name.get(name)
            or self._by_name.get(as_written_here)
            or self._by_folded_name.get(as_written_here.casefold())
        )

    def names_condition(self, name: str) -> bool:
        """Whether ``name`` says one of the conditions, as a slot's name does, be its class known or not."""
        return _parted(name.strip(), self.conditions)[1] is not None

    @property
    def plain_condition(self) -> str:
        """The condition with the lowest offset: its slots carry the bare class names."""
        return min(self.conditions, key=self.conditions.__getitem__)

    def entry(self, class_id: int) -> CatalogueClass:
        """The base class with this id.

        Raises:
            PermanentError: ``unknown_class``.
        """
        try:
            return self._by_id[class_id]
        except KeyError:
            raise PermanentError(
                "unknown_class", f"catalogue '{self.name}' has no class {class_id}"
            ) from None

    def colour(self, class_id: int) -> str:
        """``#rrggbb`` of a base class; raises like ``entry``."""
        return self.entry(class_id).colour

    def slot(self, class_id: int, condition: str) -> int:
        """The slot of a base class in a condition.

        Raises:
            PermanentError: ``unknown_class`` or ``unknown_condition``.
        """
        if condition not in self.conditions:
            known = ", ".join(self.conditions)
            raise PermanentError(
                "unknown_condition",
                f"catalogue '{self.name}' has no condition '{condition}'",
                hint=f"it has {known}",
            )
        return self.entry(class_id).id + self.conditions[condition]

    def decode(self, slot: int) -> tuple[int, str]:
        """The base class id and condition that a slot stands for.

        Raises:
            PermanentError: ``unknown_class`` for a free slot or one outside the range.
        """
        try:
            return self._by_slot[slot]
        except KeyError:
            raise PermanentError(
                "unknown_class", f"catalogue '{self.name}' leaves slot {slot} free"
            ) from None

    def resolve(self, name: str, slot: int) -> tuple[int, str]:
        """The base class id and condition of an object that somebody calls ``name`` and gives a ``slot``.

        The name counts, also with its condition (``car (Wint)``): slots change their meaning as classes are added. A
        name that is none of the catalogue's leaves it to the slot.

        Raises:
            PermanentError: ``unknown_class`` when neither says anything.
        """
        named = self.find(name)
        if named is not None:
            class_id, condition = named
            return class_id, condition or self._condition_around(slot)
        try:
            return self._by_slot[slot]
        except KeyError:
            leaves_free = f", and leaves slot {slot} free" if slot in range(self.slots) else ""
            shown = f"'{name[:MAX_NAME]}'{leaves_free}" if name else f"in slot {slot}"
            raise PermanentError(
                "unknown_class",
                f"catalogue '{self.name}' has no class {shown}",
                hint="add the class to the catalogue, start the services again, and requeue the dead letter",
            ) from None

    def _condition_around(self, slot: int) -> str:
        """The condition in whose part of the slots ``slot`` lies, taken or free."""
        below = [name for name, offset in self.conditions.items() if offset <= slot < self.slots]
        return max(below, key=self.conditions.__getitem__, default=self.plain_condition)

    def slot_names(self) -> tuple[str, ...]:
        """The names of all slots in order: ``car``, ``car (Wint)``, and ``Class-N`` where slot N is free."""
        return tuple(self._slot_name(slot) for slot in range(self.slots))

    def _slot_name(self, slot: int) -> str:
        if slot not in self._by_slot:
            return f"Class-{slot}"
        class_id, condition = self._by_slot[slot]
        name = self._by_id[class_id].name
        return name if condition == self.plain_condition else f"{name} ({condition})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON form (RFC 8785): equal for files that differ in layout only."""
        return hashlib.sha256(rfc8785.dumps(self._canonical())).hexdigest()

    def _canonical(self) -> dict[str, Any]:
        classes = sorted(self.classes, key=lambda entry: entry.id)
        return {**self.model_dump(), "classes": [entry.model_dump() for entry in classes]}

    def dump(self, path: Path) -> None:
        """Write the catalogue as YAML that ``load`` reads back to an equal catalogue."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")


def _refuse_double(field: str, values: Sequence[object]) -> None:
    value, times = Counter(values).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{field}: {value!r} is there {times} times")


def _classes_of(names: Sequence[str], conditions: Iterable[str]) -> list[str]:
    """The classes that names of classes and of slots are of, in order; a name that is there twice stays so."""
    classes = [_parted(name, conditions)[0] for name in names]
    return list(dict.fromkeys(classes)) if len(set(names)) == len(names) else classes


def _parted(name: str, conditions: Iterable[str]) -> tuple[str, str | None]:
    """Class and condition of a slot's name (``car (Wint)``), however it is spaced and its condition written; any other
    name is a class's own.
    """
    for condition in conditions:
        ending = f" ({condition})"
        class_name = name[: -len(ending)].rstrip()
        if class_name and name[-len(ending) :].casefold() == ending.casefold():
            return class_name, condition
    return name, None
