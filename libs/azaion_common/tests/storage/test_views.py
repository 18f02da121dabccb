"""What people browse."""

from __future__ import annotations

import os
from pathlib import Path

from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.storage.views import FolderView


async def test_a_pair_may_be_read_by_all_and_written_by_nobody(tmp_path: Path) -> None:
    """Picture and labels have the same rights, whatever the umask of the service: boxes are seen where pictures are."""
    blobs = FileBlobStore.open(tmp_path / "blobs")
    view = FolderView(tmp_path / "data", blobs)
    before = os.umask(0o077)
    try:
        image = await blobs.put(b"a picture", "image/jpeg")
        await view.show_text(
            "a", image_sha256=image.sha256, media_type=image.media_type, labels="0 0.5 0.5 0.1 0.1\n"
        )
    finally:
        os.umask(before)

    modes = [path.stat().st_mode & 0o777 for path in sorted((tmp_path / "data").glob("*/*"))]
    assert modes == [0o444, 0o444]
