"""Spans of OpenTelemetry, where a collector is configured; otherwise nothing, at no cost.

Trace context travels in the events as W3C's ``traceparent`` (https://www.w3.org/TR/trace-context/), whether or not this process
records spans of its own. The SDK is only imported when it is used, and takes its settings from the standard ``OTEL_*``
variables.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from azaion_common.core.errors import PermanentError
from azaion_common.core.extras import install_hint

CLOSE_S = 3.0
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_WELL = frozenset({"applied", "passed_over", "done"})


class Span(Protocol):
    """One piece of work in a trace."""

    @property
    def traceparent(self) -> str | None:
        """What to hand on to whatever follows from this work."""

    def end(self, outcome: str) -> None:
        """The work is over: ``applied``, ``done``, or why not."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Hands on what it was given."""

    traceparent: str | None = None

    def end(self, outcome: str) -> None:
        return


class _Recorded:
    def __init__(self, span: Any) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, outcome: str) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - optional

        self._span.set_attribute("azaion.outcome", outcome)
        if outcome not in _WELL:
            self._span.set_status(Status(StatusCode.ERROR, outcome))
        self._span.end()


class Tracer:
    """Records spans and sends them in the background; ``close`` sends the rest."""

    def __init__(self, provider: Any, exporter: Any = None) -> None:
        self._provider = provider
        self._exporter = exporter
        self._tracer = provider.get_tracer("azaion")

    def begin(self, name: str, parent: str | None, attributes: dict[str, str | int]) -> Span:
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - optional
            TraceContextTextMapPropagator,
        )

        context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
        return _Recorded(self._tracer.start_span(name, context=context, attributes=attributes))

    def close(self) -> None:
        """Send the rest, if that goes quickly: a process that is told to stop does not wait for a collector that is away."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_S)
        if sending.is_alive() and self._exporter is not None:
            # It would go on trying, and complain of it on stderr, until the process has ended.
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
            self._exporter.shutdown()


_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """From now on this process records its spans with ``tracer``; None: not at all."""
    global _tracer  # noqa: PLW0603 - a process has one, as it has one log
    _tracer = tracer


def begin(name: str, parent: str | None, **attributes: str | int) -> Span:
    """A span that follows from ``parent`` (a traceparent; None, or whatever is none: the beginning of a trace)."""
    sound = parent if parent and _TRACEPARENT.fullmatch(parent) else None
    if _tracer is None:
        return Unrecorded(sound)
    return _tracer.begin(name, sound, attributes)


def trace_id(traceparent: str | None) -> str | None:
    """The id of the trace, 32 hex digits."""
    return traceparent.split("-")[1] if traceparent else None


def otlp_tracer(service: str) -> Tracer:
    """Spans go to the collector that ``OTEL_EXPORTER_OTLP_ENDPOINT`` names, by HTTP.

    Raises:
        PermanentError: ``extra_missing``.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise PermanentError(
            "extra_missing",
            f"{error.name} is not installed, which OTEL_EXPORTER_OTLP_ENDPOINT asks for",
            hint=install_hint("traces"),
        ) from error
    resource = Resource.create({"service.name": f"azaion-{service}", "service.namespace": "azaion"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracer(provider, exporter)
