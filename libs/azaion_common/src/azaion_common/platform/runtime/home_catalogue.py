"""The class catalogue of a home: which one somebody means, and how it becomes the home's.

What is imported must mean the same to every service, so a home has one catalogue for good; classes are only added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.durable import write_file
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.platform import catalogue_of
from azaion_common.platform.runtime.settings import FILE_NAME, PlatformSettings
from azaion_common.platform.runtime.transports import log_path

OWN = "own"
CATALOGUE_NAME = "catalogue.yaml"


@dataclass(frozen=True, slots=True)
class ChosenCatalogue:
    """The catalogue to work by, and what of it is new to the home."""

    catalogue: Catalogue
    is_new: bool = False
    """It has yet to be written."""
    added: tuple[str, ...] = ()
    """Classes that a catalogue in use gains."""


def choose_catalogue(
    choice: str | None, home: Path, settings: PlatformSettings, own_names: Sequence[str], own_name: str
) -> ChosenCatalogue:
    """What ``choice`` means: None the home's, ``own`` one with ``own_names``, else a file.

    Raises:
        PermanentError: ``catalogue_differs``, ``catalogue_full``, ``catalogue_invalid``.
    """
    unused = settings.catalogue is None and settings.streams_url is None and not log_path(home).exists()
    if choice is None:
        return ChosenCatalogue(catalogue_of(home, settings))
    if choice == OWN and unused:
        return ChosenCatalogue(Catalogue.from_names(own_names, name=own_name), is_new=True)
    if choice == OWN:
        return _extended(home, settings, own_names)
    named = Catalogue.load(Path(choice))
    if unused:
        return ChosenCatalogue(named, is_new=True)
    if _meaning(named) != _meaning(catalogue_of(home, settings)):
        raise PermanentError(
            "catalogue_differs",
            f"{home} already works with another catalogue",
            hint=f"set platform.catalogue in {home / FILE_NAME}, or take another --home",
        )
    return ChosenCatalogue(catalogue_of(home, settings))


def _extended(home: Path, settings: PlatformSettings, names: Sequence[str]) -> ChosenCatalogue:
    """The catalogue in use with the classes that it lacks; only one of the home's own is written to."""
    current = catalogue_of(home, settings)
    missing = tuple(name for name in dict.fromkeys(names) if current.find(name) is None)
    if not missing:
        return ChosenCatalogue(current)
    is_ours = settings.catalogue is None or home / settings.catalogue.expanduser() == home / CATALOGUE_NAME
    if settings.streams_url is not None or not is_ours:
        raise PermanentError(
            "catalogue_differs",
            f"the catalogue in use has no class {', '.join(missing)}",
            hint=f"add them to the file that platform.catalogue names, for every service ({settings.catalogue})",
        )
    extended = current.with_classes(names)
    added = tuple(entry.name for entry in extended.classes[len(current.classes) :])
    return ChosenCatalogue(extended, is_new=True, added=added)


def adopt(chosen: ChosenCatalogue, home: Path) -> None:
    """Make a new catalogue the one of ``home``, which is there, from the next start of its services on.

    Raises:
        PermanentError: ``settings_invalid`` when ``azaion.yaml`` cannot be made to name it.
        TransientError: ``disk_full``.
    """
    if not chosen.is_new:
        return
    chosen.catalogue.dump(home / CATALOGUE_NAME)
    path = home / FILE_NAME
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    named = _naming_catalogue(text)
    if named is None:
        raise PermanentError(
            "settings_invalid",
            f"{path} cannot be made to name {CATALOGUE_NAME}",
            hint=f"write catalogue: {CATALOGUE_NAME} into its section platform",
        )
    if named != text:
        write_file(path, named.encode())


def are_services_running(home: Path) -> bool:
    """Whether a process that runs services on ``home`` tells its address."""
    return any((home / "run").glob("*.json"))


def _meaning(catalogue: Catalogue) -> tuple[object, ...]:
    """All but the name and the colours."""
    classes = sorted((entry.id, entry.name) for entry in catalogue.classes)
    return catalogue.slots, sorted(catalogue.conditions.items()), classes


def _naming_catalogue(text: str) -> str | None:
    """The settings in ``text`` with the catalogue named; its comments stay. None: there is no simple way."""
    line = f"  catalogue: {CATALOGUE_NAME}\n"
    candidates = (
        text,
        text.replace("platform:\n", f"platform:\n{line}", 1),
        text.replace("platform: {", f"platform: {{catalogue: {CATALOGUE_NAME}, ", 1),
        f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}platform:\n{line}",
    )
    return next((each for each in candidates if _names_catalogue(each)), None)


def _names_catalogue(text: str) -> bool:
    try:
        content = yaml.safe_load(text)
        return content["platform"]["catalogue"] == CATALOGUE_NAME and text.count("platform:") == 1
    except (yaml.YAMLError, TypeError, KeyError):
        return False
