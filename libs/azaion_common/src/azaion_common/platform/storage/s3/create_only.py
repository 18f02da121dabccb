"""Writes that never touch what is there: ``If-None-Match: *``, where the server knows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from botocore.exceptions import ClientError

from azaion_common.platform.storage.s3.errors import code_of, status_of

CONDITION = {"IfNoneMatch": "*"}
_EXISTS, _NOT_IMPLEMENTED = 412, 501
_NOT_IMPLEMENTED_CODES = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})
_log = structlog.get_logger(__name__)


class CreateOnly:
    """Finds out with the first write whether the server refuses the condition.

    Without it two who store the same blob at once replace each other's, which holds the same bytes.
    """

    def __init__(self) -> None:
        self._supported = True

    async def write(
        self, send: Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]], *, replace: bool
    ) -> dict[str, Any] | None:
        """The answer to ``send``, which takes the condition; None when the object is there already."""
        if replace or not self._supported:
            return await send({})
        try:
            return await send(CONDITION)
        except ClientError as error:
            if status_of(error) == _EXISTS:
                return None
            if not _is_unknown(error):
                raise
        answer = await send({})
        self._supported = False  # only now is it sure that the condition was the trouble
        _log.warning("blobs.create_only_unsupported", consequence="equal blobs replace each other")
        return answer


def _is_unknown(error: ClientError) -> bool:
    return status_of(error) == _NOT_IMPLEMENTED or code_of(error) in _NOT_IMPLEMENTED_CODES
