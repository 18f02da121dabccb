"""What the ingestor does with several messages at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.pictures import PictureFacts
from azaion_common.contracts.annotations.profiles import Action, Role
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, BulkMessage, WireMessage
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.platform.ledger.handler import Delivery, Ready
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Record
from azaion_ingestor import records, tables
from azaion_ingestor.handlers import Ingestor, Prepared
from azaion_ingestor.inspector import Inspector
from azaion_ingestor.pictures import Incoming, State


def delivery(message: WireMessage, offset: int = 0) -> Delivery[WireMessage]:
    return Delivery(Record(STREAM, offset, b"", {}, datetime(2026, 1, 1, tzinfo=UTC)), message)


class Failing(Inspector):
    """Has a bug that one picture brings to light."""

    def inspect(self, data: bytes) -> PictureFacts | None:
        if data == b"bug":
            raise ZeroDivisionError
        return super().inspect(data)


@pytest.fixture
def ingestor(tmp_path: Path, catalogue: Catalogue) -> Ingestor:
    blobs = FileBlobStore.open(tmp_path)
    return Ingestor(blobs, catalogue, inspector=Failing(PictureLimits()), changed=lambda: None)


@pytest.fixture
def database() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    tables.METADATA.create_all(engine)
    yield engine
    engine.dispose()


async def test_a_bug_costs_its_own_message_only(
    ingestor: Ingestor, message: Callable[..., AnnotationMessage]
) -> None:
    """Messages that are checked in one thread together do not fail together."""
    sent = [message("a"), message("b", image=b"bug"), message("c")]

    found = await asyncio.gather(*(ingestor.prepare(delivery(each)) for each in sent), return_exceptions=True)

    assert [type(each) for each in found] == [Incoming, ZeroDivisionError, Incoming]


async def test_a_batch_costs_a_handful_of_statements(
    ingestor: Ingestor, database: sa.Engine, message: Callable[..., AnnotationMessage]
) -> None:
    """However many pictures a batch brings and changes, the database is asked a few times."""
    created = [message(f"roof-{number}", by=Role.OPERATOR) for number in range(50)]
    ready: list[Ready[WireMessage, Prepared]] = [
        Ready(each, await ingestor.prepare(each)) for each in map(delivery, created)
    ]
    validated = delivery(BulkMessage(action=Action.VALIDATED, names=("roof-1", "roof-2")), 50)
    ready.append(Ready(validated, await ingestor.prepare(validated)))
    statements: list[str] = []
    sa.event.listen(database, "before_cursor_execute", lambda *given: statements.append(given[2]))

    with database.begin() as connection:
        effects = ingestor.apply(connection, ready)

    assert [len(list(each)) for each in effects] == [1] * 50 + [2]
    assert len(statements) <= 4
    with database.begin() as connection:
        known = records.load(connection, [f"roof-{number}" for number in range(50)])
    assert {name for name, each in known.items() if each.state is State.VALIDATED} == {"roof-1", "roof-2"}
    assert len(known) == 50


def test_more_names_than_a_database_takes_at_once(database: sa.Engine) -> None:
    """A message about very many pictures is no larger a question than others."""
    with database.begin() as connection:
        assert records.load(connection, (f"roof-{number}" for number in range(100_000))) == {}
