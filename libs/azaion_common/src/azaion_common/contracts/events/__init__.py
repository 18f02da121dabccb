"""Events: what happened, as frozen models, one module per stream, and the one codec that reads and writes them."""

from azaion_common.contracts.events.datasets import (
    BatchAugmented,
    DatasetFormed,
    DatasetsEvent,
    SideCounts,
    Variant,
)
from azaion_common.contracts.events.dead_letters import DeadLettersEvent, MessageDeadLettered
from azaion_common.contracts.events.devices import DevicesEvent, ModelLoaded, ModelLoadFailed
from azaion_common.contracts.events.images import (
    ImageDeleted,
    ImageQuarantined,
    ImageSaved,
    ImagesEvent,
    ImageValidated,
)
from azaion_common.contracts.events.models import (
    Candidate,
    ClassMetrics,
    EpochMetrics,
    ExportFailed,
    Lineage,
    Metrics,
    ModelExported,
    ModelPublished,
    ModelRejected,
    ModelsEvent,
    ModelTrained,
    PackagePart,
    Parity,
    PublishFailed,
    ReleaseSignature,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
)
from azaion_common.contracts.events.references import BlobRef, Box, Value

Event = ImagesEvent | DatasetsEvent | ModelsEvent | DevicesEvent | DeadLettersEvent

__all__ = [
    "BatchAugmented", "BlobRef", "Box", "Candidate", "ClassMetrics", "DatasetFormed", "DatasetsEvent",
    "DeadLettersEvent", "DevicesEvent", "EpochMetrics", "Event", "ExportFailed", "ImageDeleted",
    "ImageQuarantined", "ImageSaved", "ImageValidated", "ImagesEvent", "Lineage", "MessageDeadLettered",
    "Metrics", "ModelExported", "ModelLoadFailed", "ModelLoaded", "ModelPublished", "ModelRejected",
    "ModelTrained", "ModelsEvent", "PackagePart", "Parity", "PublishFailed", "ReleaseSignature", "SideCounts", "TrainingFailed",
    "TrainingProgress", "TrainingStarted", "Value", "Variant",
]  # fmt: skip
