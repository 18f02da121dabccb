"""What services use on servers and have no right to make: buckets, streams, queues.

An account that may make a stream may delete it, so in production nobody who works may: one command makes everything
once, under an account that nothing else uses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from azaion_common.contracts.annotations import wire
from azaion_common.contracts.events import datasets, dead_letters, devices, images, models
from azaion_common.contracts.jobs import QUEUES
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.settings import PlatformSettings

STREAMS = (
    wire.STREAM,
    images.STREAM,
    datasets.STREAM,
    models.STREAM,
    devices.STREAM,
    dead_letters.STREAM,
)


async def provision(settings: PlatformSettings) -> AsyncIterator[str]:
    """Make what is missing on the servers that ``settings`` name, and say one by one what is there now.

    Raises:
        TransientError: ``store_unavailable``, ``streams_unavailable``, ``jobs_unavailable``.
        PermanentError: ``store_denied``, ``broker_denied``: this account may not; ``partitions_differ``, ``queue_mismatch``.
    """
    if settings.blobs_url is not None or settings.releases_url is not None:
        for url in await transports.make_buckets(settings):
            yield url
    if settings.streams_url is not None:
        for stream in await transports.make_streams(settings, STREAMS):
            yield f"stream {stream}"
    if settings.jobs_url is not None:
        for queue in await transports.make_queues(settings, QUEUES):
            yield f"queue {queue}"
