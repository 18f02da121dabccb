"""Looks at pictures, and remembers what it saw: the platform sends the same ones again with every edit."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

from azaion_common.annotations.pictures import PictureFacts, inspect_picture

REMEMBERED = 4096


class Inspector:
    """``inspect_picture`` with a memory of sound pictures. May be used from several threads."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._facts: OrderedDict[str, PictureFacts] = OrderedDict()
        self._lock = Lock()

    def inspect(self, data: bytes) -> PictureFacts:
        """Raises as ``inspect_picture``."""
        return inspect_picture(data, max_pixels=self._max_pixels)

    def inspect_again(self, data: bytes) -> PictureFacts:
        """Of a picture that may be known; raises as ``inspect_picture``."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self._lock:
            known = self._facts.get(sha256)
        return known or self.inspect(data)

    def remember(self, sha256: str, facts: PictureFacts) -> None:
        with self._lock:
            self._facts[sha256] = facts
            self._facts.move_to_end(sha256)
            if len(self._facts) > REMEMBERED:
                self._facts.popitem(last=False)
