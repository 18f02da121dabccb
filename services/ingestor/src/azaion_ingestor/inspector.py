"""Looks at pictures, and remembers what it saw: the platform sends the same ones again with every edit."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import nullcontext
from threading import BoundedSemaphore, Lock

from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.picture_process import PictureProcess, decoder_closed
from azaion_annotations.pictures import PictureFacts, describe, look

REMEMBERED = 4096
LARGE_BYTES = 16 << 20
LARGE_AT_ONCE = 1
"""Of the pictures that take more than so much to decode, however many threads there are."""


class Inspector:
    """``inspect_picture`` in two steps, with a memory of sound pictures. May be used from several threads."""

    def __init__(self, limits: PictureLimits) -> None:
        self._limits = limits
        self._process = PictureProcess(limits)
        self._facts: OrderedDict[str, PictureFacts] = OrderedDict()
        self._lock = Lock()
        self._large = BoundedSemaphore(LARGE_AT_ONCE)
        self._closed = False

    def inspect(self, data: bytes) -> PictureFacts | None:
        """What an ordinary picture shows; None when it is for ``inspect_costly``.

        Raises:
            PermanentError: as ``inspect_picture``.
            TransientError: ``decoder_closed``.
        """
        if self._closed:
            raise decoder_closed()
        structure = look(data, self._limits)
        if structure.is_costly:
            return None
        with self._large if structure.memory_bytes > LARGE_BYTES else nullcontext():
            return describe(structure)

    def inspect_again(self, data: bytes) -> PictureFacts | None:
        """As ``inspect``, of a picture that may be known."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self._lock:
            known = self._facts.get(sha256)
        return known or self.inspect(data)

    def inspect_costly(self, data: bytes) -> PictureFacts:
        """One at a time, in a process that is killed when it takes too long. Raises as ``PictureProcess.inspect``."""
        return PictureFacts(**self._process.inspect(data))

    def close(self) -> None:
        """Look at no further picture, and let go of the one that is being inspected in a process."""
        self._closed = True
        self._process.close()

    def remember(self, sha256: str, facts: PictureFacts) -> None:
        with self._lock:
            self._facts[sha256] = facts
            self._facts.move_to_end(sha256)
            if len(self._facts) > REMEMBERED:
                self._facts.popitem(last=False)
