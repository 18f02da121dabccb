"""Addresses of brokers, as people write them into settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from azaion_common.core.broker_location import BrokerLocation
from azaion_common.core.errors import SetupError
from azaion_common.platform.jobs.rabbitmq.location import JobsLocation
from azaion_common.platform.streams.rabbitmq import StreamsLocation

KINDS: list[type[BrokerLocation]] = [StreamsLocation, JobsLocation]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "url",
    ["http://h/", "http://h:5552/", "{plain}://", "{plain}://h:port/", "{tls}://h/?no_verify_ssl=1",
     "{plain}://h/?heartbeat=0", "{tls}://h/?cafile=/ca.pem", "{plain}://h/?ca"],
)  # fmt: skip
def test_addresses_that_are_not_valid_are_refused_without_being_shown(
    kind: type[BrokerLocation], url: str
) -> None:
    """Options that are none are not passed over, and no password gets into a message."""
    with pytest.raises(SetupError) as caught:
        kind.parse(url.format(plain=kind.PLAIN, tls=kind.TLS).replace("://", "://u:secret@"))

    assert caught.value.code == f"{kind.SETTING}_invalid"
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(("kind", "port"), [(StreamsLocation, 5551), (JobsLocation, 5671)])
def test_addresses_are_understood(kind: type[BrokerLocation], port: int) -> None:
    """All parts may be quoted, and no text form shows the password: locations are logged."""
    location = kind.parse(f"{kind.TLS}://us%40er:pa%2Fss@broker/v%2Fh?ca=/etc/ca.pem")

    assert (location.host, location.port, location.tls) == ("broker", port, True)
    assert (location.username, location.password, location.vhost) == ("us@er", "pa/ss", "v/h")
    assert location.ca_file == Path("/etc/ca.pem")
    assert "pa/ss" not in f"{location} {location!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_is_the_usual(kind: type[BrokerLocation]) -> None:
    """Guest, the default vhost and the default port, without TLS."""
    location = kind.parse(f"{kind.PLAIN}://broker")

    assert (location.username, location.password, location.vhost) == ("guest", "guest", "/")
    assert (location.port, location.tls, location.ssl_context()) == (kind.PORTS[kind.PLAIN], False, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_an_error(
    kind: type[BrokerLocation], tmp_path: Path, content: str | None
) -> None:
    """A file that is missing or is something else is named, and no outage: nobody waits for it."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SetupError, match=r"ca\.pem") as caught:
        kind.parse(f"{kind.TLS}://h/?ca={tmp_path / 'ca.pem'}").ssl_context()

    assert caught.value.code == f"{kind.SETTING}_invalid"
