"""The service: where everything concrete is put together."""

from __future__ import annotations

import asyncio

import httpx

from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import PUBLICATIONS
from azaion_common.packages import FleetKeyWrapper, load_or_create_fleet_key, load_or_create_signing_key
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.worker import JobWorker
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.storage import BlobStore
from azaion_publisher import tables
from azaion_publisher.adapters.api import ApiSmallParts
from azaion_publisher.adapters.key_files import pin_public_key, trusted_keys
from azaion_publisher.announced import Announced
from azaion_publisher.bringing_over import bring_over
from azaion_publisher.handlers import Planner
from azaion_publisher.publishing import Publisher
from azaion_publisher.renewing import renew
from azaion_publisher.settings import PublisherSettings


async def run(platform: Platform) -> None:
    settings = PublisherSettings.load(platform.home, "publisher")
    async with (
        platform.open_ledger("publisher", tables.METADATA) as ledger,
        platform.open_releases() as releases,
        httpx.AsyncClient(base_url=platform.api_url, timeout=settings.request_timeout_s) as http,
    ):
        await bring_over(platform.log, platform.blobs, releases, platform.home / "publisher")
        publisher = await make_publisher(platform, settings, ledger, releases, http)
        await publisher.sweep()
        await renew(ledger, publisher.announced, publisher.signing_key)
        await asyncio.to_thread(pin_public_key, platform.home / settings.public_key, publisher.signing_key)
        consumer = Consumer(
            log=platform.log,
            ledger=ledger,
            blobs=platform.blobs,
            stream=STREAM,
            handler=Planner(settings.automatic),
            decode=decode_event,
            accept_gaps=platform.settings.accept_gaps,
        )
        worker = JobWorker(
            jobs=platform.jobs, ledger=ledger, queue=PUBLICATIONS, run=publisher.run, failed=publisher.failed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(platform.stopping))
            group.create_task(worker.run(platform.stopping))


async def make_publisher(
    platform: Platform,
    settings: PublisherSettings,
    ledger: Ledger,
    releases: BlobStore,
    http: httpx.AsyncClient,
) -> Publisher:
    fleet_key = await asyncio.to_thread(load_or_create_fleet_key, platform.home / "secrets" / "fleet.key")
    signing_key = await asyncio.to_thread(load_or_create_signing_key, platform.home / settings.signing_key)
    trusted = await asyncio.to_thread(trusted_keys, platform.home / settings.public_key, signing_key)
    return Publisher(
        ledger=ledger,
        blobs=platform.blobs,
        releases=releases,
        small_parts=ApiSmallParts(
            http, settings.folder, platform.home / settings.credentials, settings.deadline_s
        ),
        wrapper=FleetKeyWrapper(fleet_key),
        signing_key=signing_key,
        announced=Announced(platform.log, trusted),
        work=platform.home / "publisher" / "work",
    )


SERVICE = Service("publisher", "Seals, splits, uploads, reads back and releases exported models", run)
