"""``azaion annotations edit|validate|delete``: corrections as annotation messages, said once and never lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from azaion_annotations.commands.annotations import register
from azaion_annotations.correcting import Corrector
from azaion_annotations.labels import yolo_text
from azaion_annotations.publish import ImportRules, import_folder
from azaion_annotations.reading_stored import read_stored
from azaion_annotations.stored import StoredPictures
from azaion_common.contracts.annotations.profiles import Action, Role
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, BulkMessage, decode_message
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.runtime.transports import log_path
from azaion_common.platform.streams.partitions import Partitioning
from azaion_common.platform.streams.sqlite import SqliteEventLog

pytestmark = pytest.mark.slow

CATALOGUE = Catalogue.default()


def run(*arguments: object) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["annotations", *map(str, arguments)])


def code_of(result: Result) -> str:
    assert isinstance(result.exception, AzaionError)
    return result.exception.code


async def _stored(home: Path) -> StoredPictures:
    async with SqliteEventLog.open(log_path(home)) as log:
        return await read_stored(log, CATALOGUE)


def stored(home: Path) -> StoredPictures:
    return asyncio.run(_stored(home))


@pytest.fixture
def home(yolo_folder: Path, tmp_path: Path) -> Path:
    """Four seed pictures."""
    assert run("import", yolo_folder, "--home", tmp_path / "home", "--role", "operator").exit_code == 0
    return tmp_path / "home"


def test_labels_are_corrected_with_a_copy_of_their_file(home: Path, tmp_path: Path) -> None:
    """What somebody copies out of ``data/labels`` and changes becomes the picture's labels; what is as before is not sent."""
    folder = tmp_path / "corrected"
    folder.mkdir()
    before = stored(home).pictures
    for name in ("clip_000", "clip_001"):
        (folder / f"{name}.txt").write_text(yolo_text(before[name].boxes, CATALOGUE))
    (folder / "clip_000.txt").write_text("20 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n")

    result = run("edit", folder, "--home", home, "--json")

    assert json.loads(result.stdout) == {"changed": ["clip_000"], "unchanged": 1}
    after = stored(home).pictures
    assert [(box.class_id, box.condition) for box in after["clip_000"].boxes] == [(0, "Wint"), (0, "Norm")]
    assert after["clip_000"].validated
    assert (after["clip_001"], after["clip_000"].sha256) == (before["clip_001"], before["clip_000"].sha256)


@pytest.mark.parametrize("command", ["validate", "delete"])
@pytest.mark.parametrize("name", ["clip_000.jpg", "data/images/clip_000.jpg", "clip_000.txt"])
def test_a_file_in_place_of_a_name_is_told_the_name(home: Path, command: str, name: str) -> None:
    """Whoever names a picture's file reads what the picture is called, and nothing is changed."""
    result = run(command, "clip_001", name, "--home", home)

    assert code_of(result) == "unknown_picture"
    assert isinstance(result.exception, AzaionError)
    assert (result.exception.hint or "").startswith("there is clip_000: ")
    assert not any(each.validated or each.deleted for each in stored(home).pictures.values())


def test_labels_called_after_a_file_are_told_the_name(home: Path, tmp_path: Path) -> None:
    """``clip_000.jpg.txt`` are labels of clip_000, which is said."""
    (tmp_path / "clip_000.jpg.txt").write_text("0 0.5 0.5 0.1 0.1\n")

    error = run("edit", tmp_path / "clip_000.jpg.txt", "--home", home).exception

    assert isinstance(error, AzaionError)
    assert (error.hint or "").startswith("there is clip_000: ")


