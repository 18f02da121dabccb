"""What the consumer and the job worker of every service count."""

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter(
    "azaion_messages", "Messages read from a stream, by what became of them", ["service", "stream", "outcome"]
)
LAG = Gauge(
    "azaion_stream_lag_messages", "Messages of a stream that are not handled yet", ["service", "stream"]
)
HANDLER_SECONDS = Histogram(
    "azaion_handler_seconds",
    "Time to handle one batch of messages, without what was prepared while the one before was applied",
    ["service", "stream"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
OUTCOMES = ("applied", "passed_over", "quarantined")
OUTBOX = Gauge("azaion_outbox_unsent", "Events and jobs that a ledger owes to others", ["service"])
DEAD_LETTERS = Gauge(
    "azaion_dead_letters_open", "Messages in quarantine that nobody has looked after", ["service"]
)
JOBS = Counter("azaion_jobs", "Jobs taken from a queue, by outcome", ["service", "queue", "outcome"])
REWINDS = Counter(
    "azaion_stream_rewinds",
    "Times that a stream was read again from its beginning, because the log had lost messages",
    ["service", "stream"],
)
HALTED = Gauge(
    "azaion_stream_halted", "1 while a stream is not read because records are missing", ["service", "stream"]
)
RESENT = Counter(
    "azaion_outbox_resent", "Events sent again, because the log had lost them", ["service", "stream"]
)


def expect(service: str, stream: str) -> None:
    """Show 0 for what has not happened yet: a rate can only be seen to rise from a number."""
    for outcome in OUTCOMES:
        MESSAGES.labels(service, stream, outcome)
    REWINDS.labels(service, stream)
    HALTED.labels(service, stream).set(0)


def forget(service: str, stream: str) -> None:
    """This process does not read the stream any more: how far behind it is, is another's to tell."""
    with suppress(KeyError):
        LAG.remove(service, stream)
