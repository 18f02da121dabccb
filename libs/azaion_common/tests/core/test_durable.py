"""Files that are whole or absent: what is said of a path that no file can have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from azaion_common.core.durable import make_folder, make_private_folder, storage_errors, write_file
from azaion_common.core.errors import PermanentError


def _write(path: Path) -> None:
    write_file(path, b"bread")


def _write_in_new_folder(path: Path) -> None:
    with storage_errors(path):
        make_folder(path.parent)
        path.write_bytes(b"bread")


@pytest.mark.parametrize("make", [_write, _write_in_new_folder, make_private_folder])
@pytest.mark.parametrize("name", ["file/bread", "file/in/bread"])
def test_a_file_in_the_place_of_a_folder_is_named(
    make: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    """Trying again does not make a folder of a file: what stands in the way is told, and for good."""
    (tmp_path / "file").write_bytes(b"in the way")

    with pytest.raises(PermanentError, match=f"{tmp_path / 'file'} is a file") as caught:
        make(tmp_path / name)

    assert caught.value.code == "folder_missing"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    """A folder is not replaced by a file, and trying again does not help."""
    (tmp_path / "folder").mkdir()

    with pytest.raises(PermanentError, match="is a folder") as caught:
        _write(tmp_path / "folder")

    assert caught.value.code == "not_a_file"
