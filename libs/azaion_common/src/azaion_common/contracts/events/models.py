"""Facts about models from training to release, on the stream ``azaion.models``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from azaion_common.contracts.events.references import BlobRef, Sha256, Value

STREAM = "azaion.models"

Fraction = Annotated[float, Field(ge=0, le=1)]
ModelId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
ScoreThresholds = dict[str, Fraction]
"""By class name: the score from which a detection of the class is worth showing, where F1 on the validation side is
best. A class that is missing was not measured; an exported file carries the same in its property ``thresholds``, by
class id (``{0: 0.31}``)."""


class ClassMetrics(Value):
    """Average precision of one class or one condition, with the number of labelled objects it rests on."""

    map50: Fraction
    map50_95: Fraction
    objects: int = Field(ge=0)


class Metrics(Value):
    """Measured on the untouched test side; ``evaluator`` names the code and version that measured it."""

    map50: Fraction
    map50_95: Fraction
    per_class: dict[str, ClassMetrics]
    per_condition: dict[str, ClassMetrics]
    pictures: int = Field(ge=0)
    evaluator: str


class EpochMetrics(Value):
    """One point of the training curves."""

    epoch: int = Field(ge=0)
    epochs: int = Field(ge=1)
    metrics: dict[str, float]
    loss: dict[str, float]
    seconds: float = Field(ge=0)


class Lineage(Value):
    """Where a model comes from: which data, which settings, which code, which model before it."""

    dataset_id: Sha256
    job_sha256: Sha256
    stream_offsets: dict[str, int]
    """First stream offset that is NOT in the data, per stream."""
    base_weights_sha256: Sha256 | None
    parent_model_id: ModelId | None
    """The champion at the time of training."""
    toolchain: dict[str, str]


class Hardware(Value):
    """What a training runs on: ``cpu`` or a GPU's number, its name as its maker gives it, and the threads of the CPU."""

    device: str = Field(max_length=40)
    name: str = Field(max_length=200)
    threads: int = Field(ge=1)

    def __str__(self) -> str:
        """``CPU (Intel Xeon, 2 threads)``, ``GPU 0 (NVIDIA H200)``."""
        if self.device == "cpu":
            return f"CPU ({self.name}, {self.threads} thread{'' if self.threads == 1 else 's'})"
        return f"GPU {self.device} ({self.name})"


class TrainingStarted(Value):
    """A training run took up a dataset (told once per run, not once per resume)."""

    type: Literal["training.started.v1"] = "training.started.v1"
    run_id: Sha256
    dataset_id: Sha256
    epochs: int = Field(ge=1)
    imgsz: int = Field(ge=32)
    batch: int = Field(ge=1)
    hardware: Hardware | None = None
    """None: told by a trainer that did not say yet."""
    estimated_seconds: float | None = Field(default=None, ge=0)
    """How long it is going to take, from a speed that was measured before; None: not known."""
    notes: tuple[str, ...] = ()
    """What to know of the run before it has run: what was chosen for this machine, what its verdict will rest on."""


class TrainingProgress(Value):
    """One epoch of a run is over."""

    type: Literal["training.progress.v1"] = "training.progress.v1"
    run_id: Sha256
    epoch: EpochMetrics


class TrainingFailed(Value):
    """A run ended without a model."""

    type: Literal["training.failed.v1"] = "training.failed.v1"
    run_id: Sha256
    code: str
    message: str = Field(max_length=2000)


class Candidate(Value):
    """What is known of a trained model, champion or not."""

    model_id: ModelId
    checkpoint: BlobRef
    architecture: str
    imgsz: int = Field(ge=32)
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    metrics: Metrics
    lineage: Lineage
    curves: tuple[EpochMetrics, ...] = ()
    train_seconds: float = Field(ge=0)
    hardware: Hardware | None = None
    """What the last of its epochs ran on."""
    thresholds: ScoreThresholds = Field(default_factory=dict)


