"""The ledger's rows of sealed packages and releases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.jobs import PublishJob
from azaion_common.packages import PartFacts
from azaion_publisher.sealing import Sealed
from azaion_publisher.tables import PACKAGES, RELEASES


def find(connection: Connection, job_id: str) -> Sealed | None:
    row = connection.execute(sa.select(PACKAGES).where(PACKAGES.c.job_id == job_id)).one_or_none()
    if row is None:
        return None
    return Sealed(
        package_id=row.package_id,
        package_sha256=row.package_sha256,
        package_size_bytes=row.package_size_bytes,
        plaintext_sha256=row.plaintext_sha256,
        header_sha256=row.header_sha256,
        wrapped_key=row.wrapped_key,
        small=PartFacts(row.small_size_bytes, row.small_sha256),
        big=PartFacts(row.big_size_bytes, row.big_sha256),
    )


def keep(connection: Connection, job_id: str, sealed: Sealed) -> None:
    """Remember ``sealed`` in place of what was sealed for this job before."""
    forget(connection, job_id)
    connection.execute(
        PACKAGES.insert().values(
            job_id=job_id,
            package_id=sealed.package_id,
            package_sha256=sealed.package_sha256,
            package_size_bytes=sealed.package_size_bytes,
            plaintext_sha256=sealed.plaintext_sha256,
            header_sha256=sealed.header_sha256,
            wrapped_key=sealed.wrapped_key,
            small_sha256=sealed.small.sha256,
            small_size_bytes=sealed.small.size_bytes,
            big_sha256=sealed.big.sha256,
            big_size_bytes=sealed.big.size_bytes,
        )
    )


def forget(connection: Connection, job_id: str) -> None:
    connection.execute(PACKAGES.delete().where(PACKAGES.c.job_id == job_id))


def unfinished(connection: Connection) -> list[str]:
    """Ids of the jobs whose packages are still needed."""
    return list(connection.execute(sa.select(PACKAGES.c.job_id)).scalars())


@dataclass(frozen=True, slots=True)
class Released:
    """One release, as the ledger knows it."""

    number: int
    model_id: str
    target: str
    package_id: str
    key_id: str | None


def newest(connection: Connection) -> list[Released]:
    """The newest release of each target."""
    of_target = sa.select(sa.func.max(RELEASES.c.release)).group_by(RELEASES.c.target)
    rows = connection.execute(sa.select(RELEASES).where(RELEASES.c.release.in_(of_target)))
    return [Released(row.release, row.model_id, row.target, row.package_id, row.key_id) for row in rows]


def release(connection: Connection, job: PublishJob, sealed: Sealed, *, above: int, key_id: str) -> int:
    """Count the release up, beyond ``above`` in any case; the number of the new one."""
    number = _next_number(connection, above)
    connection.execute(
        RELEASES.insert().values(
            release=number,
            model_id=job.model_id,
            target=job.target,
            package_id=sealed.package_id,
            at=datetime.now(UTC),
            key_id=key_id,
        )
    )
    return number


def renumber(connection: Connection, release: Released, above: int) -> int:
    """Give a release the next number, beyond ``above`` in any case."""
    number = _next_number(connection, above)
    connection.execute(RELEASES.update().where(RELEASES.c.release == release.number).values(release=number))
    return number


def note_key(connection: Connection, number: int, key_id: str) -> None:
    """Remember who signed a release."""
    connection.execute(RELEASES.update().where(RELEASES.c.release == number).values(key_id=key_id))


def _next_number(connection: Connection, above: int) -> int:
    last = connection.execute(sa.select(sa.func.max(RELEASES.c.release))).scalar_one()
    return max(int(last or 0), above) + 1
