"""Trace context: handed on as it is where nobody collects, and never believed blindly."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from azaion_common.core import tracing

pytestmark = pytest.mark.slow

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(tracing.Tracer(provider))
    yield exporter
    tracing.use(None)


def test_without_a_collector_the_context_passes_through() -> None:
    """A service that records nothing does not break the trace of those before and after it."""
    assert tracing.begin("work", PARENT).traceparent == PARENT
    assert tracing.begin("work", None).traceparent is None


@pytest.mark.parametrize("given", ["", "rubbish", PARENT.upper(), PARENT + "0", "x" * 10_000, PARENT + "\n"])
def test_what_is_no_context_is_dropped(given: str) -> None:
    """A foreign message cannot put anything else into our events and ledgers."""
    assert tracing.begin("work", given).traceparent is None


def test_a_recorded_span_is_a_child_and_hands_itself_on(recorded: InMemorySpanExporter) -> None:
    """The trace stays, the span is a new one with the old one as its parent, and says how it ended."""
    span = tracing.begin("work", PARENT, **{"messaging.destination.name": "s"})
    span.end("applied")

    (seen,) = recorded.get_finished_spans()
    assert span.traceparent is not None
    assert tracing.trace_id(span.traceparent) == tracing.trace_id(PARENT)
    assert span.traceparent.split("-")[2] != PARENT.split("-")[2]
    assert seen.parent is not None
    assert f"{seen.parent.span_id:016x}" == PARENT.split("-")[2]
    assert dict(seen.attributes or {}) == {"messaging.destination.name": "s", "azaion.outcome": "applied"}
    assert seen.status.is_unset


def test_what_went_wrong_is_marked(recorded: InMemorySpanExporter) -> None:
    """A refused message is an error in the trace, with its reason."""
    tracing.begin("work", None).end("unknown_class")

    (seen,) = recorded.get_finished_spans()
    assert not seen.status.is_ok
    assert seen.status.description == "unknown_class"


def test_nothing_of_opentelemetry_is_loaded_without_a_collector() -> None:
    """Edge devices pay nothing for what they do not use."""
    program = "import sys, azaion_common.platform.ledger.worker, azaion_common.platform.runtime.process; print([m for m in sys.modules if 'opentelemetry' in m])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_collector_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work goes on, and a stop takes a few seconds at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        tracer = tracing.otlp_tracer("test")
        tracing.use(tracer)
        started = time.monotonic()
        tracing.begin("work", None).end("applied")
        began = time.monotonic()
        tracer.close()
        tracing.use(None)

    assert began - started < 1
    assert time.monotonic() - began < tracing.CLOSE_S + 1


def test_spans_that_are_given_up_are_not_complained_of_later() -> None:
    """A process that ends while its collector is away writes nothing after its own last line."""
    program = """
import os, socket
from azaion_common.core import tracing
silent = socket.create_server(("127.0.0.1", 0))
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
tracing.CLOSE_S = 0.1
tracer = tracing.otlp_tracer("test")
tracing.use(tracer)
tracing.begin("work", None).end("applied")
tracer.close()
silent.close()
import time; time.sleep(1.5)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")
