"""Bodies of requests, bounded before they are read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from azaion_api.problems import Refused
from azaion_api.strict_json import strict_json

JSON_BYTES = 16 * 1024
"""The longest JSON body. What a login can be at most, with every character escaped, fits."""
JSON = "application/json"

Model = TypeVar("Model", bound="Body")


class Body(BaseModel):
    """Base of what is read from a body: no field too many, no type guessed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds characters that are no text")
    return text


Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""Text that every database takes: no NUL. Halves of surrogate pairs are no text to pydantic already."""
NAME_SCHEMA: JsonDict = {"pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "not": {"pattern": r"\.\."}}
"""``resources.check_name`` as clients see it; it is that which checks."""


def limited(request: Request, max_bytes: int) -> Request:
    """``request`` with a body that is refused once it is known to be longer: by its announced length, or while it comes in.

    Raises:
        Refused: 413 ``body_too_large``; 415 ``encoding_unsupported`` for a compressed body.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported", "send the body uncompressed")
    refusal = Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"the body is longer than {max_bytes} bytes"
    )
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > max_bytes:
        raise refusal
    received_bytes = 0

    async def receive() -> Message:
        nonlocal received_bytes
        message = await request.receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > max_bytes:
            raise refusal
        return message

    return Request(request.scope, receive)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The JSON body of ``request`` as ``model``.

    Raises:
        Refused: 413 ``body_too_large``, 415 ``media_type_unsupported``, 400 ``body_incomplete``, 422 ``json_invalid``.
        RequestValidationError: it does not fit the model.
    """
    bounded = limited(request, JSON_BYTES)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", f"send {JSON}")
    try:
        data = await bounded.body()
    except ClientDisconnect as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "body_incomplete", "the body ended too early") from error
    try:
        fields = strict_json(data)
    except ValueError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "request_invalid", str(error)) from error
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(
            error.errors(include_url=False, include_context=False, include_input=False)
        ) from error
