"""The tables that every ledger has beside its service's own."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)  # fmt: skip

METADATA = MetaData()

IDENTITY = Table(
    "ledger_identity", METADATA,
    Column("service", String(100), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("instance", String(32)),
)  # fmt: skip
"""``epoch`` is the time of the ledger's making: a ledger made anew never repeats identities of the old one.
``instance``: drawn at random, the name of this ledger among all that a service has anywhere.
"""

CURSORS = Table(
    "inbox_cursor", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False, default=0),
    Column("passed_over", BigInteger, nullable=False, default=0),
    Column("quarantined", BigInteger, nullable=False, default=0),
    Column("before_rewind", BigInteger, nullable=False, default=0, server_default="0"),
    Column("last_sha256", LargeBinary(32)),
    Column("halted", Text),
)  # fmt: skip
"""How far each stream was read, and what became of every record: the three counts add up to the records read.

``before_rewind``: how many of these were read before the stream was last read again from its beginning.
``last_sha256``: of the body just before ``next_offset``. ``halted``: why reading stopped, until it goes on.
"""

SEEN = Table(
    "inbox_seen", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("producer", String(200), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)  # fmt: skip

FOREIGN = Table(
    "inbox_foreign", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False),
)  # fmt: skip
Index("inbox_foreign_sha256", FOREIGN.c.stream, FOREIGN.c.sha256)
"""Messages of streams that others write, which carry no sequence of ours: known by offset and content."""

IN_FLIGHT = Table(
    "inbox_in_flight", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
)  # fmt: skip
"""Written before a batch is handled: a row found at start means that the process died while handling it."""

QUARANTINE = Table(
    "inbox_quarantine", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("reason", String(100), nullable=False),
    Column("message", Text, nullable=False),
    Column("raw_sha256", String(64), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("state", String(20), nullable=False, default="open", server_default="open"),
    Column("requeued_at", DateTime(timezone=True)),
)  # fmt: skip
"""What was refused. ``state``: ``open``, ``requeued`` (to be tried again) or ``applied`` (then)."""

OUTBOX = Table(
    "outbox", METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(10), nullable=False),  # "event" or "job"
    Column("destination", String(200), nullable=False),  # stream or queue
    Column("key", String(200), nullable=False),  # subject or job id
    Column("seq", BigInteger, nullable=False),  # 0 for jobs
    Column("body", LargeBinary, nullable=False),
    Column("sent", Boolean, nullable=False, default=False),
    Column("created_at", DateTime(timezone=True)),
    sqlite_autoincrement=True,
)  # fmt: skip
Index("outbox_unsent", OUTBOX.c.sent, OUTBOX.c.id)

SEQUENCES = Table(
    "outbox_sequence", METADATA,
    Column("stream", String(200), primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)  # fmt: skip

JOBS_DONE = Table(
    "jobs_done", METADATA,
    Column("queue", String(200), primary_key=True),
    Column("job_id", String(200), primary_key=True),
    Column("outcome", String(100), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)  # fmt: skip

JOB_TRACES = Table(
    "job_traces", METADATA,
    Column("queue", String(200), primary_key=True),
    Column("job_id", String(200), primary_key=True),
    Column("traceparent", String(100), nullable=False),
)  # fmt: skip
"""Of jobs that are not over: the trace that they go on with."""
