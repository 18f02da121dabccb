"""What the augmentor needs from outside."""

from __future__ import annotations

from typing import Protocol

from azaion_augmentor.tasks import Made, Task


class Multiplier(Protocol):
    """Makes the copies of one picture, somewhere else than in this thread."""

    async def multiply(self, task: Task) -> tuple[Made, ...]:
        """The original and its variants.

        Raises:
            PermanentError: ``picture_undecodable``, ``picture_too_large``, ``picture_crashes_worker``.
        """
