"""The routes. Each says who may call it; what it does lies elsewhere."""

from __future__ import annotations

import math
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from azaion_api.accounts import Accounts, AuthDeniedError
from azaion_api.bodies import NAME_SCHEMA, Body, Text, limited, read_json
from azaion_api.description import BYTES, OCTETS, file_body, json_body, problems
from azaion_api.metrics import LOGINS, UPLOADED_BYTES
from azaion_api.problems import Refused
from azaion_api.resources import Resources, check_name
from azaion_api.throttle import Throttle
from azaion_api.tokens import Identity, Role, Signer
from azaion_common.platform.runtime.http_connections import client_of

router = APIRouter()

_MULTIPART_OVERHEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Services:
    """What the routes work with; lies in ``app.state.services``."""

    accounts: Accounts
    resources: Resources
    signer: Signer
    throttle: Throttle
    max_upload_bytes: int
    monotonic: Any = field(default=time.monotonic)


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class LoginRequest(Body):
    """E-mail address and password; older clients spell the names with a capital."""

    email: Text = Field(max_length=320, validation_alias=AliasChoices("email", "Email"))
    password: Text = Field(max_length=1024, validation_alias=AliasChoices("password", "Password"), repr=False)


class LoginAnswer(_Answer):
    """A bearer token and when it ends."""

    token: str
    expires_at: AwareDatetime


class ResourceRequest(Body):
    """Which file of the folder is wanted."""

    file_name: Text = Field(
        max_length=128,
        validation_alias=AliasChoices("fileName", "FileName"),
        json_schema_extra=NAME_SCHEMA,
    )


class ResourceAnswer(_Answer):
    """What was stored."""

    folder: str
    file_name: str
    sha256: str
    size_bytes: int


class HealthAnswer(_Answer):
    """Alive, and able to answer."""

    status: str


# Asynchronous although nothing is waited for: FastAPI would have them done by another thread otherwise.
async def services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - set where the app is made
    return found


Use = Annotated[Services, Depends(services)]
Folder = Annotated[str, Path(json_schema_extra=NAME_SCHEMA)]


async def caller(request: Request, use: Use) -> Identity:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Refused(HTTPStatus.UNAUTHORIZED, "token_missing", "log in and send the token", challenge)
    return use.signer.verify(token)


Caller = Annotated[Identity, Depends(caller)]


async def writer(identity: Caller) -> Identity:
    if identity.role not in (Role.ADMIN, Role.SERVICE):
        raise Refused(HTTPStatus.FORBIDDEN, "role_denied", "this account may not store resources")
    return identity


Writer = Annotated[Identity, Depends(writer)]


@router.get("/livez", responses=problems(500))
async def livez() -> HealthAnswer:
    return HealthAnswer(status="ok")


@router.get("/health", responses=problems(500, 503))
async def health(use: Use) -> HealthAnswer:
    await use.resources.readings.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
    return HealthAnswer(status="ok")


# Bodies are read inside, not declared as parameters: FastAPI would take them in before it is asked who sends them.
@router.post(
    "/login",
    responses=problems(400, 401, 413, 415, 422, 429, 500, 503),
    openapi_extra=json_body(LoginRequest),
)
async def login(request: Request, use: Use) -> LoginAnswer:
    address = client_of(request.client.host) if request.client else "unknown"
    _refuse(use.throttle.refuses_address(address, use.monotonic()))
    body = await read_json(request, LoginRequest)
    attempt = use.throttle.attempt(address, body.email.lower(), body.password)
    _refuse(use.throttle.admit(attempt, use.monotonic()))
    try:
        identity = await use.accounts.authenticate(body.email, body.password)
    except AuthDeniedError:
        LOGINS.labels("denied").inc()
        _refuse(use.throttle.failed(attempt, use.monotonic()))
        raise
    use.throttle.succeeded(attempt, use.monotonic())
    LOGINS.labels("ok").inc()
    token = use.signer.issue(identity, datetime.now(UTC))
    return LoginAnswer(token=token.text, expires_at=token.expires_at)


def _refuse(wait_s: float | None) -> None:
    if wait_s is not None:
        LOGINS.labels("throttled").inc()
        retry = {"Retry-After": str(math.ceil(wait_s))}
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many_logins", "too many failed logins", retry)


_STORED_BEFORE: dict[int | str, dict[str, Any]] = {
    200: {"model": ResourceAnswer, "description": "The same bytes were there already"}
}


@router.post(
    "/resources/{folder}",
    status_code=HTTPStatus.CREATED,
    responses=_STORED_BEFORE | problems(400, 401, 403, 409, 413, 415, 422, 500, 503),
    openapi_extra=file_body("data"),
)
async def store(
    folder: Folder, identity: Writer, request: Request, response: Response, use: Use
) -> ResourceAnswer:
    check_name(folder)
    bounded = limited(request, use.max_upload_bytes + _MULTIPART_OVERHEAD_BYTES)
    try:
        async with bounded.form(max_files=1, max_fields=0) as form:
            upload = form.get("data")
            if not isinstance(upload, UploadFile):
                raise Refused(
                    HTTPStatus.UNPROCESSABLE_ENTITY, "data_missing", "send one file in the field 'data'"
                )
            name, data = check_name(upload.filename or ""), await upload.read()
    except ClientDisconnect as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "body_incomplete", "the body ended too early") from error
    resource, is_new = await use.resources.add(folder, name, data, identity.email)
    if is_new:
        UPLOADED_BYTES.inc(resource.size_bytes)
    else:
        response.status_code = HTTPStatus.OK
    return ResourceAnswer(
        folder=resource.folder,
        file_name=resource.name,
        sha256=resource.sha256,
        size_bytes=resource.size_bytes,
    )


@router.post(
    "/resources/get/{folder}",
    response_class=Response,
    responses=BYTES | problems(400, 401, 404, 413, 415, 422, 500, 503),
    openapi_extra=json_body(ResourceRequest),
)
async def fetch(folder: Folder, request: Request, identity: Caller, use: Use) -> Response:
    body = await read_json(request, ResourceRequest)
    resource, data = await use.resources.get(folder, body.file_name)
    digest = b64encode(bytes.fromhex(resource.sha256)).decode()
    headers = {"ETag": f'"{resource.sha256}"', "Repr-Digest": f"sha-256=:{digest}:"}  # RFC 9530
    return Response(data, media_type=OCTETS, headers=headers)
