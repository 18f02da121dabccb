"""What the trainer counts, for Prometheus."""

from prometheus_client import Counter, Gauge

from azaion_common.contracts.events.models import Hardware

PICTURE_EVENTS = Counter("azaion_trainer_picture_events", "Events about pictures, by type", ["type"])
EPOCH = Gauge("azaion_trainer_epoch", "Epochs done of the running training; 0 when none runs")
EPOCHS = Gauge("azaion_trainer_epochs", "Epochs of the running training; 0 when none runs")
LOSS = Gauge("azaion_trainer_loss", "Training losses of the running training, by part", ["part"])
QUALITY = Gauge(
    "azaion_trainer_quality_ratio",
    "Precision, recall and mAP of the last measured epoch, from 0 to 1",
    ["metric"],
)
GPU_MEMORY = Gauge(
    "azaion_trainer_gpu_memory_bytes", "GPU memory that the running training has reserved at most"
)
RUNS = Counter("azaion_trainer_runs", "Training runs, by outcome", ["outcome"])
TRAIN_SECONDS = Counter("azaion_trainer_train_seconds", "Seconds spent training, resumes included")
CHAMPION_MAP = Gauge("azaion_trainer_champion_map50_95", "mAP50-95 of the champion when it was promoted")

HARDWARE = Gauge(
    "azaion_trainer_hardware_info",
    "What the newest training ran on: 1, with its device and name",
    ["device", "name"],
)


def show_hardware(hardware: Hardware) -> None:
    """One value, of the newest training."""
    HARDWARE.clear()
    HARDWARE.labels(hardware.device, hardware.name).set(1)


for outcome in ("trained", "rejected", "failed"):
    RUNS.labels(outcome)  # 0 until there is one: a rise can only be seen from a number
