"""What the demo was asked for, and whether a home already serves something else."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from azaion_common.core.durable import write_file
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.home import make_home

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
    """The inputs with absolute paths. What would only come out after the training is looked at now.

    Raises:
        PermanentError: ``folder_missing``, ``video_missing``, ``weights_missing``, ``video_unreadable``,
            ``checkpoint_unreadable``.
    """
    for path, code in ((data, "folder_missing"), (video, "video_missing"), (weights, "weights_missing")):
        if path is not None and not path.exists():
            raise PermanentError(code, f"{path} does not exist")
    if video is not None:
        _check_video(video)
    if weights is not None and not zipfile.is_zipfile(weights):
        raise PermanentError(
            "checkpoint_unreadable", f"cannot read the checkpoint {weights}: it is cut off, or none at all"
        )
    return Inputs(*(path.absolute() if path else None for path in (data, video, weights)))


def _check_video(path: Path) -> None:
    """Refuse what is no video, and what ends before its own index says."""
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            videos = container.streams.video
            end = (
                max((entry.pos + entry.size for entry in videos[0].index_entries), default=0) if videos else 0
            )
            whole = bool(videos) and end <= container.size
    except (av.error.FFmpegError, OSError) as error:
        raise PermanentError("video_unreadable", f"cannot read the video {path}: {error.strerror}") from error
    if not whole:
        raise PermanentError("video_unreadable", f"cannot read the video {path}: its end is missing")


def check_home(home: Path, inputs: Inputs) -> None:
    """Refuse a home that is used for something else.

    Raises:
        PermanentError: ``home_in_use`` when the home holds another demo.
    """
    path = home / STATE_FILE
    if path.exists() and json.loads(path.read_text()).get("inputs") != inputs.digest:
        raise PermanentError(
            "home_in_use", f"{home} holds a demo of other inputs", hint="choose another folder with --home"
        )


def claim_home(home: Path, inputs: Inputs) -> None:
    """Note in ``home`` what it is used for, once it is known that there is something to do."""
    make_home(home)
    if not (home / STATE_FILE).exists():
        write_file(home / STATE_FILE, json.dumps({"inputs": inputs.digest}).encode())


def add_seconds(home: Path, now: dict[str, float]) -> dict[str, float]:
    """Keep what each stage took in the run that did its work: a later run finds it done and takes no time for it."""
    path = home / STATE_FILE
    state = json.loads(path.read_text())
    before: dict[str, float] = state.get("seconds", {})
    seconds = {stage: max(now.get(stage, 0.0), before.get(stage, 0.0)) for stage in {**before, **now}}
    write_file(path, json.dumps({**state, "seconds": seconds}).encode())
    return seconds
