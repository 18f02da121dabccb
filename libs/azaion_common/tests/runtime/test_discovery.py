"""Discovery: what is installed is what there is."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime import discovery
from azaion_common.platform.runtime.service import Service


async def _serve(_platform: object) -> None:
    return


BAKERY = Service("bakery", "bakes", _serve)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three services are installed, one of which nobody has heard of."""
    names = ("bakery", "publisher", "ingestor")
    points = [EntryPoint(name, f"{__name__}:BAKERY", "azaion.services") for name in names]
    commands = [
        EntryPoint(name, f"{__name__}:{value}", "azaion.commands")
        for name, value in (("train", "BAKERY"), ("dataset", "BAKERY"), ("infer", "_serve"))
    ]
    groups = {"azaion.services": points, "azaion.commands": commands}
    monkeypatch.setattr(discovery, "entry_points", lambda group: groups[group])


@pytest.mark.usefixtures("installed")
def test_services_come_in_the_order_of_the_loop_and_strangers_last() -> None:
    """A service of somebody else's is as good as ours."""
    assert discovery.service_names() == ["ingestor", "publisher", "bakery"]


@pytest.mark.usefixtures("installed")
def test_every_command_has_its_entry_point() -> None:
    """One function may add several commands, each of which is found by its own name."""
    assert sorted(discovery.command_points()) == ["dataset", "infer", "train"]


@pytest.mark.usefixtures("installed")
def test_an_unknown_service_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who mistypes a name reads the right one."""
    with pytest.raises(PermanentError) as caught:
        discovery.load_service("bakry")

    assert caught.value.code == "service_unknown"
    assert "bakery" in str(caught.value.hint)


def test_the_services_of_the_loop_are_installed() -> None:
    """Each can be loaded and carries the name under which it is found."""
    for name in discovery.service_names():
        assert discovery.load_service(name).name == name
    assert {"api", "ingestor", "augmentor", "trainer", "exporter", "publisher"} <= set(
        discovery.service_names()
    )
