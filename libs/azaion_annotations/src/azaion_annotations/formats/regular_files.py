"""Reads regular files and nothing else: a FIFO would wait for ever, a device never ends, a link may lead anywhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotReadableError(Exception):
    """Not a regular file of at most the size that was asked for, or one that cannot be read; says why."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The bytes of the regular file ``path``, which must not be a link.

    Raises:
        NotReadableError: it is something else, larger than ``max_bytes``, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise NotReadableError(reason) from error
    try:
        status = os.fstat(descriptor)
        # Asked before a file object is made of it: none can be made of a folder.
        if not stat.S_ISREG(status.st_mode):
            raise NotReadableError("is no regular file")
        if status.st_size > max_bytes:
            raise NotReadableError(f"has {status.st_size} bytes, the limit is {max_bytes}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise NotReadableError(f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise NotReadableError(f"has more than {max_bytes} bytes")
    return data
