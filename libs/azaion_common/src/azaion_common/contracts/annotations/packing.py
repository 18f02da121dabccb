"""The foreign messages' outer layer: bytes to integer-keyed fields, within limits that hold before any parsing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NoReturn

import msgpack

from azaion_common.core.errors import PermanentError

MAX_MESSAGE_BYTES = 24 << 20
MAX_ARRAY_ITEMS = 4096
MAX_MAP_ITEMS = 256
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31
_GZIP_SIZE_BYTES = 4
"""At its end: the size of what is packed."""
_BAD_MSGPACK = (ValueError, OverflowError, TypeError, msgpack.UnpackException, msgpack.exceptions.StackError)

Fields = dict[int, Any]


def unpack(body: bytes) -> Fields:
    """The positional fields of a message; a map with integer keys and an array mean the same.

    Raises:
        PermanentError: ``message_too_large``, ``message_malformed``.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        raise too_large(len(body))
    unpacked = _unpackb(_gunzip(body) if _is_packed(body) else body)
    if isinstance(unpacked, list):
        return dict(enumerate(unpacked))
    if not isinstance(unpacked, dict) or not all(type(key) is int for key in unpacked):
        raise malformed("neither an array nor a map with integer keys")
    return unpacked


def unpacked_bytes(body: bytes) -> int:
    """How many bytes a message says that it has; ``unpack`` makes no more of them, and none beyond the limit."""
    return int.from_bytes(body[-_GZIP_SIZE_BYTES:], "little") if _is_packed(body) else len(body)


def malformed(message: str) -> PermanentError:
    return PermanentError("message_malformed", f"not an annotation message: {message}")


def too_large(size_bytes: int) -> PermanentError:
    return PermanentError(
        "message_too_large", f"message of {size_bytes} bytes, the limit is {MAX_MESSAGE_BYTES}"
    )


def _is_packed(body: bytes) -> bool:
    return body.startswith(_GZIP_MAGIC)


def _unpackb(body: bytes) -> object:
    try:
        return msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            max_array_len=MAX_ARRAY_ITEMS,
            max_map_len=MAX_MAP_ITEMS,
            object_pairs_hook=_unique,
            ext_hook=_refuse_extension,
        )
    except _BAD_MSGPACK as error:
        # The error's text may quote the payload; its kind says enough.
        raise malformed(f"not msgpack within limits ({type(error).__name__})") from error


def _unique(pairs: Sequence[tuple[object, object]]) -> dict[object, object]:
    """A dict of ``pairs``; msgpack itself would silently keep the last of two equal keys."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise malformed("a key is there twice")
    return fields


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise malformed(f"extension type {code}")


def _gunzip(body: bytes) -> bytes:
    """The content of a gzip body, never more than it says it has or the message limit, however well it is compressed."""
    most = min(unpacked_bytes(body), MAX_MESSAGE_BYTES)
    inflate = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        content = inflate.decompress(body, most + 1)
    except zlib.error as error:
        raise malformed("broken gzip") from error
    if len(content) > MAX_MESSAGE_BYTES:
        raise too_large(len(content))
    if not inflate.eof or inflate.unused_data:
        raise malformed("gzip that ends too early or too late")
    return content
