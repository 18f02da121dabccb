"""How long, how often and how much at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """One call of the store makes one or more requests; a request is tried several times."""

    deadline_s: float = 120.0
    """A call is over after this, whatever happens, plus the time for its bytes at ``slowest_bytes_per_s``."""
    slowest_bytes_per_s: float = 512 << 10
    tries: int = 6
    """Of one request, the first one included."""
    attempt_s: float = 30.0
    """Of one try, its body included: a server that sends a byte now and then is given up too."""
    connect_s: float = 5.0
    idle_s: float = 15.0
    """No byte for this long ends a try."""
    pause_s: float = 0.2
    longest_pause_s: float = 20.0
    longest_retry_after_s: float = 60.0
    """A server that asks for more is asked again after this."""
    retry_share: float = 0.1
    """Retries that every request adds to those that all calls share."""
    retries_in_hand: int = 50
    part_bytes: int = 8 << 20
    """Of one request's body, in both directions. S3 wants at least 5 MiB."""
    parts_in_flight: int = 3
    """Of one call. Memory of a call is about ``part_bytes * (parts_in_flight + 1)``."""
    connections: int = 32
    """Of the whole store; more requests than that wait for their turn."""
    keys_per_page: int = 1000
    abort_s: float = 10.0
    """For cleaning up after an upload that failed; it goes on in the background."""
