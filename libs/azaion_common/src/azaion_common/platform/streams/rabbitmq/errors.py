"""What ``rstream``, sockets and the broker say, as our own errors."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from rstream import exceptions
from rstream.connection import ConnectionClosed

from azaion_common.core.errors import AzaionError, SetupError, TransientError

UNAVAILABLE = "streams_unavailable"
_DENIED = (
    exceptions.AuthenticationFailure,
    exceptions.SASLError,
    exceptions.SASLAuthenticationFailureLoopback,
    exceptions.VirtualHostAccessFailure,
    exceptions.AccessRefused,
)
_LOST = (OSError, ConnectionClosed, TimeoutError, exceptions.ServerError, exceptions.ClientError, ValueError)


@contextmanager
def typed_errors(doing: str) -> Iterator[None]:
    """Raise what goes wrong inside as TransientError or PermanentError; ``doing`` completes "cannot …"."""
    try:
        yield
    except AzaionError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise SetupError(
            "broker_untrusted",
            f"cannot {doing}: {error.verify_message}",
            hint="streams_url: …?ca=/path/ca.pem",
        ) from error
    except _DENIED as error:
        raise SetupError(
            "broker_denied",
            f"cannot {doing}: {_name(error)}",
            hint="check user, password and vhost in streams_url",
        ) from error
    except exceptions.PreconditionFailed as error:
        raise TransientError(
            "broker_blocked",
            f"cannot {doing}: the broker takes nothing for now, as with a full disk",
            hint="see its alarms: rabbitmq-diagnostics alarms",
        ) from error
    except exceptions.StreamDoesNotExist as error:
        raise TransientError("stream_missing", f"cannot {doing}: the stream does not exist") from error
    except _LOST as error:
        raise TransientError(UNAVAILABLE, f"cannot {doing}: {_name(error)}") from error


def _name(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
