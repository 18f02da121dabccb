"""The store of checkpoints, without torch: what a kill at any moment leaves behind."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from pathlib import Path

import pytest

from azaion_ultralytics.checkpoints import Checkpoint, CheckpointStore, open_store, sha256_of
from azaion_ultralytics.errors import ToolchainError


def add(store: CheckpointStore, epoch: int, *, best_epoch: int | None = None, finished: bool = False) -> Path:
    store.incoming.write_bytes(f"state of epoch {epoch}".encode())
    checkpoint = Checkpoint(
        epoch=epoch,
        sha256=sha256_of(store.incoming),
        best_epoch=best_epoch or epoch,
        finished=finished,
        train_seconds=1.5,
        curves=[{"epoch": number} for number in range(1, epoch + 1)],
    )
    return store.add(checkpoint)


def names(store: CheckpointStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_the_newest_checkpoint_comes_back(tmp_path: Path) -> None:
    """What was added is found again by another process, with its curves."""
    with open_store(tmp_path, "a") as store:
        add(store, 1)
        add(store, 2)

    with open_store(tmp_path, "a") as store:
        newest = store.newest()
    assert newest
    assert (newest.epoch, newest.curves) == (2, [{"epoch": 1}, {"epoch": 2}])


def test_two_generations_and_the_best_are_kept(tmp_path: Path) -> None:
    """Disk use stays flat, and the best epoch outlives the newer, worse ones."""
    with open_store(tmp_path, "a") as store:
        for epoch in range(1, 7):
            add(store, epoch, best_epoch=min(epoch, 2))

        assert names(store) == [f"epoch-000{n}.{kind}" for n in (2, 5, 6) for kind in ("json", "pt")]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "half_json", "no_json"])
def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    """Whatever happened to the newest file, the generation before it is used."""
    with open_store(tmp_path, "a") as store:
        add(store, 1)
        newest = add(store, 2)
        side = newest.with_suffix(".json")
        {
            "truncate": lambda: newest.write_bytes(newest.read_bytes()[:-3]),
            "flip": lambda: newest.write_bytes(b"S" + newest.read_bytes()[1:]),
            "remove": newest.unlink,
            "half_json": lambda: side.write_text(side.read_text()[:20]),
            "no_json": side.unlink,
        }[damage]()

        checkpoint = store.newest()
    assert checkpoint
    assert checkpoint.epoch == 1


def test_a_checkpoint_whose_best_is_torn_does_not_count(tmp_path: Path) -> None:
    """The best epoch is the result: a state that refers to a damaged one cannot be finished."""
    with open_store(tmp_path, "a") as store:
        best = add(store, 1)
        add(store, 2, best_epoch=1)
        best.write_bytes(b"torn")

        assert store.newest() is None


def test_a_half_written_file_is_no_checkpoint(tmp_path: Path) -> None:
    """A kill while the state is being written leaves the one before it."""
    with open_store(tmp_path, "a") as store:
        add(store, 1)
        store.incoming.write_bytes(b"half of epo")

        checkpoint = store.newest()
    assert checkpoint
    assert checkpoint.epoch == 1


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """A disk that fills up while a state is written gets the space back."""
    with contextlib.suppress(OSError), open_store(tmp_path, "a") as store:
        (store.folder / "incoming.pt").write_bytes(b"half of epo")
        raise OSError(errno.ENOSPC, "No space left on device")

    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_an_epoch_may_be_written_again(tmp_path: Path) -> None:
    """After a kill between the file and its record the epoch is trained again and replaces the file."""
    with open_store(tmp_path, "a") as store:
        add(store, 1).with_suffix(".json").unlink()
        add(store, 1)

        assert store.newest()


def test_another_job_is_refused(tmp_path: Path) -> None:
    """A work directory belongs to one job; nobody resumes from somebody else's state."""
    with open_store(tmp_path, "a") as store:
        add(store, 1)

    with pytest.raises(ToolchainError, match="another job") as caught, open_store(tmp_path, "b"):
        pass
    assert (caught.value.code, caught.value.transient) == ("workdir_in_use", False)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    """A wrong path must not fill somebody's folder."""
    (tmp_path / "holiday.jpg").write_bytes(b"")

    with pytest.raises(ToolchainError, match="not empty"), open_store(tmp_path, "a"):
        pass


def test_two_processes_do_not_train_in_one_place(tmp_path: Path) -> None:
    """While one holds the directory another is sent away, and may try again."""
    with (
        open_store(tmp_path, "a"),
        pytest.raises(ToolchainError, match="another process") as caught,
        open_store(tmp_path, "a"),
    ):
        pass
    assert caught.value.transient


def test_a_result_is_returned_only_with_its_file(tmp_path: Path) -> None:
    """A finished training is finished as long as its best.pt is the one that was recorded."""
    with open_store(tmp_path, "a") as store:
        add(store, 1)
        store.best.write_bytes(b"best")
        store.finish({"sha256": sha256_of(store.best), "epochs": 1})

        assert store.result() == {
            "best": str(tmp_path / "best.pt"),
            "sha256": sha256_of(store.best),
            "epochs": 1,
        }
        assert names(store) == []
        store.best.write_bytes(b"damaged")
        assert store.result() is None


def test_a_moved_work_directory_still_knows_its_result(tmp_path: Path) -> None:
    """The recorded result names best.pt where it lies now."""
    with open_store(tmp_path / "old", "a") as store:
        store.best.write_bytes(b"best")
        store.finish({"sha256": sha256_of(store.best)})
    shutil.move(tmp_path / "old", tmp_path / "new")

    with open_store(tmp_path / "new", "a") as store:
        result = store.result()
    assert result
    assert result["best"] == str(tmp_path / "new" / "best.pt")


def test_the_claim_is_readable(tmp_path: Path) -> None:
    """job.json holds the digest, so a person can see whose directory it is."""
    with open_store(tmp_path, "abc"):
        pass

    assert json.loads((tmp_path / "job.json").read_text()) == {"digest": "abc"}
