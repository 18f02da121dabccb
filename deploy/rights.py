"""Who may do what on the broker and on the blob store: each account what its service needs, and nothing else.

Nobody but the operator may make or delete anything on the broker: ``azaion setup`` makes streams and queues under
the operator's account. Who writes to a stream may read it, too: the broker tells only readers which of their messages
it has. Only the standard library, for a host that has nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OPERATOR, DEVICE, ANNOTATIONS = "azaion", "device", "annotations"
BLOBS, RELEASES = "azaion", "azaion-releases"
"""The buckets."""
_ACKNOWLEDGEMENTS, _DEAD_LETTERS = "azaion.acknowledgements", "azaion.dead-letters"
_NOTHING, _EVERYTHING = "^$", ".*"


@dataclass(frozen=True)
class Broker:
    """What one account may do."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    jobs: str | None = None
    """The queue that it puts jobs into and takes them from."""
    everything: bool = False

    @property
    def has_jobs(self) -> bool:
        return self.everything or self.jobs is not None

    def as_regular_expressions(self) -> dict[str, str]:
        """As RabbitMQ wants them: which names of streams, queues and exchanges may be made, written to, read from."""
        if self.everything:
            return dict.fromkeys(("configure", "write", "read"), _EVERYTHING)
        return {
            "configure": _NOTHING,
            "write": self._expression(self.writes),
            "read": self._expression((*self.writes, *self.reads)),
        }

    def _expression(self, streams: tuple[str, ...]) -> str:
        """A stream, or any part of it; a queue, or the exchange of its name."""
        names = [f"{re.escape(stream)}(-[0-9]+)?" for stream in dict.fromkeys(streams)]
        names += [re.escape(f"azaion.jobs.{self.jobs}")] if self.jobs else []
        return f"^({'|'.join(names)})$" if names else _NOTHING


def _service(*, reads: tuple[str, ...] = (), writes: tuple[str, ...] = (), jobs: str | None = None) -> Broker:
    """Every service tells what it has read, and which messages it refuses."""
    return Broker(reads, (*writes, _ACKNOWLEDGEMENTS, _DEAD_LETTERS), jobs)


BROKER = {
    OPERATOR: Broker(everything=True),
    "ingestor": _service(reads=("azaion-annotations",), writes=("azaion.images",)),
    "augmentor": _service(reads=("azaion.images",), writes=("azaion.datasets",)),
    "trainer": _service(
        reads=("azaion.images",), writes=("azaion.datasets", "azaion.models"), jobs="trainings"
    ),
    "exporter": _service(writes=("azaion.models",), jobs="exports"),
    "publisher": _service(writes=("azaion.models",), jobs="publications"),
    "api": Broker(),
    DEVICE: Broker(reads=("azaion.models", _ACKNOWLEDGEMENTS), writes=("azaion.devices",)),
    # What the store holds already is told on azaion.images: an import sends what differs.
    ANNOTATIONS: Broker(reads=("azaion.images",), writes=("azaion-annotations",)),
}

_OWN = (f"Read:{BLOBS}", f"Write:{BLOBS}")
BLOB_STORE = {
    OPERATOR: ("Admin", "Read", "Write", "List", "Tagging"),
    "ingestor": _OWN,
    "augmentor": _OWN,
    "trainer": _OWN,
    "exporter": _OWN,
    "publisher": (f"Read:{BLOBS}", f"Read:{RELEASES}", f"Write:{RELEASES}"),
    "api": (),
    # With the slash it is about objects alone: by name, and neither a list of them nor anything about the bucket.
    DEVICE: (f"Read:{RELEASES}/*",),
}
"""Actions of SeaweedFS: ``Read``, ``Write`` (which deletes, too) and ``List``, each for a bucket."""
