"""The service: where everything concrete is put together."""

from __future__ import annotations

import asyncio

from sqlalchemy import MetaData

from azaion_common.contracts.events.models import STREAM
from azaion_common.contracts.jobs import EXPORTS
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.worker import JobWorker
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.runtime.toolchains import ToolchainSettings
from azaion_common.platform.toolchain import Toolchain
from azaion_exporter.adapters.onnx_runtime import OnnxRuntime
from azaion_exporter.adapters.ultralytics import UltralyticsSource
from azaion_exporter.exporting import Exporter
from azaion_exporter.handlers import Planner
from azaion_exporter.settings import ExporterSettings
from azaion_vision.runtimes.outputs import Thresholds


async def run(platform: Platform) -> None:
    settings = ExporterSettings.load(platform.home, "exporter")
    exporter = make_exporter(platform, settings)
    async with platform.open_ledger("exporter", MetaData()) as ledger:
        consumer = Consumer(
            log=platform.log,
            ledger=ledger,
            blobs=platform.blobs,
            stream=STREAM,
            handler=Planner(settings.targets),
            decode=decode_event,
            accept_gaps=platform.settings.accept_gaps,
        )
        worker = JobWorker(
            jobs=platform.jobs, ledger=ledger, queue=EXPORTS, run=exporter.run, failed=exporter.failed
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(platform.stopping))
            group.create_task(worker.run(platform.stopping))


def make_exporter(platform: Platform, settings: ExporterSettings) -> Exporter:
    toolchains = ToolchainSettings.load(platform.home, "toolchains")
    return Exporter(
        source=UltralyticsSource(Toolchain(toolchains.ultralytics_command()), settings.device),
        runtime=OnnxRuntime(settings.threads),
        blobs=platform.blobs,
        work=platform.home / "exporter" / "work",
        in_graph=Thresholds(settings.graph_confidence, settings.iou, settings.max_detections),
        confidence=settings.confidence,
    )


SERVICE = Service("exporter", "Exports trained models and proves that each equals its source", run)