class ModelTrained(Candidate):
    """A model that beats the champion (or is the first): exporters take it from here."""

    type: Literal["model.trained.v1"] = "model.trained.v1"
    probe_images: tuple[BlobRef, ...]
    """Pictures of the test side on which an export has to equal the checkpoint."""
    verdict: str = ""
    """Why it was let through."""


class ModelRejected(Candidate):
    """A model that does not beat the champion or is too bad to be one, with what says so."""

    type: Literal["model.rejected.v1"] = "model.rejected.v1"
    champion_id: ModelId | None = None
    """None: there is none yet."""
    reason: str
    difference: float
    """Challenger minus champion, mAP50-95 on the same test side; 0 without one."""
    confidence_interval: tuple[float, float]


class Parity(Value):
    """How an export compares with its source on the probe pictures."""

    pictures: int = Field(ge=0)
    expected: int = Field(ge=0)
    matched: int = Field(ge=0)
    unexpected: int = Field(ge=0)
    min_iou: float
    mean_iou: float
    max_score_difference: float
    passed: bool


class ModelExported(Value):
    """One artefact for one target, proven equal to its source."""

    type: Literal["model.exported.v1"] = "model.exported.v1"
    model_id: ModelId
    target: str = Field(max_length=40)
    imgsz: int = Field(ge=32)
    batch: int = Field(ge=1)
    artifact: BlobRef
    parity: Parity
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    details: dict[str, str] = Field(default_factory=dict)
    thresholds: ScoreThresholds = Field(default_factory=dict)


class ExportFailed(Value):
    """An export could not be made, or differs from its source."""

    type: Literal["export.failed.v1"] = "export.failed.v1"
    model_id: ModelId
    target: str
    code: str
    message: str = Field(max_length=2000)
    parity: Parity | None = None


class PackagePart(Value):
    """One half of a sealed package and where it lies."""

    sha256: Sha256
    size_bytes: int = Field(ge=1)
    location: str = Field(max_length=500)
    """``folder/file`` on the API for the small part, the blob's SHA-256 for the big one."""


class ReleaseSignature(Value):
    """The publisher's word for a release: an Ed25519 signature in DSSE's encoding (docs/package-format.md)."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    statement: bytes = Field(max_length=100_000)
    """Canonical JSON of all other fields of the event: exactly the bytes that were signed."""
    signature: bytes = Field(min_length=64, max_length=64)


class ModelPublished(Value):
    """A release: both parts were read back and verified before this was said."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    type: Literal["model.published.v1"] = "model.published.v1"
    model_id: ModelId
    target: str
    release: int = Field(ge=1)
    """Counts up with each release of this publisher, whatever its target; the newest has the highest."""
    imgsz: int = Field(ge=32)
    batch: int = Field(ge=1)
    class_names: tuple[str, ...]
    class_colours: tuple[str, ...]
    package_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    package_sha256: Sha256
    package_size_bytes: int
    plaintext_sha256: Sha256
    header_sha256: Sha256
    wrapped_key: bytes = Field(max_length=1000)
    small: PackagePart
    big: PackagePart
    thresholds: ScoreThresholds = Field(default_factory=dict)
    published_at: datetime | None = None
    """None: published before releases were signed."""
    signed: ReleaseSignature | None = None
    """None: published before releases were signed; devices believe nothing else."""


class PublishFailed(Value):
    """A release could not be completed; the former one stays current."""

    type: Literal["publish.failed.v1"] = "publish.failed.v1"
    model_id: ModelId
    target: str
    code: str
    message: str = Field(max_length=2000)


ModelsEvent = Annotated[
    TrainingStarted
    | TrainingProgress
    | TrainingFailed
    | ModelTrained
    | ModelRejected
    | ModelExported
    | ExportFailed
    | ModelPublished
    | PublishFailed,
    Field(discriminator="type"),
]
