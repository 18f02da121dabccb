"""One pass of the loop through the containers, and what it came to."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from rehearsal.engine import RehearsalError, run
from rehearsal.stack import Stack, value

LOOP_S = 1500.0
AZAION = Path(".venv/bin/azaion")
_PARTS = {
    "pictures": "SELECT name, state, revision, image_sha256, boxes FROM ingestor.pictures ORDER BY name",
    "variants": "SELECT name, picture, image_sha256, labels_sha256 FROM augmentor.augmented_variants ORDER BY name, picture",
    "dataset": "SELECT dataset_id FROM trainer.datasets ORDER BY dataset_id",
    "quarantine": "SELECT reason FROM ingestor.inbox_quarantine ORDER BY reason",
}


def prepare_settings(folder: Path, data: Path, weights: Path | None, root: Path) -> None:
    """The repository's settings for containers, with the data's own classes and a training of minutes."""
    folder.mkdir(parents=True)
    settings = yaml.safe_load((root / "deploy/settings/azaion.yaml").read_text())
    settings["platform"]["catalogue"] = "/etc/azaion/catalogue.yaml"
    overrides = {"optimizer": "AdamW", "warmup_epochs": 0.5, "mosaic": 0.0, "cache": "ram", "nbs": 16}
    overrides |= {"epoch_pictures": 256, "lr0": 0.001, "scale": 0.3}
    settings["trainer"] = {"quiet_s": 15, "imgsz": 320, "batch": 16, "epochs": 4, "overrides": overrides}
    settings["trainer"]["min_map50"] = (
        0  # without weights, minutes make no model that would be released otherwise
    )
    settings["augmentor"] = {"workers": 2}
    if weights:
        shutil.copy(weights, folder / "weights.pt")
        settings["trainer"]["weights"] = "/etc/azaion/weights.pt"
    (folder / "azaion.yaml").write_text(yaml.safe_dump(settings))
    trial = folder / "trial"
    run(str(root / AZAION), "annotations", "import", str(data), "--catalogue", "own", "--home", str(trial))
    shutil.copy(trial / "catalogue.yaml", folder / "catalogue.yaml")
    shutil.rmtree(trial)
    for path in folder.iterdir():
        path.chmod(0o644)


def import_pictures(
    data: Path, home: Path, catalogue: Path, url_file: Path, root: Path, environment: Mapping[str, str]
) -> int:
    """From outside, as an annotation tool does: with nothing but the broker's address. How many were sent."""
    home.mkdir(exist_ok=True)
    (home / "azaion.yaml").write_text(yaml.safe_dump({"platform": {"catalogue": str(catalogue)}}))
    variables = {**environment, "AZAION_PLATFORM__STREAMS_URL_FILE": str(url_file)}
    out = run(
        str(root / AZAION),
        "annotations",
        "import",
        str(data),
        "--home",
        str(home),
        "--json",
        environment=variables,
    )
    return int(json.loads(out)["appended"])


def wait_for(what: str, check: Callable[[], bool], patience_s: float = LOOP_S) -> float:
    """Seconds until ``check`` holds."""
    started, last = time.monotonic(), ""
    while time.monotonic() - started < patience_s:
        try:
            if check():
                return time.monotonic() - started
        except (OSError, RehearsalError, ValueError) as error:
            last = f"; the last try: {error}"  # whatever was asked may be being restarted
        time.sleep(2)
    raise RehearsalError(f"{what} did not come in {patience_s:g} s{last}")


def wait_for_release(stack: Stack, number: int) -> float:
    """Seconds until release ``number`` is published and the demo inferencer runs it."""
    return wait_for(
        f"release {number}",
        lambda: (
            value("max(azaion_publisher_release)") >= number
            and value(f'sum(azaion_inferencer_model_info{{release="{number}"}})') == 1
            and value("sum(azaion_stream_lag_messages)") == 0
        ),
    )


def outcome(stack: Stack) -> dict[str, object]:
    """Digests of what does not depend on times, and how many models came of it."""
    digests: dict[str, object] = {
        name: hashlib.sha256("\n".join(stack.sql(query)).encode()).hexdigest()[:16]
        for name, query in _PARTS.items()
    }
    models = json.loads(stack.azaion("publisher", "models", "list", "--json"))["models"]
    digests["models"] = len(models)
    doctor = json.loads(stack.operator("doctor", "--json"))
    digests["balanced"] = doctor["balanced"]
    return digests
