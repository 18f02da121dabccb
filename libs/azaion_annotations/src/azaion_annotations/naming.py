"""Which name each picture of an import has: a name belongs to one picture for good, and a picture keeps its name.

The stem of its file, where no other picture has that name, in the store or before it in the folder; else the stem
with a piece of its own digest. So the name does not depend on the order of imports or on what else is imported, but
for whose picture came first.
"""

from __future__ import annotations

from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations.names import is_name_of, name_for_stem, name_with_digest
from azaion_common.core.errors import PermanentError


class Naming:
    """Gives names to the pictures of one import, one after the other."""

    def __init__(self, stored: StoredPictures, *, replace: bool) -> None:
        """``replace``: other bytes under a known name are the same picture, anew."""
        self._stored = stored
        self._replace = replace
        self._by_content = stored.by_content()
        self._given: dict[str, str] = {}

    def name(self, stem: str, sha256: str) -> str:
        """The name of the picture with these bytes from a file with this stem; the same again for the same picture.

        Raises:
            PermanentError: ``name_taken``: two pictures have even the beginning of their digests in common.
        """
        own = name_for_stem(stem)
        known = [each for each in self._by_content.get(sha256, ()) if is_name_of(each, own)]
        candidates = (own, *sorted(known)) if own in known or not known else tuple(sorted(known))
        for name in (*candidates, name_with_digest(own, sha256)):
            if self._holder(name) in {None, sha256}:
                self._given[name] = sha256
                return name
        others = f"{own!r} and {name_with_digest(own, sha256)!r}"
        raise PermanentError("name_taken", f"other pictures are called {others}")

    def _holder(self, name: str) -> str | None:
        """SHA-256 of the picture that has ``name``."""
        if name in self._given:
            return self._given[name]
        stored = self._stored.pictures.get(name)
        return None if stored is None or self._replace else stored.sha256
