"""One publication: seal, store both halves, read both back, prove them, and only then say that there is a release.

A crash at any step leaves the former release current: nothing points to the new halves before the event that this
module's last step writes, in the same transaction as the release number.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from azaion_common.contracts.events import ModelPublished, PackagePart, PublishFailed
from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import PublishJob, parse_body
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.packages import KeyWrapper, PackageMeta, key_id, signed
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.handler import Effect, Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.worker import Finish
from azaion_common.platform.storage import BlobStore
from azaion_publisher import metrics, packages, sealing
from azaion_publisher.announced import Announced
from azaion_publisher.ports import SmallParts
from azaion_publisher.sealing import Sealed

BIG_MEDIA_TYPE = "application/octet-stream"
_log = structlog.get_logger(__name__)


def _log_step(step: str) -> None:
    _log.debug("publish.step", step=step)


@dataclass(frozen=True)
class Publisher:
    """Runs jobs of the queue ``publications``; each may be repeated from any step."""

    ledger: Ledger
    blobs: BlobStore
    """Where exports come from."""
    releases: BlobStore
    """Where big halves go. Nothing else lies there, because devices may read it."""
    small_parts: SmallParts
    wrapper: KeyWrapper
    signing_key: Ed25519PrivateKey
    """Signs what is announced: devices believe nothing else."""
    announced: Announced
    work: Path
    """Sealed halves wait here until they are released."""
    on_step: Callable[[str], None] = _log_step
    """Told before each step."""

    async def run(self, job: Job) -> Finish:
        """Do the publication up to its proof; what is returned makes it a release.

        Raises:
            AzaionError: what the API, the stores or the packages say.
        """
        wanted, started = parse_body(PublishJob, job.body, job_id=job.job_id), time.monotonic()
        sealed = await self._sealed(job.job_id, wanted)
        location = await self._store(job.job_id, sealed)
        await self._prove(job.job_id, sealed)
        above = await self.announced.highest()
        metrics.PUBLISH_SECONDS.labels(wanted.target).observe(time.monotonic() - started)
        return lambda connection: self._release(
            connection, job.job_id, wanted, sealed, location=location, above=above
        )

    def failed(self, connection: Connection, job: Job, error: AzaionError) -> Iterable[Effect]:
        """What to say of a job that cannot be done; the former release stays."""
        packages.forget(connection, job.job_id)
        try:
            wanted = parse_body(PublishJob, job.body, job_id=job.job_id)
        except PermanentError:  # the worker says so
            return []
        after_commit(connection, metrics.PUBLICATIONS.labels(wanted.target, error.code).inc)
        event = PublishFailed(
            model_id=wanted.model_id, target=wanted.target, code=error.code, message=error.message[:2000]
        )
        return [Outgoing(STREAM, event, wanted.model_id)]

    async def _sealed(self, job_id: str, wanted: PublishJob) -> Sealed:
        """The package of this job: the one sealed in a former try when it is still whole, else a new one."""
        await self.sweep()
        kept = await self.ledger.read(lambda connection: packages.find(connection, job_id))
        if kept is not None and await self._is_whole(job_id, kept):
            return kept
        self.on_step("seal")
        sealed = await self._seal(job_id, wanted)
        self.on_step("keep")
        await self.ledger.transact(lambda connection: packages.keep(connection, job_id, sealed))
        return sealed

    async def _seal(self, job_id: str, wanted: PublishJob) -> Sealed:
        folder = self._folder(job_id)
        await asyncio.to_thread(sealing.empty_folder, folder)
        artifact = folder / "artifact"
        await self.blobs.fetch(wanted.artifact.sha256, artifact)
        meta = PackageMeta(
            release=wanted.model_id,
            variant=f"{wanted.target}-{wanted.imgsz}-b{wanted.batch}",
            format=wanted.target,
        )
        try:
            return await asyncio.to_thread(
                sealing.seal,
                artifact,
                folder,
                meta=meta,
                plaintext_sha256=wanted.artifact.sha256,
                wrapper=self.wrapper,
            )
        finally:
            await asyncio.to_thread(artifact.unlink)

    async def _store(self, job_id: str, sealed: Sealed) -> str:
        folder = self._folder(job_id)
        self.on_step("store small")
        small = await asyncio.to_thread(sealing.small_path(folder).read_bytes)
        location = await self.small_parts.put(sealed.small_name, small)
        self.on_step("store big")
        stored = await self.releases.put_file(sealing.big_path(folder), BIG_MEDIA_TYPE)
        if stored.sha256 != sealed.big.sha256:
            raise PermanentError("package_parts_mismatch", "the store took the big half under another hash")
        return location

    async def _prove(self, job_id: str, sealed: Sealed) -> None:
        """Read both halves back from where devices will fetch them, and open them as a device will."""
        self.on_step("read back small")
        small = await self.small_parts.get(sealed.small_name, max_bytes=sealed.small.size_bytes)
        self.on_step("read back big")
        big = self._folder(job_id) / "big.back"
        await self.releases.fetch(sealed.big.sha256, big)
        self.on_step("prove")
        await asyncio.to_thread(sealing.prove, sealed, small, big, self.wrapper)
        self.on_step("release")

    def _release(
        self,
        connection: Connection,
        job_id: str,
        wanted: PublishJob,
        sealed: Sealed,
        *,
        location: str,
        above: int,
    ) -> list[Effect]:
        signer = key_id(self.signing_key.public_key())
        number = packages.release(connection, wanted, sealed, above=above, key_id=signer)
        packages.forget(connection, job_id)
        after_commit(connection, partial(shutil.rmtree, self._folder(job_id), ignore_errors=True))
        after_commit(connection, partial(metrics.RELEASE.set, number))
        after_commit(connection, metrics.PUBLICATIONS.labels(wanted.target, "published").inc)
        event = ModelPublished(
            model_id=wanted.model_id,
            target=wanted.target,
            release=number,
            imgsz=wanted.imgsz,
            batch=wanted.batch,
            class_names=wanted.class_names,
            class_colours=wanted.class_colours,
            thresholds=wanted.thresholds,
            package_id=sealed.package_id,
            package_sha256=sealed.package_sha256,
            package_size_bytes=sealed.package_size_bytes,
            plaintext_sha256=sealed.plaintext_sha256,
            header_sha256=sealed.header_sha256,
            wrapped_key=sealed.wrapped_key,
            small=PackagePart(
                sha256=sealed.small.sha256, size_bytes=sealed.small.size_bytes, location=location
            ),
            big=PackagePart(
                sha256=sealed.big.sha256, size_bytes=sealed.big.size_bytes, location=sealed.big.sha256
            ),
            published_at=datetime.now(UTC),
        )
        return [Outgoing(STREAM, signed(event, self.signing_key), wanted.model_id)]

    async def _is_whole(self, job_id: str, sealed: Sealed) -> bool:
        folder = self._folder(job_id)
        with suppress(PermanentError):
            await asyncio.to_thread(
                sealing.prove, sealed, sealing.small_path(folder), sealing.big_path(folder), self.wrapper
            )
            return True
        return False

    async def sweep(self) -> None:
        """Remove the halves of packages that are released or given up."""
        needed = await self.ledger.read(packages.unfinished)
        await asyncio.to_thread(sealing.keep_only, self.work, {_folder_name(job_id) for job_id in needed})

    def _folder(self, job_id: str) -> Path:
        return self.work / _folder_name(job_id)


def _folder_name(job_id: str) -> str:
    return hashlib.sha256(job_id.encode()).hexdigest()[:16]
