"""What does not fit or was tampered with never becomes a model, a release or a detection."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from looptest.evidence import MODELS, Evidence
from looptest.program import TINY, azaion, log_of, refusal, running, succeed, wait_until, write_settings
from looptest.released import Released

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]

PLACES = (0.0, 0.5, 1.0)
"""Where a bit is wrong, as fractions of a file's length."""


def test_a_cut_checkpoint_ends_the_training(released: Released, tmp_path: Path) -> None:
    """``weights=`` with half a file: the run fails with the reason, and there is no new model of any kind."""
    home = released.clone(tmp_path / "home")
    evidence = Evidence(home)
    whole = evidence.view_files("models")[0].read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with running(home):
        weights = f"weights={tmp_path / 'cut.pt'}"
        line, code = refusal(azaion("train", "--wait", weights, home=home))
        missing = refusal(azaion("train", "--wait", "weights=/none.pt", home=home))
        wait_until(evidence.settled, "rest")

    assert code == "checkpoint_unreadable"
    assert "cut.pt" in line
    assert missing[1] == "weights_missing"
    codes = [event.data["code"] for event in evidence.events(MODELS, "training.failed")]
    assert codes == ["checkpoint_unreadable"], (
        "weights that are not there are refused before anything is queued"
    )
    assert len(evidence.of_type("model.trained")) == 1
    assert len(evidence.view_files("models")) == 1


def test_a_wrong_password_is_a_failed_publication(released: Released, tmp_path: Path) -> None:
    """The command and the stream say ``auth_denied`` and which account; the former release stays current."""
    home = released.clone(tmp_path / "home")
    write_settings(home, {**TINY, "publisher": {"credentials": "secrets/wrong.json"}})
    account = json.loads((home / "secrets" / "service.json").read_text())
    (home / "secrets" / "wrong.json").write_text(json.dumps(account | {"password": "not it"}))
    with running(home, "--only", "api", "--only", "publisher"):
        line, code = refusal(azaion("publish", "latest", "--wait", home=home))

    evidence = Evidence(home)
    assert code == "auth_denied"
    assert account["email"] in line
    assert "not it" not in "".join(log_of(home))
    assert [each["code"] for each in evidence.of_type("publish.failed")] == ["auth_denied"]
    assert [each["release"] for each in evidence.of_type("model.published")] == [1]


@pytest.mark.parametrize(
    ("part", "codes"), [("small", {"resource_damaged"}), ("big", {"package_parts_mismatch"})]
)
def test_one_flipped_bit_is_refused(part: str, codes: set[str], released: Released, tmp_path: Path) -> None:
    """In either part, at its beginning, middle or end: the command ends with the reason and writes nothing.

    A spoilt small part is noticed by the API itself, which then does not give it out.
    """
    home = released.clone(tmp_path / "home")
    stored = [path for path in Evidence(home).blobs() if path.name == part_of(home, part)["sha256"]]
    found = []
    with running(home, "--only", "api"):
        for place in PLACES:
            with flipped(stored, place):
                found.append(infer_refused(released, home))
        succeed("infer", released.video, home=home)

    assert stored
    assert set(found) == codes


def test_a_lying_api_is_refused(released: Released, tmp_path: Path) -> None:
    """An API that vouches for a small part with one flipped bit does not get it past the device."""
    home = released.clone(tmp_path / "home")
    with running(home, "--only", "api"):
        found = []
        for place in PLACES:
            vouch_for_flipped(home, place)
            found.append(infer_refused(released, home))

    assert found == ["package_parts_mismatch"] * len(PLACES)


def infer_refused(released: Released, home: Path) -> str:
    """The code with which ``azaion infer`` refuses; it must not have written anything."""
    lines = home.with_name("out.jsonl")
    code = refusal(azaion("infer", released.video, "--lines", lines, home=home))[1]
    assert not lines.exists()
    return code


def vouch_for_flipped(home: Path, place: float) -> None:
    """Give out the released small part with one bit wrong, under a hash that fits it."""
    sha256 = part_of(home, "small")["sha256"]
    spoilt = flip((home / "api" / "resources" / sha256[:2] / sha256[2:4] / sha256).read_bytes(), place)
    named = hashlib.sha256(spoilt).hexdigest()
    target = home / "api" / "resources" / named[:2] / named[2:4] / named
    target.parent.mkdir(parents=True)
    target.write_bytes(spoilt)
    with closing(sqlite3.connect(Evidence(home).ledger("api"))) as ledger:
        assert ledger.execute("UPDATE resources SET sha256 = ?", [named]).rowcount == 1
        ledger.commit()


def part_of(home: Path, part: str) -> dict[str, Any]:
    found: dict[str, Any] = Evidence(home).of_type("model.published")[-1][part]
    return found


def flip(whole: bytes, place: float) -> bytes:
    """``whole`` with one bit wrong, at a fraction of its length."""
    spoilt = bytearray(whole)
    spoilt[math.floor((len(whole) - 1) * place)] ^= 1
    return bytes(spoilt)


class flipped:  # noqa: N801 - reads as a verb
    """One bit of files is wrong while the block runs."""

    def __init__(self, paths: list[Path], place: float) -> None:
        self._whole = {path: path.read_bytes() for path in paths}
        self._place = place

    def __enter__(self) -> None:
        for path, whole in self._whole.items():
            replace(path, flip(whole, self._place))

    def __exit__(self, *_: object) -> None:
        for path, whole in self._whole.items():
            replace(path, whole)


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)
