"""Big blobs do not need big memory."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from azaion_common.platform.storage.s3 import S3Location

SIZE_MIB = 200
MOST_MIB = 64.0
TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_memory_is_flat_with_big_files(s3_bucket: S3Location, tmp_path: Path) -> None:
    """200 MiB go in and out of the store with less than 64 MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "s3test.big_file", str(tmp_path), str(SIZE_MIB)],
        input=json.dumps(asdict(s3_bucket)),
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < MOST_MIB
    assert filecmp.cmp(tmp_path / "source", tmp_path / "fetched", shallow=False)
    for name in ("source", "fetched"):  # pytest would keep them for a while
        (tmp_path / name).unlink()
