"""What the demo was asked for, and whether a home already serves something else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from azaion_common.errors import PermanentError
from azaion_common.storage.durable import write_file

STATE_FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The command's arguments: None for ``data`` means drawn scenes, None for ``weights`` training from scratch."""

    data: Path | None
    video: Path | None
    weights: Path | None

    @property
    def digest(self) -> str:
        """Names these inputs; a job id, so that the same command trains once."""
        text = json.dumps([str(path) if path else None for path in (self.data, self.video, self.weights)])
        return hashlib.sha256(text.encode()).hexdigest()


def checked(data: Path | None, video: Path | None, weights: Path | None) -> Inputs:
    """The inputs with absolute paths.

    Raises:
        PermanentError: ``folder_missing``, ``video_missing``, ``weights_missing``.
    """
    for path, code in ((data, "folder_missing"), (video, "video_missing"), (weights, "weights_missing")):
        if path is not None and not path.exists():
            raise PermanentError(code, f"{path} does not exist")
    return Inputs(*(path.absolute() if path else None for path in (data, video, weights)))


def claim_home(home: Path, inputs: Inputs) -> None:
    """Note in ``home`` what it is used for; the same inputs go on where they were.

    Raises:
        PermanentError: ``home_in_use`` when the home holds another demo.
    """
    path = home / STATE_FILE
    if path.exists():
        if json.loads(path.read_text()).get("inputs") != inputs.digest:
            raise PermanentError(
                "home_in_use",
                f"{home} holds a demo of other inputs",
                hint="choose another folder with --home",
            )
        return
    home.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({"inputs": inputs.digest}).encode())
