"""The errors of the whole system: each says whether trying again can help, and carries a stable code.

    AzaionError
    ├── TransientError   the outside world failed (network, disk full, busy): the same call may succeed later
    └── PermanentError   the input or the request is wrong: the same call will fail again
        └── SetupError   what is around the input is wrong (credentials, a missing bucket): somebody has to act

``code`` is part of the interface (logs, quarantine reasons, metrics, exit messages); the message is for people.
"""

from __future__ import annotations


class AzaionError(Exception):
    """An error with a stable ``code``, a message for people and, where one is known, what to do next."""

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process boundaries (worker pools): pickle must rebuild the keyword argument too.
        return (_rebuild, (type(self), self.code, self.message, self.hint))


class TransientError(AzaionError):
    """Something outside failed for now; the same call may succeed later."""


class PermanentError(AzaionError):
    """The input or the request is wrong; the same call would fail again."""


class SetupError(PermanentError):
    """What surrounds the input is wrong, so no input is to blame: a service stops and says so, and refuses nothing."""


def _rebuild(kind: type[AzaionError], code: str, message: str, hint: str | None) -> AzaionError:
    return kind(code, message, hint=hint)
