"""The ingestor as a service: the only place that knows which concrete parts it is made of."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from functools import partial

from azaion_common.contracts.annotations import wire
from azaion_common.contracts.annotations.packing import unpacked_bytes
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.unshown import Unshown
from azaion_common.platform.ledger.watching import watch
from azaion_common.platform.runtime.partitions import Part, serve_parts
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Derived, Service
from azaion_ingestor import metrics, records, tables
from azaion_ingestor.allocation import give_back_large_blocks
from azaion_ingestor.handlers import SERVICE_NAME, Ingestor, decode_annotation, without_picture
from azaion_ingestor.inspector import Inspector
from azaion_ingestor.pictures import State
from azaion_ingestor.settings import IngestorSettings
from azaion_ingestor.views import ViewKeeper


async def run(platform: Platform) -> None:
    """Serve until the platform is stopped."""
    give_back_large_blocks()
    await serve_parts(platform, SERVICE_NAME, wire.STREAM, serve)


async def serve(platform: Platform, part: Part) -> None:
    """Serve one part of the annotation stream."""
    settings = IngestorSettings.load(platform.home, SERVICE_NAME)
    with closing(Inspector(settings.picture_limits)) as inspector:
        await _serve(platform, part, settings, inspector)


async def _serve(platform: Platform, part: Part, settings: IngestorSettings, inspector: Inspector) -> None:
    async with platform.open_ledger(part.ledger, tables.METADATA) as ledger:
        keeper = _keeper(platform, ledger)
        consumer = Consumer(
            log=platform.log,
            ledger=ledger,
            blobs=platform.blobs,
            stream=part.stream,
            handler=Ingestor(
                platform.blobs,
                platform.catalogue,
                inspector=inspector,
                changed=keeper.ring,
                is_ours=lambda name: platform.partitioning.stream_for(wire.STREAM, name) == part.stream,
                check_threads=settings.check_threads,
            ),
            decode=partial(decode_annotation, profile=settings.profile),
            batch=settings.batch,
            prepare_concurrency=settings.prepare_concurrency,
            accept_gaps=platform.settings.accept_gaps,
            weigh=lambda record: unpacked_bytes(record.body),
            kept=without_picture,
        )
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch_pictures(ledger), name="ingestor-pictures")
            keeping = group.create_task(keeper.run(platform.stopping), name="ingestor-views")
            await consumer.run(platform.stopping)
            await keeping
            watching.cancel()
        await keeper.finish()


async def _watch_pictures(ledger: Ledger) -> None:
    def show(found: dict[State, int]) -> None:
        for state, count in found.items():
            metrics.PICTURES.labels(ledger.service, state.value).set(count)

    try:
        await watch(ledger, records.count_by_state, show)
    finally:  # a part that moved to another process is counted there
        for state in State:
            with suppress(KeyError):
                metrics.PICTURES.remove(ledger.service, state.value)


def _keeper(platform: Platform, ledger: Ledger) -> ViewKeeper | Unshown:
    if platform.keeps_views:
        return ViewKeeper(ledger, platform.blobs, platform.catalogue, platform.home)
    return Unshown(ledger, tables.VIEWS_DUE)


SERVICE = Service(
    SERVICE_NAME,
    "stores annotated pictures from the annotation stream",
    run,
    Derived((tables.PICTURES, tables.REFUSED)),
)
