"""What the trainer counts, for Prometheus."""

from prometheus_client import Counter, Gauge

PICTURE_EVENTS = Counter("azaion_trainer_picture_events", "Events about pictures, by type", ["type"])
EPOCH = Gauge("azaion_trainer_epoch", "Epochs done of the running training; 0 when none runs")
EPOCHS = Gauge("azaion_trainer_epochs", "Epochs of the running training")
RUNS = Counter("azaion_trainer_runs", "Training runs, by outcome", ["outcome"])
TRAIN_SECONDS = Counter("azaion_trainer_train_seconds", "Seconds spent training, resumes included")
CHAMPION_MAP = Gauge("azaion_trainer_champion_map50_95", "mAP50-95 of the champion when it was promoted")
