"""The blob store over TLS: the server's certificate is verified, always."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from s3test.rig import QUICK, open_rig, problem
from testservers.certificates import make_certificate
from testservers.s3 import PrivateS3

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.s3 import S3BlobStore


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)[0]


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


async def test_a_server_with_a_trusted_certificate_is_used(
    small_parts: PrivateS3, tls: ssl.SSLContext, certificate: Path
) -> None:
    """Certificates of one's own are named in the address, and bodies are signed over TLS as well."""
    async with (
        open_rig(small_parts, tls=tls) as rig,
        S3BlobStore.open(replace(rig.location, ca_file=certificate), limits=QUICK) as store,
    ):
        blob = await store.put(b"secret", "text/plain")

        assert await store.get(blob.sha256) == b"secret"
    assert "UNSIGNED" not in rig.server.requests[0].headers["x-amz-content-sha256"]


async def test_a_server_that_nobody_vouches_for_is_refused(
    small_parts: PrivateS3, tls: ssl.SSLContext
) -> None:
    """At the first try, and it gets no request to see."""
    async with open_rig(small_parts, tls=tls) as rig:
        assert await problem(rig.store.put(b"secret", "text/plain")) == "store_untrusted"

    assert rig.server.requests == []


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_certificates_that_cannot_be_read(
    small_parts: PrivateS3, tls: ssl.SSLContext, tmp_path: Path, content: str | None
) -> None:
    """A wrong path or file is told, and never means that anything is trusted."""
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_text(content)
    async with open_rig(small_parts, tls=tls) as rig:
        with pytest.raises(PermanentError) as caught:
            async with S3BlobStore.open(replace(rig.location, ca_file=wrong), limits=QUICK) as store:
                await store.put(b"secret", "text/plain")

    assert caught.value.code == "blobs_url_invalid"
    assert rig.server.requests == []
