"""The ledger's rows of sealed packages and releases."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.packages import PartFacts
from azaion_publisher.plan import PublishJob
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


def release(connection: Connection, job: PublishJob, sealed: Sealed) -> int:
    """Count the release up; the number of the new one."""
    last = connection.execute(sa.select(sa.func.max(RELEASES.c.release))).scalar_one()
    number = int(last or 0) + 1
    connection.execute(
        RELEASES.insert().values(
            release=number,
            model_id=job.model_id,
            target=job.target,
            package_id=sealed.package_id,
            at=datetime.now(UTC),
        )
    )
    return number
