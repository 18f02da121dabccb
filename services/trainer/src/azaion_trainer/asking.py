"""Checks ``KEY=VALUE`` words when they are typed, against the one list of settings: ours, and the toolchain's."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from azaion_common.core.errors import PermanentError
from azaion_trainer.parameters import TrainingWishes
from azaion_trainer.ports import KnownSettings

OWN = tuple(name for name in TrainingWishes.model_fields if name != "overrides")
_TEXTS = ("device", "weights", "architecture")
_REQUIRED = {"batch": 16, "architecture": "yolo11n"}


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """``["epochs=50", "cos_lr=true"]`` as values; YAML decides what is a number, a truth value or text.

    Raises:
        PermanentError: ``setting_malformed``, ``setting_invalid`` for a number that is none (nan).
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise _malformed(f"'{pair}' is not KEY=VALUE")
        if name in settings:
            raise _malformed(f"{name} is given twice")
        settings[name] = value if name in _TEXTS else _value(pair, value)
    return settings


def check_own(settings: Mapping[str, Any]) -> None:
    """Raises PermanentError ``setting_invalid`` for a value that a setting of ours does not take."""
    own = {name: value for name, value in settings.items() if name in OWN}
    for name, value in own.items():
        if isinstance(value, bool):
            raise _invalid(f"{name} takes a number, not {str(value).lower()}")
    try:
        TrainingWishes.model_validate({**_REQUIRED, **own})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        message = first["msg"].removeprefix("Input ").replace("be a valid integer", "be a whole number")
        raise _invalid(f"{name} {message}, not {own[name]!r}") from error


def check_theirs(settings: Mapping[str, Any], known: KnownSettings) -> None:
    """What is not ours is the toolchain's.

    Raises:
        PermanentError: ``setting_unknown`` with the nearest name, ``setting_invalid`` with what the setting takes.
    """
    for name in settings:
        if name not in OWN and name not in known.settings:
            raise PermanentError(
                "setting_unknown",
                f"there is no training setting {name}",
                hint=nearest(name, [*OWN, *known.settings], "azaion train --list lists them all"),
            )
    for problem in known.problems.values():
        raise _invalid(problem)
    architecture = settings.get("architecture")
    if architecture is not None and architecture not in known.architectures:
        raise PermanentError(
            "setting_invalid",
            f"there is no architecture {architecture}",
            hint=nearest(str(architecture), known.architectures, "for example: yolo11n"),
        )


def nearest(name: str, names: Collection[str], otherwise: str) -> str:
    """A hint to the name that was perhaps meant."""
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else otherwise


def _value(pair: str, text: str) -> Any:
    """YAML 1.1 takes 1e-3 for a text; here it is a number."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _malformed(f"'{pair}' has no readable value") from error
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(f"'{pair}' has no finite number")
    return value


def _malformed(message: str) -> PermanentError:
    return PermanentError("setting_malformed", message, hint="for example epochs=50")


def _invalid(message: str) -> PermanentError:
    return PermanentError("setting_invalid", message, hint="azaion train --list says what each setting takes")
