"""What a look at every blob says of those that are not what their names say."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from azaion_common.contracts.events import BlobRef, ImageSaved, images
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.core.errors import AzaionError
from azaion_common.platform.cli.root import build_app
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.transports import blobs_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams import Message

PICTURE, VARIANT = b"a picture", b"a variant of a picture that was deleted"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a picture that the log names, and a variant that nothing names any more."""
    asyncio.run(_fill(tmp_path / "home"))
    return tmp_path / "home"


async def _fill(home: Path) -> None:
    async with open_platform(home) as platform:
        picture = await platform.blobs.put(PICTURE, "text/plain")
        await platform.blobs.put(VARIANT, "text/plain")
        envelope = wrap(
            event=_saved(picture), subject="road", producer="p", epoch=1, seq=1, stream=images.STREAM
        )
        await platform.log.append(images.STREAM, [Message(encode(envelope))])


def _saved(image: BlobRef) -> ImageSaved:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return ImageSaved(
        name="road", revision=1, image=image, width=9, height=9, boxes=(), validated=True, dhash="0" * 16,
        created_at=at,
    )  # fmt: skip


def spoil(home: Path, content: bytes) -> str:
    """Let the disk lose a bit of a blob; its name."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = FileBlobStore(blobs_path(home)).path(sha256)
    path.chmod(0o600)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return sha256


def verify(home: Path, *options: str) -> Any:
    return CliRunner().invoke(build_app(), ["blobs", "verify", *options, "--home", str(home)])


@pytest.mark.parametrize("options", [[], ["--heal"]])
def test_what_nothing_needs_is_told_and_is_no_loss(home: Path, options: list[str]) -> None:
    """A rotten blob that nothing names ends neither a verification nor doctor with an error: gc takes it away."""
    variant = spoil(home, VARIANT)

    told = verify(home, *options)
    facts = json.loads(verify(home, *options, "--json").stdout)
    doctor = CliRunner().invoke(build_app(), ["doctor", "--home", str(home)])

    assert (told.exit_code, doctor.exit_code) == (0, 0), (told.output, doctor.output)
    assert "1 of them are needed by nothing any more: azaion gc takes them away" in told.stdout
    assert (facts["rotten"], facts["unneeded"], facts["unhealed"]) == ([variant], [variant], [])


def test_what_is_needed_stays_a_loss(home: Path) -> None:
    """A picture that cannot be had again is an error beside one that nothing needs."""
    picture, variant = spoil(home, PICTURE), spoil(home, VARIANT)

    done = verify(home, "--json")

    facts = json.loads(done.stdout)
    assert isinstance(done.exception, AzaionError)
    assert (done.exception.code, facts["unhealed"], facts["unneeded"]) == (
        "blobs_rotten",
        [picture],
        [variant],
    )


def test_rotten_blobs_are_told_where_a_ledger_is_rotten_too(home: Path) -> None:
    """A disk that lost parts of both hides no loss: what is needed is then unknown, and nothing is taken for needless."""
    variant = spoil(home, VARIANT)
    (home / "ledgers").mkdir(exist_ok=True)
    (home / "ledgers" / "trainer.sqlite").write_bytes(b"no database" * 999)

    done = verify(home, "--json")

    facts = json.loads(done.stdout)
    assert isinstance(done.exception, AzaionError)
    assert (done.exception.code, facts["unhealed"], facts["unneeded"]) == ("blobs_rotten", [variant], [])
