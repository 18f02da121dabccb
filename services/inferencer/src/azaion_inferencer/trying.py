"""Has a child process run a model before this process does: what hangs, crashes or eats memory does so there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile

from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_inferencer.trial import TrialJob

_GRACE_S = 5.0
"""The child ends itself at its deadline; if it does not, it is ended so much later."""


def try_out(content: bytes, job: TrialJob) -> None:
    """Run ``content`` on a few pictures in a child. Blocks.

    Raises:
        PermanentError: ``model_hangs``, ``model_crashes``, ``model_too_large``, ``model_unusable`` when its answers are no finite
            numbers or of the wrong shape, and what loading it raises.
        TransientError: ``trial_failed`` when no child can be started.
    """
    with tempfile.TemporaryDirectory(prefix="azaion-trial-") as nowhere:
        process = _start(nowhere)
        try:
            output, _ = process.communicate(job.encode() + content, timeout=job.deadline_s + _GRACE_S)
        except subprocess.TimeoutExpired as error:
            raise _hangs(job) from error
        finally:
            process.kill()
            process.wait()
    _judge(output, process.returncode, job)


def _start(folder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "azaion_inferencer.trial"]
    try:
        return subprocess.Popen(
            command,
            cwd=folder,  # an empty one: a model that names files finds none
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise TransientError("trial_failed", f"cannot start a child: {error.strerror}") from error


def _judge(output: bytes, return_code: int, job: TrialJob) -> None:
    try:
        outcome = json.loads(output)
    except ValueError:
        raise _ended(return_code, job) from None
    if not outcome["ok"]:
        raise PermanentError(outcome["code"], outcome["message"], hint=outcome["hint"])


def _ended(return_code: int, job: TrialJob) -> AzaionError:
    if return_code == -signal.SIGALRM:
        return _hangs(job)
    if return_code == -signal.SIGKILL:
        return PermanentError("model_too_large", "the model was ended for want of memory")
    how = signal.Signals(-return_code).name if return_code < 0 else f"exit code {return_code}"
    return PermanentError("model_crashes", f"the model ended its runtime: {how}")


def _hangs(job: TrialJob) -> PermanentError:
    return PermanentError("model_hangs", f"the model gave no answer in {job.deadline_s:g} s")
