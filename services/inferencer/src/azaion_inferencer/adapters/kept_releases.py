"""What a device knows from before: the releases that it can start with, the highest that it ever ran, where it read last.

One file per target, ``kept/<target>.json``, replaced whole. Small parts in it are sealed; big ones lie beside it in
``parts``, sealed by nature. Service and commands of one home share it, so every change reads it anew under a lock.
"""

from __future__ import annotations

import fcntl
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from azaion_common.core.durable import make_folder, storage_errors, write_file
from azaion_inferencer.adapters.device_seal import DeviceSeal
from azaion_inferencer.announcements import NONE, START, Mark, Place
from azaion_inferencer.ports import ReleasedModel

KEPT = 2
"""The current release and the one before it."""
_STALE_S = 7 * 24 * 3600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """A release whose parts are here. ``proven`` names runtime and settings that it was tried with on this device."""

    release: ReleasedModel
    sealed_small: bytes
    proven: str = ""


@dataclass(frozen=True, slots=True)
class _State:
    floor: Mark = NONE
    place: Place = START
    trust: str = ""
    releases: tuple[KeptRelease, ...] = field(default=())


@dataclass(frozen=True)
class KeptReleases:
    """In the folder ``root``, for ``target``. ``trust`` names the keys that are believed: places found under others count for nothing."""

    root: Path
    target: str
    seal: DeviceSeal
    trust: Callable[[], str]

    @property
    def parts(self) -> Path:
        """The folder of big parts."""
        return self.root / "parts"

    def floor(self) -> Mark:
        """The highest release that this device ever ran."""
        return self._read().floor

    def place(self) -> Place:
        """Where the announcement of the newest known release stands."""
        state = self._read()
        return state.place if state.trust == self.trust() else START

    def remember(self, place: Place) -> None:
        """The newest announcement stands at ``place``. Raises as ``core.durable.write_file``."""
        if (state := self._read()).place == place and state.trust == self.trust():
            return  # a device's flash is not to be worn out
        with self._changing() as change:
            change(lambda state: replace(state, place=place, trust=self.trust()))

    def releases(self) -> tuple[KeptRelease, ...]:
        """What can be started with, newest first."""
        return self._read().releases

    def small(self, kept: KeptRelease) -> bytes:
        """Raises: PermanentError ``seal_broken``, ``seal_key_invalid``."""
        return self.seal.unseal(kept.sealed_small, _context(kept.release))

    def keep(self, release: ReleasedModel, small: bytes, proven: str) -> None:
        """``release`` runs from now on: keep it and the one before it, and raise the floor to it.

        Raises: as ``core.durable.write_file``, and as ``DeviceSeal.seal``.
        """
        kept = KeptRelease(release, self.seal.seal(small, _context(release)), proven)

        def changed(state: _State) -> _State:
            others = [each for each in state.releases if each.release.package_id != release.package_id]
            releases = sorted((kept, *others), key=lambda each: each.release.release, reverse=True)[:KEPT]
            return replace(state, releases=tuple(releases), floor=_higher(state.floor, Mark.of(release)))

        with self._changing() as change:
            change(changed)
        self.sweep()

    def accept(self, release: ReleasedModel) -> None:
        """Raise the floor to ``release``, whether or not it can be kept. Raises as ``core.durable.write_file``."""
        with self._changing() as change:
            change(lambda state: replace(state, floor=_higher(state.floor, Mark.of(release))))

    def forget(self) -> None:
        """Make the kept releases unreadable, for a device that is not to run them any more; the floor stays."""
        self.seal.forget()
        with self._changing() as change:
            change(lambda state: replace(state, releases=()))
        self.sweep()

    def sweep(self) -> None:
        """Remove the big parts of releases that are not kept, and what was left unfinished long ago."""
        needed = {each.release.big.sha256 for file in self._files() for each in _load(file).releases}
        with storage_errors(self.parts):
            for part in self.parts.glob("*"):
                is_old = part.suffix != ".part" or time.time() - part.stat().st_mtime > _STALE_S
                if part.name not in needed and is_old:
                    part.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.root / "kept" / f"{self.target}.json"

    def _files(self) -> list[Path]:
        return sorted(self._file.parent.glob("*.json"))

    def _read(self) -> _State:
        return _load(self._file)

    @contextmanager
    def _changing(self) -> Iterator[Callable[[Callable[[_State], _State]], None]]:
        with storage_errors(self._file):
            make_folder(self._file.parent)
            with (self._file.parent / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield lambda changed: write_file(self._file, _dump(changed(self._read())), mode=0o600)


def _context(release: ReleasedModel) -> bytes:
    return bytes.fromhex(release.package_id + release.header_sha256)


def _higher(one: Mark, other: Mark) -> Mark:
    return max(one, other, key=lambda mark: mark.release)


def _dump(state: _State) -> bytes:
    releases = [
        {
            "release": each.release.model_dump(mode="json"),
            "small": b64encode(each.sealed_small).decode(),
            "proven": each.proven,
        }
        for each in state.releases
    ]
    fields = {"floor": asdict(state.floor), "place": asdict(state.place), "trust": state.trust}
    return json.dumps(fields | {"releases": releases}, indent=1).encode()


def _load(path: Path) -> _State:
    """What is in ``path``; nothing where there is no such file, or one that cannot be read, which is told."""
    with suppress(FileNotFoundError):
        try:
            return _parse(json.loads(path.read_bytes()))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            _log.error("kept_releases.unreadable", path=str(path), error=type(error).__name__)
    return _State()


def _parse(fields: dict[str, Any]) -> _State:
    return _State(
        floor=Mark(int(fields["floor"]["release"]), str(fields["floor"]["package_id"])),
        place=Place(int(fields["place"]["offset"]), str(fields["place"]["after"])),
        trust=str(fields["trust"]),
        releases=tuple(
            KeptRelease(
                ReleasedModel.model_validate_json(json.dumps(each["release"])),
                b64decode(each["small"]),
                str(each["proven"]),
            )
            for each in fields["releases"]
        ),
    )
