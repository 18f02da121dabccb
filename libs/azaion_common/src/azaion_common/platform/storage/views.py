"""Folders that people browse: ``images/NAME.jpg`` and ``labels/NAME.txt`` as hard links to blobs.

A view is never the truth: the ledger can rebuild it, so links are not fsynced one by one. Its files are read-only: what
somebody wrote there would change nothing.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import uuid4

from azaion_common.core.durable import storage_errors
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}


def suffix_of(media_type: str) -> str:
    """File suffix for a media type that views know.

    Raises:
        PermanentError: ``media_type_unknown``.
    """
    try:
        return _SUFFIXES[media_type]
    except KeyError:
        raise PermanentError("media_type_unknown", f"no file suffix is known for {media_type}") from None


class FolderView:
    """One browsable folder with ``images/`` and ``labels/``."""

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs

    async def show(self, name: str, *, image_sha256: str, media_type: str, labels_sha256: str) -> None:
        """Make the pair visible under ``name``, replacing what was there."""
        image = self._image(name, media_type)
        labels = self._labels(name)
        _make_folder(image.parent)
        _make_folder(labels.parent)
        await self._blobs.fetch(image_sha256, image)
        await self._blobs.fetch(labels_sha256, labels)

    async def show_text(self, name: str, *, image_sha256: str, media_type: str, labels: str) -> None:
        """As ``show``, for labels that lie in a ledger and not in the store: a small file is written, not linked."""
        image = self._image(name, media_type)
        _make_folder(image.parent)
        await self._blobs.fetch(image_sha256, image)
        await asyncio.to_thread(_write_text, self._labels(name), labels)

    async def describe(self, note: str) -> None:
        """Leave ``note`` in the folder for whoever browses it, as ``README.txt``."""
        await asyncio.to_thread(_write_text, self._root / "README.txt", note)

    async def hide(self, name: str) -> None:
        """Remove the pair; what is not there is fine."""
        await asyncio.to_thread(self._hide, name)

    def _hide(self, name: str) -> None:
        for media_type in ("image/jpeg", "image/png"):
            self._image(name, media_type).unlink(missing_ok=True)
        self._labels(name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Names of the pairs (or half pairs) that are visible."""
        return {path.stem for part in ("images", "labels") for path in (self._root / part).glob("[!.]*.*")}

    def _image(self, name: str, media_type: str) -> Path:
        return self._root / "images" / f"{name}{suffix_of(media_type)}"

    def _labels(self, name: str) -> Path:
        return self._root / "labels" / f"{name}.txt"


def _make_folder(folder: Path) -> None:
    """Checked for each file, because people may move folders away. ``is_dir`` is cheaper than a ``mkdir`` that fails."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)


def _write_text(path: Path, text: str) -> None:
    """Whole or absent after a kill, and not to be written to: nobody would read it. Not fsynced, because a view can be
    made again.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with storage_errors(path):
        try:
            _make_folder(path.parent)
            with temporary.open("xb") as file:
                os.fchmod(file.fileno(), 0o444)  # whatever the umask
                file.write(text.encode())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
