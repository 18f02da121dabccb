"""The augmentor as a service: the only place that knows which concrete parts it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from azaion_augmentor import remaking, tables
from azaion_augmentor.adapters.pool import WorkerPool
from azaion_augmentor.batches import Batches
from azaion_augmentor.handlers import Augmentor
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.reconcile import Reconciler
from azaion_augmentor.remaking import affected
from azaion_augmentor.settings import AugmentorSettings
from azaion_augmentor.view import ViewKeeper
from azaion_common.contracts.events import images
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.unshown import Unshown
from azaion_common.platform.runtime.partitions import Part, serve_parts
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Derived, Service
from azaion_common.platform.storage.views import FolderView

SERVICE_NAME = "augmentor"
_BATCH = 16


async def run(platform: Platform) -> None:
    """Serve until the platform is stopped."""
    settings = AugmentorSettings.load(platform.home, SERVICE_NAME)
    async with _batches(platform, settings) as batches:

        async def serve_part(held: Platform, part: Part) -> None:
            async with held.open_ledger(part.ledger, tables.METADATA) as ledger:
                await serve(held, part.stream, ledger, batches, prepare_concurrency=2 * settings.workers)

        await serve_parts(platform, SERVICE_NAME, images.STREAM, serve_part)


@asynccontextmanager
async def _batches(platform: Platform, settings: AugmentorSettings) -> AsyncIterator[Batches]:
    recipe = Recipe.load(settings.recipe_file and platform.home / settings.recipe_file)
    async with WorkerPool.open(
        recipe,
        workers=settings.workers,
        memory_bytes=settings.worker_memory_bytes,
        timeout_s=settings.worker_timeout_s,
    ) as pool:
        yield Batches(
            blobs=platform.blobs,
            multiplier=pool,
            catalogue=platform.catalogue,
            recipe=recipe,
            seed=settings.seed,
        )


async def remake(platform: Platform, blobs: Collection[str]) -> None:
    """Make those of ``blobs`` again that are pictures or labels of variants."""
    if entries := await affected(platform, SERVICE_NAME, blobs):
        async with _batches(platform, AugmentorSettings.load(platform.home, SERVICE_NAME)) as batches:
            await remaking.remake(batches, entries)


async def serve(
    platform: Platform, stream: str, ledger: Ledger, batches: Batches, *, prepare_concurrency: int
) -> None:
    """Consume, reconcile and keep the view, until the platform is stopped."""
    keeper = _keeper(platform, ledger)
    consumer = Consumer(
        log=platform.log,
        ledger=ledger,
        blobs=platform.blobs,
        stream=stream,
        handler=Augmentor(batches, keeper.ring),
        decode=decode_event,
        batch=_BATCH,
        prepare_concurrency=prepare_concurrency,
        accept_gaps=platform.settings.accept_gaps,
    )
    scan = Reconciler(ledger, platform.blobs, batches, keeper.ring)
    async with asyncio.TaskGroup() as group:
        group.create_task(consumer.run(platform.stopping), name="augmentor")
        group.create_task(scan.run(platform.stopping), name="augmentor-reconcile")
        group.create_task(keeper.run(platform.stopping), name="augmentor-view")
    await keeper.finish()


def _keeper(platform: Platform, ledger: Ledger) -> ViewKeeper | Unshown:
    if platform.keeps_views:
        return ViewKeeper(ledger, FolderView(platform.home / "data-processed", platform.blobs))
    return Unshown(ledger, tables.VIEWS_DUE)


SERVICE = Service(
    SERVICE_NAME,
    "multiplies pictures into augmented variants",
    run,
    Derived((tables.PICTURES, tables.VARIANTS)),
    remake,
)
