"""Looks at pictures, each of them once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

from azaion_common.annotations.pictures import PictureFacts, inspect_picture

_REMEMBERED = 4096


class Inspector:
    """``inspect_picture`` with a memory of sound pictures: the platform sends the same ones again with every edit."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._facts: OrderedDict[bytes, PictureFacts] = OrderedDict()
        self._lock = Lock()

    def inspect(self, data: bytes) -> PictureFacts:
        """Raises as ``inspect_picture``. May be called from several threads."""
        digest = hashlib.sha256(data).digest()
        with self._lock:
            known = self._facts.get(digest)
        facts = known or inspect_picture(data, max_pixels=self._max_pixels)
        with self._lock:
            self._facts[digest] = facts
            self._facts.move_to_end(digest)
            if len(self._facts) > _REMEMBERED:
                self._facts.popitem(last=False)
        return facts