def test_a_file_that_is_named_may_be_a_link(home: Path, tmp_path: Path) -> None:
    """Whoever types a path means what it leads to."""
    (tmp_path / "elsewhere.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "clip_000.txt").symlink_to(tmp_path / "elsewhere.txt")

    assert "1 edited: clip_000" in run("edit", tmp_path / "clip_000.txt", "--home", home).stdout


def test_pictures_are_validated_and_deleted(home: Path, tmp_path: Path) -> None:
    """By name, or by a list in a file; what is so already needs no message."""
    (tmp_path / "names.txt").write_text("clip_001\n\nclip_002\n")

    assert run("validate", "clip_000", "--from", tmp_path / "names.txt", "--home", home).exit_code == 0
    told = run("delete", "clip_001", "clip_003", "--home", home).stdout
    again = json.loads(run("delete", "clip_001", "--home", home, "--json").stdout)

    found = stored(home)
    assert (told, again) == ("2 deleted: clip_001, clip_003\n", {"changed": [], "unchanged": 1})
    assert {name for name, each in found.pictures.items() if each.validated} >= {"clip_000", "clip_002"}
    assert [each.name for each in found.current()] == ["clip_000", "clip_002"]


def test_a_name_that_nobody_has_changes_nothing(home: Path, tmp_path: Path) -> None:
    """One mistyped name, and none of the others is touched; the error names it."""
    before = stored(home)
    (tmp_path / "nobody.txt").write_text("0 0.5 0.5 0.1 0.1\n")

    for command in (
        ("delete", "clip_000", "nobody"),
        ("validate", "nobody"),
        ("edit", tmp_path / "nobody.txt"),
    ):
        result = run(*command, "--home", home)
        assert code_of(result) == "unknown_picture"
        assert "nobody" in str(result.exception)
    assert stored(home).pending == before.pending


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 0.5 half 0.1 0.1\n", "labels_malformed"),
        ("0 0.5 0.5 0.1 3\n", "labels_out_of_range"),
        ("999 0.5 0.5 0.1 0.1\n", "unknown_class"),
        ("0 0.5 0.5 0.1 0.1\n0 .5 .5 .1 .10\n", "boxes_doubled"),
    ],
)
def test_labels_that_are_none_change_nothing(home: Path, tmp_path: Path, text: str, code: str) -> None:
    """The error names the picture; nothing is sent."""
    (tmp_path / "clip_000.txt").write_text(text)

    result = run("edit", tmp_path / "clip_000.txt", "--home", home)

    assert (code_of(result), "clip_000" in str(result.exception)) == (code, True)
    assert stored(home).pending == 4


def test_a_deleted_picture_is_not_corrected(home: Path, tmp_path: Path) -> None:
    """Correcting would bring it back unasked."""
    (tmp_path / "clip_000.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    run("delete", "clip_000", "--home", home)

    assert code_of(run("edit", tmp_path / "clip_000.txt", "--home", home)) == "picture_deleted"
    assert code_of(run("validate", "clip_000", "--home", home)) == "picture_deleted"


def test_nothing_is_named(home: Path) -> None:
    """No names mean no pictures, not all of them; a home that is none is not made."""
    assert code_of(run("delete", "--home", home)) == "which_pictures"
    assert code_of(run("delete", "x", "--home", home / "none")) == "home_missing"
    assert not (home / "none").exists()


@pytest.mark.parametrize("profile", ["2024", "2025"])
async def test_corrections_speak_the_ingestors_profile(
    yolo_folder: Path, tmp_path: Path, profile: str
) -> None:
    """The same numbers mean other things there: each message is read back as what was meant, in its picture's part."""
    parts = Partitioning({STREAM: 3})
    async with SqliteEventLog.open(tmp_path / "log.sqlite") as log:
        await import_folder(yolo_folder, log, CATALOGUE, rules=ImportRules(role="operator"))
        known = await read_stored(log, CATALOGUE)
        corrector = Corrector(known, parts, profile)
        names = sorted(known.pictures)
        await corrector.decide(names, Action.VALIDATED).send(log)
        await corrector.decide(names, Action.DELETED).send(log)
        await corrector.relabel({"clip_000": "0 0.5 0.5 0.1 0.1"}, Role.VALIDATOR).send(log)
        read = {part: await log.read(part) for part in parts.streams(STREAM)}

    for part, records in read.items():
        messages = [
            decode_message(record.body, record.properties, profile=profile) for record in records if records
        ]
        for message in messages:
            told = message.names if isinstance(message, BulkMessage) else (message.name,)
            assert {parts.stream_for(STREAM, name) for name in told} == {part}
        bulks = [message for message in messages if isinstance(message, BulkMessage)]
        assert [each.action for each in bulks] in ([], [Action.VALIDATED, Action.DELETED])
    edits = [
        decode_message(record.body, record.properties, profile=profile)
        for record in read[parts.stream_for(STREAM, "clip_000")]
    ]
    (edit,) = (each for each in edits if isinstance(each, AnnotationMessage))
    assert (edit.image, edit.by_validator) == (None, True)


def test_an_unknown_role_is_refused(home: Path, tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "clip_000.txt").write_text("")

    with pytest.raises(PermanentError, match="unknown_role"):
        raise run("edit", tmp_path / "clip_000.txt", "--home", home, "--role", "guest").exception or OSError
