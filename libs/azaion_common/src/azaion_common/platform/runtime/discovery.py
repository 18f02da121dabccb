"""Services and commands, found through entry points: what is installed is what there is."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from azaion_common.core.errors import PermanentError

if TYPE_CHECKING:  # a service brings a database along, which no command has to import that starts none
    from azaion_common.platform.runtime.service import Service

ORDER = ("api", "ingestor", "augmentor", "trainer", "exporter", "publisher", "inferencer")


def service_names() -> list[str]:
    """Installed services, in the order of the loop."""
    found = {point.name for point in entry_points(group="azaion.services")}
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def load_service(name: str) -> Service:
    """The service ``name``.

    Raises:
        PermanentError: ``service_unknown``.
    """
    for point in entry_points(group="azaion.services"):
        if point.name == name:
            service: Service = point.load()
            return service
    raise PermanentError(
        "service_unknown",
        f"no service {name!r} is installed",
        hint=f"there are: {', '.join(service_names())}",
    )


def command_points() -> dict[str, EntryPoint]:
    """Entry points whose function adds commands to the CLI, by the name of the command that each is there for."""
    return {point.name: point for point in entry_points(group="azaion.commands")}
