"""Do devices take what is announced? The releases of each target, as the stream tells of them, and as a device judges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.events import ModelPublished, models
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.core.errors import AzaionError, PermanentError, SetupError
from azaion_common.packages import TrustedKeys, load_trusted_keys, verified
from azaion_common.platform.cli.remembered import Remembered
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import ledger_names, look_into_ledger, open_log

PUBLISHER = "publisher"
PUBLIC_KEYS = Path("secrets/release-signing.pub.pem")


@dataclass(frozen=True, slots=True)
class ReleaseBooks:
    """The releases for one target. ``problem`` is the code of why devices do not take the last one; None when they do.

    ``lost`` says that the publisher's ledger does not know the highest number: it was lost, or is an old copy. Numbers go on
    above what is announced all the same.
    """

    target: str
    highest: int
    last: int
    problem: str | None = None
    lost: bool = False


async def release_books(home: Path, settings: PlatformSettings) -> list[ReleaseBooks]:
    """The releases of each target; none for an account that may not read of them.

    Raises:
        TransientError: from the transports.
    """
    try:
        async with open_log(home, settings) as log:
            bodies = await Remembered(home, models.STREAM, ["model.published.v1"]).bodies(log)
    except SetupError:  # an account that is not to read this stream: whoever may will look
        return []
    keys: TrustedKeys | None = None
    with suppress(AzaionError):  # elsewhere than beside the publisher there need not be any
        keys = load_trusted_keys(home / PUBLIC_KEYS)
    books = judge(_releases(bodies), keys)
    known = await _highest_in_ledger(home, settings)
    return [replace(each, lost=known is not None and each.highest > known) for each in books]


def judge(releases: Iterable[ModelPublished], keys: TrustedKeys | None) -> list[ReleaseBooks]:
    """As a device would, that has read ``releases`` in their order. Without ``keys`` a signature is only looked for. Pure."""
    books: dict[str, ReleaseBooks] = {}
    for release in releases:
        before = books.get(release.target, ReleaseBooks(release.target, 0, 0))
        problem = _problem(release, keys)
        if problem is None and release.release < before.highest:
            problem = "release_outdated"
        highest = max(before.highest, release.release) if problem is None or keys is None else before.highest
        books[release.target] = replace(before, highest=highest, last=release.release, problem=problem)
    return [books[target] for target in sorted(books)]


def _problem(release: ModelPublished, keys: TrustedKeys | None) -> str | None:
    if keys is None:
        return "release_unsigned" if release.signed is None else None
    try:
        verified(release, keys)
    except PermanentError as error:
        return error.code
    return None


def _releases(bodies: Sequence[bytes]) -> Iterable[ModelPublished]:
    for body in bodies:
        with suppress(UnknownEventType, PermanentError):
            event = decode(body).event
            if isinstance(event, ModelPublished):
                yield event


async def _highest_in_ledger(home: Path, settings: PlatformSettings) -> int | None:
    if PUBLISHER not in ledger_names(home, settings):
        return None
    async with look_into_ledger(home, settings, PUBLISHER) as ledger:
        return await ledger.read(_highest)


def _highest(connection: Connection) -> int:
    releases = sa.table("releases", sa.column("release"))
    return int(connection.execute(sa.select(sa.func.max(releases.c.release))).scalar_one() or 0)
