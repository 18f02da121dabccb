"""``azaion doctor`` tells of releases that devices do not take."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import MetaData
from typer.testing import CliRunner

from azaion_common.contracts.events import ModelPublished, PackagePart, models
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import PermanentError
from azaion_common.packages import public_pem, signed, trusting
from azaion_common.platform.cli import doctor
from azaion_common.platform.cli.release_books import PUBLIC_KEYS, judge
from azaion_common.platform.streams import Message
from azaion_common.testing import platform

KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(seed * 32) for seed in (b"s", b"x"))
TRUSTED = trusting([KEY.public_key()])


def release(number: int, key: Ed25519PrivateKey | None = KEY, target: str = "onnx") -> ModelPublished:
    event = ModelPublished(
        model_id="a" * 16, target=target, release=number, imgsz=64, batch=1, class_names=("car",),
        class_colours=("#ff0000",), package_id=f"{number:032x}", package_sha256="c" * 64, package_size_bytes=9,
        plaintext_sha256="d" * 64, header_sha256="e" * 64, wrapped_key=b"k",
        small=PackagePart(sha256="1" * 64, size_bytes=1, location="x"),
        big=PackagePart(sha256="2" * 64, size_bytes=8, location="2"),
    )  # fmt: skip
    return signed(event, key) if key else event


def verdicts(*releases: ModelPublished, keys: Any = TRUSTED) -> list[tuple[str, int, str | None]]:
    return [(each.target, each.highest, each.problem) for each in judge(releases, keys)]


def test_rising_numbers_are_sound() -> None:
    """Each target for itself."""
    assert verdicts(release(1), release(2, target="openvino"), release(3)) == [
        ("onnx", 3, None),
        ("openvino", 2, None),
    ]


def test_numbers_that_began_again_are_told() -> None:
    """Release 1 after release 5 is one that no device takes; a forged one in between is none."""
    assert verdicts(release(5), release(1)) == [("onnx", 5, "release_outdated")]
    assert verdicts(release(5), release(10**9, STRANGER), release(6)) == [("onnx", 6, None)]
    assert verdicts(release(5), release(10**9, None)) == [("onnx", 5, "release_unsigned")]
    assert verdicts(release(5, None), keys=None) == [("onnx", 5, "release_unsigned")]


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Releases 4 and 5 on the stream, and a publisher's ledger that knows of neither."""
    async with platform(tmp_path) as opened:
        for event in (release(4), release(5)):
            envelope = wrap(
                event=event, subject="m", producer="publisher", epoch=1, seq=1, stream=models.STREAM
            )
            await opened.log.append(models.STREAM, [Message(encode(envelope))])
        async with opened.open_ledger("publisher", MetaData()) as ledger:
            await ledger.transact(lambda c: c.execute(sa.text("CREATE TABLE releases (release INTEGER)")))
    (tmp_path / PUBLIC_KEYS).parent.mkdir(exist_ok=True)
    (tmp_path / PUBLIC_KEYS).write_bytes(public_pem(KEY))
    return tmp_path


def run(*arguments: str) -> Any:
    app = typer.Typer()
    doctor.register(app)
    return CliRunner().invoke(app, list(arguments))


def test_a_lost_ledger_is_noticed(home: Path) -> None:
    """It is no fault, as numbers go on above it, but somebody will want to know."""
    found = run("--home", str(home), "--json")
    said = run("--home", str(home))

    assert found.exit_code == 0
    assert json.loads(found.stdout)["releases"] == [
        {"target": "onnx", "highest": 5, "last": 5, "problem": None, "lost": True}
    ]
    assert "does not know" in said.stdout


async def test_a_release_in_vain_is_an_error(home: Path) -> None:
    """A status that a script sees, and what to do."""
    async with platform(home) as opened:
        envelope = wrap(
            event=release(2), subject="m", producer="publisher", epoch=1, seq=1, stream=models.STREAM
        )
        await opened.log.append(models.STREAM, [Message(encode(envelope))])

    result = await asyncio.to_thread(run, "--home", str(home))

    assert isinstance(result.exception, PermanentError)
    assert result.exception.code == "release_in_vain"
    assert "IN VAIN" in result.stdout
