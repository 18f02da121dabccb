"""Does a home hold everything that went in, once and whole? Read from its files alone, apart from the system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from looptest.evidence import MODELS, Evidence, repeated, rows, torn_blobs, unbalanced, unsound_databases

COPIES = 8


def problems(
    home: Path, pictures: Mapping[str, Collection[str]], refused: Counter[str], epochs: int
) -> list[str]:
    """What is wrong with ``home``, one line each; empty when all is well.

    Args:
        home: a home at rest, with one training behind it.
        pictures: names of the good pictures by the view that shows them (``data``, ``data-seed``).
        refused: how many messages have to be in quarantine, by reason.
        epochs: of the training.
    """
    evidence = Evidence(home)
    names = {name for group in pictures.values() for name in group}
    return [
        *(f"torn blob {name}" for name in torn_blobs(evidence)),
        *(f"unsound database {name}" for name in unsound_databases(evidence)),
        *(f"books of {each}" for each in unbalanced(evidence)),
        *_wrong_ledger(evidence, pictures),
        *_wrong_quarantine(evidence, refused),
        *(line for view, group in pictures.items() for line in _wrong_view(evidence, view, group)),
        *_wrong_view(evidence, "data-processed", copies_of(names)),
        *_wrong_events(evidence, names),
        *_wrong_training(evidence, epochs),
        *_wrong_models(evidence),
    ]


def copies_of(names: Collection[str]) -> set[str]:
    return {copy for name in names for copy in (name, *(f"{name}+{number}" for number in range(1, COPIES)))}


def _wrong_ledger(evidence: Evidence, pictures: Mapping[str, Collection[str]]) -> list[str]:
    expected = {(name, view) for view, group in pictures.items() for name in group}
    found = set(evidence.pictures())
    return [f"ledger misses {each}" for each in sorted(expected - found)] + [
        f"ledger has {each}" for each in sorted(found - expected)
    ]


def _wrong_quarantine(evidence: Evidence, refused: Counter[str]) -> list[str]:
    found = Counter(evidence.quarantined())
    told = Counter(str(data["reason"]) for data in evidence.of_type("image.quarantined"))
    return [] if found == told == refused else [f"quarantine: {found}, told {told}, expected {refused}"]


def _wrong_view(evidence: Evidence, view: str, names: Collection[str]) -> list[str]:
    """Each picture with its labels, and nothing else: no temporary file, no half pair, no copy instead of a link."""
    expected = {f"{view}/images/{name}.jpg" for name in names} | {
        f"{view}/labels/{name}.txt" for name in names
    }
    found = {path.relative_to(evidence.home).as_posix() for path in evidence.view_files(view)}
    linked = {path.stat().st_ino for path in evidence.blobs()}
    images = evidence.view_files(f"{view}/images")
    return [
        *(f"missing {path}" for path in sorted(expected - found)),
        *(f"unexpected {path}" for path in sorted(found - expected)),
        *(f"{path} is no link to a blob" for path in images if path.stat().st_ino not in linked),
    ]


def _wrong_events(evidence: Evidence, names: Collection[str]) -> list[str]:
    wrong = []
    for kind in ("image.saved", "batch.augmented"):
        told = [str(data["name"]) for data in evidence.of_type(kind)]
        wrong += [f"{kind} twice for {name}" for name in repeated(told)]
        wrong += [f"{kind} missing for {name}" for name in sorted(set(names) - set(told))]
    return wrong


def _wrong_training(evidence: Evidence, epochs: int) -> list[str]:
    once = ("dataset.formed", "training.started", "model.trained", "model.exported", "model.published")
    counts = {kind: len(evidence.of_type(kind)) for kind in once}
    wrong = [f"{kind} {count} times" for kind, count in counts.items() if count != 1]
    wrong += [
        f"{event.type}: {event.data}" for event in evidence.events(MODELS) if event.type.endswith(".failed")
    ]
    told = [data["epoch"]["epoch"] for data in evidence.of_type("training.progress")]
    return wrong if told == list(range(1, epochs + 1)) else [*wrong, f"epochs told: {told}"]


def _wrong_models(evidence: Evidence) -> list[str]:
    """The model's file is its checkpoint, every part of the release is stored, and the ledger crowns this model."""
    trained, published = evidence.of_type("model.trained"), evidence.of_type("model.published")
    shown = [path.name for path in evidence.view_files("models")]
    wrong = [] if shown == [f"{each['model_id']}.pt" for each in trained] else [f"models/ shows {shown}"]
    blobs = {path.name for path in evidence.blobs()}
    needed = {each["checkpoint"]["sha256"] for each in trained}
    needed |= {each[part]["sha256"] for each in published for part in ("small", "big")}
    wrong += [f"blob {sha256} is missing" for sha256 in sorted(needed - blobs)]
    releases = rows(evidence.ledger("publisher"), "SELECT count(*) FROM jobs_done WHERE outcome = 'done'")
    return wrong if releases == [(1,)] else [*wrong, f"publications done: {releases}"]
