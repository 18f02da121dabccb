"""What ``aio-pika``, sockets and the broker say, as our own errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika import exceptions
from aiormq.exceptions import ChannelAccessRefused

from azaion_common.core.errors import AzaionError, PermanentError, SetupError, TransientError

UNAVAILABLE = "jobs_unavailable"
BLOCKED = "broker_blocked"
_DENIED = (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError, ChannelAccessRefused)
_LOST = (*exceptions.CONNECTION_EXCEPTIONS, TimeoutError)
"""RuntimeError among them: it is what a closed connection or channel raises."""


@contextmanager
def typed_errors(doing: str) -> Iterator[None]:
    """Raise what goes wrong inside as TransientError or PermanentError; ``doing`` completes "cannot …"."""
    try:
        yield
    except AzaionError:
        raise
    except asyncio.CancelledError as error:
        # Whoever waits on a connection when it turns out to be stuck is told by a CancelledError, which would
        # end our own task without a word.
        if _is_cancelled():
            raise
        raise TransientError(UNAVAILABLE, f"cannot {doing}: the connection was given up") from error
    except exceptions.PublishError as error:
        raise PermanentError(
            "job_unroutable",
            f"cannot {doing}: {error.args[0]}",
            hint="the broker has no such queue; who deletes it?",
        ) from error
    except _DENIED as error:
        raise SetupError(
            "broker_denied",
            f"cannot {doing}: {_name(error)}",
            hint="check user, password and permissions in jobs_url",
        ) from error
    except _LOST as error:
        raise _lost(error, doing) from error


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _lost(error: BaseException, doing: str) -> AzaionError:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return SetupError(
            "broker_untrusted",
            f"cannot {doing}: {error.__cause__.verify_message}",
            hint="jobs_url: amqps://…?ca=/path/ca.pem",
        )
    hint = None
    if isinstance(error, exceptions.InvalidFrameError) and "Connection.OpenOk" in str(error):
        hint = "does the virtual host in jobs_url exist, and may this user use it?"
    return TransientError(UNAVAILABLE, f"cannot {doing}: {_name(error)}", hint=hint)


def _name(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
