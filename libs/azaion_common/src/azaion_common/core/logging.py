"""Logs: readable lines on a terminal, one JSON object per line elsewhere. Secrets never get that far."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from azaion_common.core.printable import printable

_SECRET_WORDS = ("password", "secret", "token", "authorization", "wrapped_key")


def configure_logging(level: str = "info", *, service: str | None = None) -> None:
    """Set up structlog and the standard library's logging to write to stderr."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_secrets,
            _without_steering,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info if not sys.stderr.isatty() else _as_is,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s", force=True)
    if service is not None:
        structlog.contextvars.bind_contextvars(process=service)


def _hide_secrets(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in fields:
        if any(word in name.lower() for word in _SECRET_WORDS):
            fields[name] = "[hidden]"
    return fields


def _without_steering(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """On a terminal words of others are shown and not obeyed; JSON writes them out by itself."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = printable(value)
    return fields


def _as_is(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return fields
