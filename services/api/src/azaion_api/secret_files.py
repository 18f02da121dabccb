"""Secrets that are made on the first start: files that only their owner may read, written once and whole."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from azaion_common.core.durable import fsync_folder, make_private_folder, storage_errors
from azaion_common.core.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account logs in with."""

    email: str
    password: str = field(repr=False)


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read the secret ``path``; when there is none, make it, durably and with mode 0600.

    Two processes that start at once agree on one secret: the file appears whole, by a hard link, or not at all.
    """
    with storage_errors(path):
        make_private_folder(path.parent)
        if not path.exists():
            _link(path, make())
        return path.read_bytes()


def credentials(path: Path, email: str) -> Credentials:
    """The credentials in ``path``; made with a random password when there are none.

    Raises:
        PermanentError: ``credentials_invalid`` when the file was damaged.
    """
    text = create_once(path, lambda: _new_credentials(email))
    try:
        fields = json.loads(text)
        return Credentials(email=str(fields["email"]), password=str(fields["password"]))
    except (ValueError, KeyError, TypeError) as error:
        hint = "delete it: a new password is made at the next start"
        raise PermanentError("credentials_invalid", f"{path} does not hold credentials", hint=hint) from error


def _new_credentials(email: str) -> bytes:
    return json.dumps({"email": email, "password": secrets.token_urlsafe(24)}).encode() + b"\n"


def _link(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its secret counts
    finally:
        draft.unlink()
    fsync_folder(path.parent)
