"""Announces a current release again, signed, where its announcement has no signature of ours: once after an upgrade from a
version that signed nothing, and after a change of keys.

Only what our own ledger released is signed, as its first announcement told of it: the stream alone vouches for nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from azaion_common.contracts.events import ModelPublished
from azaion_common.contracts.events.models import STREAM
from azaion_common.packages import key_id, signed
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_publisher import packages
from azaion_publisher.announced import Announced
from azaion_publisher.packages import Released

_log = structlog.get_logger(__name__)


async def renew(ledger: Ledger, announced: Announced, key: Ed25519PrivateKey) -> None:
    """Sign the newest release of each target that ``key`` has not signed."""
    ours = key_id(key.public_key())
    newest = await ledger.read(packages.newest)
    due = {release.package_id: release for release in newest if release.key_id != ours}
    if not due:
        return
    told = await announced.first(due)
    for package_id, release in due.items():
        event = told.get(package_id)
        if event is None or (event.model_id, event.target) != (release.model_id, release.target):
            _log.warning(
                "release.not_signed", release=release.number, target=release.target, code="event_missing"
            )
            continue
        above = await announced.highest()
        falls_back = release.number < await announced.highest_for(release.target)
        announce = partial(_announce, ledger, event, release, key=key, above=above if falls_back else None)
        await ledger.transact(announce)
        _log.info("release.signed", release=release.number, target=release.target, key_id=ours)


def _announce(
    ledger: Ledger,
    event: ModelPublished,
    release: Released,
    connection: Connection,
    *,
    key: Ed25519PrivateKey,
    above: int | None,
) -> None:
    """Under its own number; above all others where devices have seen a higher one and would pass it over."""
    number = release.number if above is None else packages.renumber(connection, release, above)
    packages.note_key(connection, number, key_id(key.public_key()))
    again = event.model_copy(update={"release": number, "published_at": datetime.now(UTC)})
    ledger.emit(connection, [Outgoing(STREAM, signed(again, key), event.model_id)])
