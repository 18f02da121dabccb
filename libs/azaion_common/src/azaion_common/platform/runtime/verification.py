"""What the last look at every blob found, kept in the home."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from azaion_common.core.durable import make_folder, storage_errors, write_file
from azaion_common.core.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at every blob found. ``healed`` are those of ``rotten`` that have their own bytes again."""

    at: datetime
    blobs: int
    size_bytes: int
    rotten: tuple[str, ...]
    healed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Pictures that a message of the log has and the store lacks; looked for when healing, and healed too."""
    links_mended: int = 0
    """Files that people browse which showed rotten bytes."""
    unneeded: tuple[str, ...] = ()
    """Those of ``rotten`` that could not be had again and that nothing names any more: no loss."""

    @property
    def unhealed(self) -> tuple[str, ...]:
        return tuple(sorted({*self.rotten, *self.missing} - {*self.healed, *self.unneeded}))

    @property
    def sound(self) -> bool:
        return not self.unhealed


def last_verification(home: Path) -> Verification | None:
    """What the last one found; None when there was none."""
    try:
        found = json.loads(_record(home).read_bytes())
        return Verification(**{**found, "at": datetime.fromisoformat(found["at"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise PermanentError("verification_unreadable", f"{_record(home)} is damaged: {error}") from error


def remember(home: Path, result: Verification) -> None:
    """Keep it for ``last_verification``."""
    with storage_errors(_record(home)):
        make_folder(_record(home).parent)
    write_file(_record(home), json.dumps(asdict(result), default=str).encode())


def _record(home: Path) -> Path:
    return home / "run" / "blobs-verified"
