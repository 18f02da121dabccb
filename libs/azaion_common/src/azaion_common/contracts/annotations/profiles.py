"""What the platform's integers mean. The same status numbers changed their meaning over time, so a profile is chosen.

===========  ======================  ==============================
status       profile ``2024``        profile ``2025``
===========  ======================  ==============================
10           Created                 Pending: as created
20           Edited                  Accepted: as validated
30           Validated               Rejected: as deleted
40           Deleted                 Deleted
===========  ======================  ==============================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum, StrEnum

from azaion_common.core.errors import PermanentError

STATUS_PROPERTY = "AnnotationStatus"
DEFAULT_PROFILE = "2024"


class Action(StrEnum):
    """What a message wants done."""

    CREATED = "created"
    EDITED = "edited"
    VALIDATED = "validated"
    DELETED = "deleted"


class Role(IntEnum):
    """Who annotated."""

    OPERATOR = 10
    VALIDATOR = 20
    COMPANION_PC = 30
    ADMIN = 40
    API_ADMIN = 1000


VALIDATORS = frozenset({Role.VALIDATOR, Role.ADMIN, Role.API_ADMIN})

PROFILES: Mapping[str, Mapping[int, Action]] = {
    "2024": {10: Action.CREATED, 20: Action.EDITED, 30: Action.VALIDATED, 40: Action.DELETED},
    "2025": {10: Action.CREATED, 20: Action.VALIDATED, 30: Action.DELETED, 40: Action.DELETED},
}


def action_of(properties: Mapping[str, object], profile: str) -> Action:
    """The action that the application property ``AnnotationStatus`` (a number or its text) asks for.

    Raises:
        PermanentError: ``unknown_status`` when it is missing or means nothing in ``profile``.
    """
    status = properties.get(STATUS_PROPERTY)
    number = int(status) if isinstance(status, str) and re.fullmatch("[0-9]{1,9}", status) else status
    if type(number) is not int or number not in PROFILES[profile]:
        shown = "no status" if status is None else f"status {str(status)[:40]!r}"
        raise PermanentError("unknown_status", f"{shown} is none that profile {profile} knows")
    return PROFILES[profile][number]


def status_of(action: Action, profile: str = DEFAULT_PROFILE) -> int:
    """The number that says ``action`` in ``profile``; raises ``unknown_status`` when it has none."""
    for number, meaning in PROFILES[profile].items():
        if meaning is action:
            return number
    raise PermanentError("unknown_status", f"profile {profile} has no number for '{action}'")
