"""Backup and restore of the containers' volumes, with a Docker that is played by folders."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE_DOCKER = """#!/bin/bash
# Volumes are folders of $FAKE/volumes; `docker run` runs the program in them; pause runs what a test has put down.
case "$*" in
  "compose config --format json") echo '{'; echo '  "name": "azaion",'; echo '}' ;;
  *"config --volumes") printf 'blobs\\nledgers\\n' ;;
  "compose ps"*) cat "$FAKE/running" ;;
  "compose pause") echo pause >> "$FAKE/said"; [ ! -e "$FAKE/on_pause" ] || bash "$FAKE/on_pause" ;;
  "compose unpause") echo unpause >> "$FAKE/said" ;;
  "compose up --no-start") mkdir -p "$FAKE/volumes/blobs" "$FAKE/volumes/ledgers" ;;
  "volume ls"*) all=$*; name=${all##*volume=}; [ ! -d "$FAKE/volumes/$name" ] || echo "$name" ;;
  run*)
    for ((i = 1; i <= $#; i++)); do
      case ${!i} in
        -v) j=$((i + 1)); value=${!j}
            case $value in *:/volume:*) volume=$FAKE/volumes/${value%%:*} ;; *:/backup) backup=${value%:/backup} ;; esac ;;
        postgres:17) k=$((i + 1)) ;;
      esac
    done
    arguments=("${@:k}"); arguments=("${arguments[@]//\\/volume/$volume}")
    exec tar "${arguments[@]//\\/backup/$backup}" ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which volumes lie and words are noted."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE_DOCKER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("FAKE", str(tmp_path))
    for volume in ("blobs", "ledgers"):
        (tmp_path / "volumes" / volume).mkdir(parents=True)
    (tmp_path / "running").write_text("ingestor\n")
    (tmp_path / "said").touch()
    return tmp_path


def script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy" / name, *arguments], capture_output=True, text=True, check=False)


def restored(docker: Path, *arguments: str | Path) -> dict[str, str]:
    """What is in the volumes after they were lost and filled from the backup."""
    shutil.rmtree(docker / "volumes")
    done = script("restore.sh", docker / "backup", *arguments)
    assert done.returncode == 0, done.stderr
    volumes = docker / "volumes"
    return {str(path.relative_to(volumes)): path.read_text() for path in volumes.rglob("*") if path.is_file()}


def test_what_is_written_until_the_freeze_is_in_the_backup(docker: Path) -> None:
    """It is copied while everything runs; what changes meanwhile is copied again while everything stands still."""
    (docker / "volumes/blobs/a").write_text("whole")
    (docker / "volumes/ledgers/log").write_text("before")
    (docker / "on_pause").write_text('echo after > "$FAKE/volumes/ledgers/log"; rm "$FAKE/volumes/blobs/a"\n')

    done = script("backup.sh", docker / "backup")

    assert done.returncode == 0, done.stderr
    assert (docker / "said").read_text().split() == ["pause", "unpause"]
    assert restored(docker) == {"ledgers/log": "after\n"}


def test_a_second_backup_holds_what_has_changed_and_both_can_be_restored(docker: Path) -> None:
    """A picture that was there before is not copied again, and what was deleted stays deleted."""
    (docker / "volumes/blobs/old").write_text("x" * 100_000)
    (docker / "volumes/blobs/gone").write_text("gone")
    assert script("backup.sh", docker / "backup").returncode == 0
    (docker / "volumes/blobs/gone").unlink()
    (docker / "volumes/blobs/new").write_text("new")

    assert script("backup.sh", docker / "backup").returncode == 0

    assert (docker / "backup/0002a/blobs.tar").stat().st_size < 50_000
    assert restored(docker).keys() == {"blobs/old", "blobs/new"}
    assert restored(docker, "1").keys() == {"blobs/old", "blobs/gone"}


def test_a_backup_that_fails_lets_everything_run_on_and_leaves_the_one_before(docker: Path) -> None:
    """Containers are not left frozen, and half a backup is none."""
    (docker / "volumes/blobs/a").write_text("a")
    assert script("backup.sh", docker / "backup").returncode == 0
    (docker / "on_pause").write_text('rm -r "$FAKE/backup/.new/0002b"\n')
    (docker / "said").write_text("")

    assert script("backup.sh", docker / "backup").returncode != 0

    assert (docker / "said").read_text().split() == ["pause", "unpause"]
    assert sorted(path.name for path in (docker / "backup").glob("0*")) == ["0001a", "0001b"]


def test_a_damaged_backup_restores_nothing(docker: Path) -> None:
    """One byte that is not what it was is told before anything is touched."""
    (docker / "volumes/blobs/a").write_text("a")
    assert script("backup.sh", docker / "backup").returncode == 0
    with (docker / "backup/0001a/blobs.tar").open("r+b") as file:
        file.write(b"?")
    shutil.rmtree(docker / "volumes")

    done = script("restore.sh", docker / "backup")

    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (docker / "volumes").exists()


def test_nothing_that_is_there_is_restored_over(docker: Path) -> None:
    """A system that has volumes keeps them."""
    (docker / "volumes/blobs/a").write_text("a")
    assert script("backup.sh", docker / "backup").returncode == 0
    (docker / "volumes/blobs/a").write_text("b")

    assert "exists" in script("restore.sh", docker / "backup").stderr
    assert (docker / "volumes/blobs/a").read_text() == "b"


def test_where_nothing_runs_nothing_is_backed_up(docker: Path) -> None:
    """A wrong project's name does not make an empty backup."""
    (docker / "running").write_text("")

    assert "nothing is running" in script("backup.sh", docker / "backup").stderr
