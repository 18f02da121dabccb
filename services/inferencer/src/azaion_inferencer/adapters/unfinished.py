"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from azaion_common.storage.durable import fsync_folder, storage_errors


class UnfinishedFile:
    """A temporary file beside ``path`` that takes its place when it is published.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
        PermanentError: ``not_writable``; at once, not after an hour of inference.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.temporary.touch(exist_ok=False)

    def leave(self, error: type[BaseException] | None) -> None:
        """Publish, or after an error discard."""
        if error is None:
            self._publish()
        self.temporary.unlink(missing_ok=True)

    def _publish(self) -> None:
        with storage_errors(self.path):
            with self.temporary.open("rb") as written:
                os.fsync(written.fileno())
            self.temporary.replace(self.path)
            fsync_folder(self.path.parent)
