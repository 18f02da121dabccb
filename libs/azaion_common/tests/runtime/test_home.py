"""The home: where it may lie, whom it lets in, and what a home that cannot be made says."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import MetaData, text

from azaion_common.core.errors import AzaionError, SetupError
from azaion_common.platform.jobs.sqlite import SqliteJobQueue
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.home import close_private, make_home
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import ledger_path, ledger_url, log_path, queue_path
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.sqlite import SqliteEventLog

ODD_NAMES = ("what?mode=ro", "100%20", "a #1 b", "лес и дом", "file:x", "[x]*", "semi;colon&amp", "a+b")


async def use(home: Path) -> None:
    """Write to every database that a home has."""
    async with AsyncExitStack() as stack:
        url = ledger_url(home, PlatformSettings(), "bakery")
        ledger = await stack.enter_async_context(Ledger.open(url, "bakery", MetaData()))
        log = await stack.enter_async_context(SqliteEventLog.open(log_path(home)))
        jobs = await stack.enter_async_context(SqliteJobQueue.open(queue_path(home)))
        await ledger.transact(lambda connection: connection.execute(text("CREATE TABLE loaves (a)")))
        await log.append("bread", [Message(b"loaf")])
        await jobs.put("ovens", "job", "bake")
        assert (await log.end("bread"), len(await jobs.pending("ovens"))) == (1, 1)


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Whatever characters its path has, all databases of a home lie in it, and nothing lies beside it."""
    home = tmp_path / name
    make_home(home)

    await use(home)

    assert [each.name for each in tmp_path.iterdir()] == [name]
    for path in (ledger_path(home, "bakery"), log_path(home), queue_path(home)):
        assert path.is_file()
        assert path.stat().st_size > 0


async def test_databases_are_for_their_owner_alone(tmp_path: Path) -> None:
    """A new home, its folders of databases and every file in them are open to nobody else, whatever the umask."""
    home = tmp_path / "home"
    make_home(home)

    await use(home)

    assert modes(home) == {0o700}
    for folder in ("ledgers", "streams", "jobs"):
        assert modes(home / folder) == {0o700}
        assert modes(*(home / folder).iterdir()) == {0o600}


async def test_a_start_closes_what_an_earlier_version_left_open(tmp_path: Path) -> None:
    """Ledgers, log and queues of 0.1 are closed to others; what people browse, and the home itself, stay as they are."""
    home = tmp_path / "home"
    make_home(home)
    await use(home)
    (home / "data").mkdir(mode=0o755)
    home.chmod(0o755)
    for path in (home / "ledgers", home / "streams", *(home / "ledgers").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)

    close_private(home)

    assert modes(home, home / "data") == {0o755}
    assert modes(home / "ledgers", home / "streams") == {0o700}
    assert modes(*(home / "ledgers").iterdir()) == {0o600}
    await use_again(home)


def test_folders_of_services_are_closed_from_the_start(tmp_path: Path) -> None:
    """What a service keeps in a folder of its name is closed before it lies there, not at the start after."""
    home = tmp_path / "home"
    make_home(home)

    close_private(home, ["api", "ingestor"])

    assert [each.name for each in home.iterdir()] == ["api"]
    assert modes(home / "api") == {0o700}


async def use_again(home: Path) -> None:
    async with SqliteEventLog.open(log_path(home)) as log:
        assert await log.end("bread") == 1


def modes(*paths: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in paths}


def test_a_home_in_the_way_of_a_file_is_one_error(tmp_path: Path) -> None:
    """A home that cannot be made says so in one line that names what is in the way."""
    (tmp_path / "file").write_text("in the way")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(SetupError, match="is a file") as caught:
            make_home(home)
        assert caught.value.code == "home_unusable"
    with pytest.raises(AzaionError) as caught_long:
        make_home(tmp_path / ("n" * 300))
    assert caught_long.value.code == "name_too_long"


@pytest.mark.parametrize("name", ["caf\udce9", "~nobody-of-this-name/home"])
def test_a_path_that_no_home_can_have_is_one_error(name: str) -> None:
    """A path that is not UTF-8, or of nobody, is refused before anything is made."""
    with pytest.raises(SetupError) as caught:
        home_from(Path(name))
    assert caught.value.code == "home_unusable"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "code",
    [
        "from azaion_common.platform.cli import root; sys.argv = ['azaion', '--version']; root.main()",
        "from azaion_common.platform.runtime import discovery; discovery.service_names()",
    ],
)
def test_the_version_needs_no_database_library(code: str) -> None:
    """``azaion --version`` answers without loading SQLAlchemy, and so are services found."""
    checked = f"""
import sys
try:
    {code}
except SystemExit:
    pass
assert "sqlalchemy" not in sys.modules, "loaded"
"""
    subprocess.run([sys.executable, "-c", checked], check=True, capture_output=True)
