"""Forms datasets: reads what is ready, decides, proves, stores, and registers once it is all there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import DatasetFormed, SideCounts, datasets
from azaion_common.core.errors import PermanentError
from azaion_common.platform.database.after_commit import after_commit
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage import BlobStore
from azaion_trainer.certificate import Certificate, certify, decode_certificate, verify
from azaion_trainer.classes import ClassSpace
from azaion_trainer.dataset import Formation, form_dataset
from azaion_trainer.groups import GroupingRules
from azaion_trainer.manifest import MEDIA_TYPE, Manifest, decode_manifest
from azaion_trainer.pictures import Stock, freeze_sides, mark_used, read_stock
from azaion_trainer.ports import DatasetFolders
from azaion_trainer.tables import DATASETS

_POLL_S = 0.5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FormedDataset:
    """A dataset whose certificate was verified. ``register`` makes it known; harmless to repeat."""

    manifest: Manifest
    certificate: Certificate
    register: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class DatasetFormer:
    """Forms datasets of what the ledger knows, and finds those that it formed before."""

    ledger: Ledger
    blobs: BlobStore
    folders: DatasetFolders
    catalogue: Catalogue
    rules: GroupingRules
    class_space: ClassSpace
    augmentation_wait_s: float

    async def form(self) -> FormedDataset:
        """A dataset of the pictures that are there now; pictures not augmented in time are left out.

        Raises:
            PermanentError: ``dataset_empty``, ``dataset_cannot_be_split``, ``dataset_leaks``…
        """
        stock = await self._stock()
        formation = await asyncio.to_thread(self._decide, stock)
        manifest = formation.manifest
        certificate = await asyncio.to_thread(certify, manifest)
        await self.folders.ensure(manifest, certificate)
        event = await self._store(manifest, certificate)

        def register(connection: Connection) -> None:
            self._register(connection, formation, event, stock)

        return FormedDataset(manifest, certificate, register)

    async def load(self, dataset_id: str) -> FormedDataset:
        """A dataset formed before, its certificate recomputed.

        Raises:
            PermanentError: ``dataset_missing``, ``dataset_leaks``.
        """
        query = sa.select(DATASETS.c.event).where(DATASETS.c.dataset_id == dataset_id)
        row = await self.ledger.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise PermanentError("dataset_missing", f"there is no dataset {dataset_id}")
        event = DatasetFormed.model_validate(row.event)
        manifest = decode_manifest(await self.blobs.get(event.manifest.sha256))
        certificate = decode_certificate(await self.blobs.get(event.certificate.sha256))
        await asyncio.to_thread(verify, manifest, certificate)
        return FormedDataset(manifest, certificate, lambda _: None)

    async def _stock(self) -> Stock:
        until = time.monotonic() + self.augmentation_wait_s
        while True:
            stock = await self.ledger.read(read_stock)
            if not stock.waiting or time.monotonic() >= until:
                break
            await asyncio.sleep(_POLL_S)
        if not stock.ready:
            raise PermanentError("dataset_empty", "there is no validated picture that is ready for training")
        return stock

    def _decide(self, stock: Stock) -> Formation:
        return form_dataset(
            stock.ready,
            not_augmented=stock.waiting,
            known=stock.known,
            policy=stock.policy,
            rules=self.rules,
            catalogue=self.catalogue,
            class_space=self.class_space,
            stream_offsets=stock.stream_offsets,
        )

    async def _store(self, manifest: Manifest, certificate: Certificate) -> DatasetFormed:
        encoded = b"".join(manifest.encode())
        sides = certificate.pictures
        return DatasetFormed(
            dataset_id=manifest.dataset_id,
            manifest=await self.blobs.put(encoded, MEDIA_TYPE),
            certificate=await self.blobs.put(certificate.model_dump_json().encode(), MEDIA_TYPE),
            counts=SideCounts(
                train=sides["train"],
                valid=sides["valid"],
                test=sides["test"],
                train_files=train_files(manifest),
                groups=sum(certificate.groups.values()),
            ),
            class_names=manifest.class_names,
        )

    def _register(
        self, connection: Connection, formation: Formation, event: DatasetFormed, stock: Stock
    ) -> None:
        known = sa.select(DATASETS.c.dataset_id).where(DATASETS.c.dataset_id == event.dataset_id)
        if connection.execute(known).first() is not None:
            return
        facts = {"dataset": event.dataset_id, "left_out": len(formation.manifest.left_out)}
        sides = event.counts.model_dump(include={"train", "valid", "test"})
        after_commit(connection, partial(_log.info, "dataset.formed", **facts, **sides))
        freeze_sides(connection, formation.policy, formation.placed)
        mark_used(connection, [(each.picture.name, each.revision) for each in stock.ready])
        connection.execute(
            DATASETS.insert().values(dataset_id=event.dataset_id, event=event.model_dump(mode="json"))
        )
        self.ledger.emit(connection, [Outgoing(datasets.STREAM, event, event.dataset_id)])


def train_files(manifest: Manifest) -> int:
    """How many images an epoch shows: train pictures and their variants."""
    return sum(len(picture.files) for picture in manifest.side("train"))
