"""The job queue over TLS: the broker's certificate is verified, always."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from testservers.broker_source import BrokerSource
from testservers.processes import LOOPBACK, free_port
from testservers.rabbitmq import PrivateRabbit

from azaion_common.errors import PermanentError
from azaion_common.jobs.rabbitmq import RabbitJobQueue


def _make_certificate(folder: Path) -> None:
    """``ca.pem`` (which is the server's own) and ``key.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker of a test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )


@pytest.fixture
def tls_broker(broker_source: BrokerSource) -> Iterator[tuple[str, Path]]:
    """Its address without options, and the certificate to trust."""
    broker, port = PrivateRabbit(broker_source), free_port()
    _make_certificate(broker.folder)
    inner = Path("/") / broker.folder.relative_to(broker_source.root)
    broker._extra_conf = "\n".join((
        f"listeners.ssl.1 = {LOOPBACK}:{port}",
        f"ssl_options.cacertfile = {inner}/ca.pem",
        f"ssl_options.certfile = {inner}/ca.pem",
        f"ssl_options.keyfile = {inner}/key.pem",
        "ssl_options.verify = verify_none",
    ))  # fmt: skip
    with broker:
        yield f"amqps://guest:guest@{LOOPBACK}:{port}/", broker.folder / "ca.pem"


async def test_a_broker_is_trusted_by_its_certificate(tls_broker: tuple[str, Path], jobs_ledger: str) -> None:
    """Jobs go over TLS to a broker whose authority is named, and not to one that anybody might be."""
    url, authority = tls_broker
    async with RabbitJobQueue.open(f"{url}?ca={authority}", jobs_ledger) as jobs:
        await jobs.put("q", "1", "one")
        assert (await asyncio.wait_for(jobs.take("q", "w", lease_s=30), 10)).job_id == "1"

    async with RabbitJobQueue.open(url, jobs_ledger) as jobs:
        with pytest.raises(PermanentError) as caught:
            await jobs.put("q", "2", "two")
    assert caught.value.code == "broker_untrusted"
