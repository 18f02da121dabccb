"""Streams over TLS as compose.tls.yaml has them: its settings and our certificates on a real RabbitMQ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import make_secrets
import pytest
from testservers.broker_source import BrokerSource
from testservers.processes import free_port
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import SetupError
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def device(broker_source: BrokerSource, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamsLocation]:
    """Where the folder of a device says that the broker is, but for the port."""
    port, server = free_port(), PrivateRabbit(broker_source)
    folder = server.folder / "secrets"
    make_secrets.main(folder, ("127.0.0.1",), ("roof",))
    inner = Path("/") / folder.relative_to(broker_source.root)
    settings = (ROOT / "deploy/rabbitmq/tls.conf").read_text().replace("5551", str(port))
    for name, file in {
        "ca": "ca.pem",
        "server_certificate": "server.pem",
        "server_key": "server-key.pem",
    }.items():
        settings = settings.replace(f"/run/secrets/{name}\n", f"{inner}/{file}\n")
    server._extra_conf = settings
    monkeypatch.setenv("AZAION_STREAMS_HOST", "127.0.0.1")
    url = (folder / "devices/roof/secrets/streams_url").read_text()
    with server:
        server.manage("POST", "/definitions", json.loads((folder / "rabbitmq_definitions.json").read_text()))
        yield StreamsLocation.parse(
            url.replace("5551", str(port)).replace("/run/secrets/ca", str(folder / "ca.pem"))
        )


async def test_a_device_speaks_tls_with_the_broker(device: StreamsLocation) -> None:
    """With the authority of its folder it is let in; whoever has another authority's certificate gets no password."""
    async with RabbitEventLog.open(device, name="device") as log:
        with pytest.raises(SetupError) as denied:  # let in, and told that a device makes no stream
            await log.append("azaion.devices", [Message(b"report", seq=1)], producer="device.1")
    async with RabbitEventLog.open(replace(device, ca_file=None), name="stranger") as log:
        with pytest.raises(SetupError) as untrusted:
            await log.end("azaion.devices")

    assert denied.value.code == "broker_denied"
    assert untrusted.value.code == "broker_untrusted"
