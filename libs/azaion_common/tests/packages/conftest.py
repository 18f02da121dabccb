"""What the package tests share: one small sealed package, and a second reader that shares no code with the first."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tink import proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from azaion_common.packages import PackageHeader, PackageMeta, new_content_key, seal_package

META = PackageMeta(release="2026.11.1", variant="fp32-640", format="onnx", hw=("cpu", "jetson-orin"))


@dataclass(frozen=True)
class Sealed:
    """A package in memory with all that belongs to it."""

    data: bytes
    plaintext: bytes
    cek: bytes
    header: PackageHeader

    @property
    def header_size_bytes(self) -> int:
        return len(self.data) - self.header.payload_size_bytes


Seal = Callable[..., Sealed]


@pytest.fixture(scope="session")
def seal(tmp_path_factory: pytest.TempPathFactory) -> Seal:
    """Seal bytes, under a new key unless one is given."""
    path = tmp_path_factory.mktemp("sealed") / "package"
    return lambda plaintext, **options: _seal(path, plaintext, **options)


@pytest.fixture(scope="session")
def small_package(seal: Seal) -> Sealed:
    """A package of a few hundred bytes: small enough to try every change of it."""
    return seal(b"weights of a very small model")


def _seal(path: Path, plaintext: bytes, *, cek: bytes | None = None, meta: PackageMeta = META) -> Sealed:
    cek = cek or bytes(new_content_key())
    header = seal_package(plaintext, path, meta=meta, cek=cek)
    return Sealed(path.read_bytes(), plaintext, cek, header)


@pytest.fixture(scope="session")
def tink_streaming() -> Callable[[bytes], streaming_aead.StreamingAead]:
    """Tink's own AES256-GCM-HKDF-1MB primitive for a raw key."""
    streaming_aead.register()
    return _tink_primitive


def _tink_primitive(key: bytes) -> streaming_aead.StreamingAead:
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=1 << 20, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
            version=0, params=parameters, key_value=key
        ).SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


@pytest.fixture(scope="session")
def second_reader(tink_streaming: Callable[[bytes], Any]) -> Callable[[bytes, bytes], bytes]:
    """Opens a package as docs/package-format.md says, with struct, hmac and Tink instead of our code."""

    def read(package: bytes, cek: bytes) -> bytes:
        (header_size,) = struct.unpack_from(">I", package, 12)
        release_secret, header = package[48:80], package[:header_size]
        prk = hmac.digest(release_secret, cek, "sha256")
        digest = hashlib.sha256(header[:-32]).digest()
        assert header[-32:] == _expand(prk, b"mpkg/v1/commit" + digest)
        stream_key = _expand(prk, b"mpkg/v1/stream" + digest)
        payload = io.BytesIO(package[header_size:])
        with tink_streaming(stream_key).new_decrypting_stream(
            payload, hashlib.sha256(header).digest()
        ) as stream:
            plaintext: bytes = stream.read()
        meta = json.loads(header[82:-32])
        assert meta["plaintext_sha256"] == hashlib.sha256(plaintext).hexdigest()
        return plaintext

    return read


def _expand(prk: bytes, info: bytes) -> bytes:
    """HKDF-Expand for one block of output (RFC 5869)."""
    return hmac.digest(prk, info + b"\x01", "sha256")
