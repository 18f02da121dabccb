"""A backup is of one moment, whole, private, and cheap to repeat."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.runtime import backing_up
from azaion_common.platform.runtime.backing_up import back_up
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.throwing_away import Rules, throw_away
from azaion_common.platform.runtime.transports import blobs_path, ledger_path, log_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message

METADATA = sa.MetaData()
LOAVES = sa.Table("loaves", METADATA, sa.Column("name", sa.String))


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    """A home with a blob, an event, a ledger, a secret, a result and a view."""
    home = tmp_path / "home"
    async with open_platform(home) as opened:
        await opened.blobs.put(b"picture", "text/plain")
        await opened.log.append("bread", [Message(b"loaf")])
        async with opened.open_ledger("bakery", METADATA) as ledger:
            await ledger.transact(lambda c: c.execute(LOAVES.insert().values(name="first")))
        for name in ("secrets/fleet.key", "results/found.jsonl", "data/images/a.jpg", "azaion.yaml"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text("{}")
        yield opened


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


async def test_a_backup_is_of_the_moment_at_which_it_began(platform: Platform, tmp_path: Path) -> None:
    """What log and ledgers take in while it is copied is in none of the copies, and nobody has to wait for it."""
    loop, home, target = asyncio.get_running_loop(), platform.home, tmp_path / "backup"
    async with platform.open_ledger("bakery", METADATA) as ledger:

        async def write() -> None:
            await platform.log.append("bread", [Message(b"late")])
            await platform.jobs.put("ovens", "late", "{}")
            await ledger.transact(lambda c: c.execute(LOAVES.insert().values(name="late")))
            await platform.blobs.put(b"late", "text/plain")

        def meanwhile(what: str, count: int) -> None:
            if (what, count) == ("databases", 0):
                asyncio.run_coroutine_threadsafe(write(), loop).result(timeout=20)

        done = await asyncio.to_thread(back_up, home, target, progress=meanwhile)

    assert done.databases == ["jobs/queue.sqlite", "ledgers/bakery.sqlite", "streams/log.sqlite"]
    assert rows(log_path(target), "SELECT body FROM messages") == [(b"loaf",)]
    assert rows(ledger_path(target, "bakery"), "SELECT name FROM loaves") == [("first",)]
    assert rows(target / "jobs" / "queue.sqlite", "SELECT count(*) FROM jobs") == [(0,)]
    assert rows(log_path(home), "SELECT count(*) FROM messages") == [(2,)]


async def test_a_backup_opens_as_a_home(platform: Platform, tmp_path: Path) -> None:
    """Copied back, it is a home with everything that is not made anew by itself, and its secrets are as closed as ever."""
    target = tmp_path / "backup"
    await asyncio.to_thread(back_up, platform.home, target)
    shutil.copytree(target, tmp_path / "restored")

    async with open_platform(tmp_path / "restored") as restored:
        assert [each.body for each in await restored.log.read("bread")] == [b"loaf"]
        assert [blob.size_bytes async for blob in restored.blobs.list()] == [len(b"picture")]
    assert (target / "results" / "found.jsonl").read_text() == "{}"
    assert (target / "azaion.yaml").exists()
    assert not (target / "data").exists()
    assert {path.stat().st_mode & 0o077 for path in (target, target / "secrets", target / "ledgers")} == {0}
    assert json.loads((target / "backup.json").read_text())["secrets"] is True


async def test_secrets_can_stay_behind(platform: Platform, tmp_path: Path) -> None:
    """Without secrets none is in it, also where an earlier backup had put them."""
    target = tmp_path / "backup"
    await asyncio.to_thread(back_up, platform.home, target)

    await asyncio.to_thread(back_up, platform.home, target, secrets=False)

    assert not (target / "secrets").exists()


async def test_the_next_backup_copies_what_is_new(platform: Platform, tmp_path: Path) -> None:
    """In the same folder only blobs that are not there yet are copied; the databases are those of now."""
    target = tmp_path / "backup"
    assert (await asyncio.to_thread(back_up, platform.home, target)).copied == 1
    await platform.blobs.put(b"new", "text/plain")
    await platform.log.append("bread", [Message(b"new")])

    done = await asyncio.to_thread(back_up, platform.home, target)

    assert (done.blobs, done.copied, done.copied_bytes) == (2, 1, len(b"new"))
    assert rows(log_path(target), "SELECT count(*) FROM messages") == [(2,)]


async def test_a_backup_that_breaks_off_leaves_the_one_before(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until all is there, the databases of the backup before stay, and the next try goes on."""
    target = tmp_path / "backup"
    await asyncio.to_thread(back_up, platform.home, target)
    await platform.log.append("bread", [Message(b"new")])
    with monkeypatch.context() as broken:
        broken.setattr(backing_up, "_copy_others", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(back_up, platform.home, target)

    assert rows(log_path(target), "SELECT count(*) FROM messages") == [(1,)]
    assert (target / "backup.json").exists()
    await asyncio.to_thread(back_up, platform.home, target)
    assert rows(log_path(target), "SELECT count(*) FROM messages") == [(2,)]
    assert not (target / ".databases").exists()


async def test_rotten_blobs_are_named_and_left_out(platform: Platform, tmp_path: Path) -> None:
    """A blob that is not what its name says does not get into a backup, as a copy or as a link."""
    blob = FileBlobStore(blobs_path(platform.home)).path(
        next(iter([b.sha256 async for b in platform.blobs.list()]))
    )
    blob.chmod(0o644)
    blob.write_bytes(b"PICTURE")

    for link in (False, True):
        done = await asyncio.to_thread(back_up, platform.home, tmp_path / f"backup {link}", link=link)
        assert (done.rotten, done.copied) == ([blob.name], 0)
        assert not list((tmp_path / f"backup {link}" / "blobs").rglob("*tmp"))


async def test_a_folder_of_something_else_is_not_taken(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not into a folder that holds other things, not into the home, not of servers: one line, nothing written."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for target in (tmp_path / "mine", platform.home / "backup", tmp_path):
        with pytest.raises(PermanentError) as caught:
            back_up(platform.home, target)
        assert caught.value.code == "folder_in_use"
    monkeypatch.setenv("AZAION_PLATFORM__BLOBS_URL", "s3://bucket")
    with pytest.raises(PermanentError, match="backup_of_servers"):
        back_up(platform.home, tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_nothing_is_thrown_away_during_a_backup(platform: Platform, tmp_path: Path) -> None:
    """A gc that comes while a backup is taken is told to come again."""

    def meanwhile(_what: str, _count: int) -> None:
        with pytest.raises(TransientError, match="home_busy"):
            throw_away(platform.home, Rules())

    await asyncio.to_thread(back_up, platform.home, tmp_path / "backup", progress=meanwhile)
