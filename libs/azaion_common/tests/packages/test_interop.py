"""Tink is the second implementation: what one writes the other reads, byte for byte."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.packages.stream import decrypt_stream, encrypt_stream

FIRST = (1 << 20) - 40 - 16
NEXT = (1 << 20) - 16
SIZES = [
    0,
    1,
    FIRST - 1,
    FIRST,
    FIRST + 1,
    FIRST + NEXT - 1,
    FIRST + NEXT,
    FIRST + NEXT + 1,
    FIRST + 2 * NEXT + 7,
]
KEY = bytes(range(32))
ASSOCIATED_DATA = b"header hash"

Tink = Callable[[bytes], Any]


class KeptBytes(io.BytesIO):
    """Tink closes what it wrote to; this remembers what was in it."""

    content = b""

    def close(self) -> None:
        self.content = self.content or self.getvalue()
        super().close()


@pytest.mark.parametrize("size_bytes", SIZES)
def test_tink_opens_our_stream(tink_streaming: Tink, size_bytes: int) -> None:
    """Tink decrypts what we encrypted, at every boundary of a segment."""
    plaintext, sink = os.urandom(size_bytes), io.BytesIO()

    encrypt_stream(
        io.BytesIO(plaintext), sink, key=KEY, associated_data=ASSOCIATED_DATA, plaintext_size_bytes=size_bytes
    )

    sink.seek(0)
    with tink_streaming(KEY).new_decrypting_stream(sink, ASSOCIATED_DATA) as stream:
        assert stream.read() == plaintext


@pytest.mark.parametrize("size_bytes", SIZES)
def test_we_open_tinks_stream(tink_streaming: Tink, size_bytes: int) -> None:
    """We decrypt what Tink encrypted, and encrypt it again to the same bytes from the same random part."""
    plaintext, sealed, opened = os.urandom(size_bytes), KeptBytes(), io.BytesIO()
    with tink_streaming(KEY).new_encrypting_stream(sealed, ASSOCIATED_DATA) as stream:
        stream.write(plaintext)

    decrypt_stream(
        io.BytesIO(sealed.content),
        opened,
        key=KEY,
        associated_data=ASSOCIATED_DATA,
        plaintext_size_bytes=size_bytes,
    )
    again, random_part = io.BytesIO(), io.BytesIO(sealed.content[1:40])
    encrypt_stream(
        io.BytesIO(plaintext),
        again,
        key=KEY,
        associated_data=ASSOCIATED_DATA,
        plaintext_size_bytes=size_bytes,
        entropy=random_part.read,
    )

    assert opened.getvalue() == plaintext
    assert again.getvalue() == sealed.content


@pytest.mark.parametrize("size_bytes", [0, 1, FIRST + 1])
def test_a_second_reader_opens_a_whole_package(
    seal: Callable[..., Any], second_reader: Callable[[bytes, bytes], bytes], size_bytes: int
) -> None:
    """A reader made from the description alone gets the plaintext out of our package."""
    sealed = seal(os.urandom(size_bytes))

    assert second_reader(sealed.data, sealed.cek) == sealed.plaintext


def test_a_stream_ends_where_it_should() -> None:
    """The cipher itself notices bytes behind its last segment, should a file have grown since it was measured."""
    sealed = io.BytesIO()
    encrypt_stream(io.BytesIO(b"x"), sealed, key=KEY, associated_data=ASSOCIATED_DATA, plaintext_size_bytes=1)
    longer = io.BytesIO(sealed.getvalue() + b"y")

    with pytest.raises(PermanentError) as refusal:
        decrypt_stream(longer, io.BytesIO(), key=KEY, associated_data=ASSOCIATED_DATA, plaintext_size_bytes=1)

    assert refusal.value.code == "package_trailing_bytes"
