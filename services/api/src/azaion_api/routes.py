"""The routes. Each says who may call it; what it does lies elsewhere."""

from __future__ import annotations

import math
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.datastructures import UploadFile

from azaion_api.accounts import Accounts
from azaion_api.metrics import LOGINS, UPLOADED_BYTES
from azaion_api.problems import Refused
from azaion_api.resources import Resources, safe_name
from azaion_api.throttle import Throttle
from azaion_api.tokens import Identity, Role, Signer
from azaion_common.errors import PermanentError

router = APIRouter()

_ADDRESS_FACTOR = 4
"""One address may serve several people: it is allowed this many times the attempts of one account."""


@dataclass(frozen=True)
class Services:
    """What the routes work with; lies in ``app.state.services``."""

    accounts: Accounts
    resources: Resources
    signer: Signer
    throttle: Throttle
    login_attempts: int
    monotonic: Any = field(default=time.monotonic)


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class LoginRequest(_Body):
    """E-mail address and password; older clients spell the names with a capital."""

    email: str = Field(max_length=320, validation_alias=AliasChoices("email", "Email"))
    password: str = Field(max_length=1024, validation_alias=AliasChoices("password", "Password"), repr=False)


class LoginAnswer(_Answer):
    """A bearer token and when it ends."""

    token: str
    expires_at: AwareDatetime


class ResourceRequest(_Body):
    """Which file of the folder is wanted."""

    file_name: str = Field(max_length=128, validation_alias=AliasChoices("fileName", "FileName"))


class ResourceAnswer(_Answer):
    """What was stored."""

    folder: str
    file_name: str
    sha256: str
    size_bytes: int


class HealthAnswer(_Answer):
    """Alive, and able to answer."""

    status: str


def services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - set where the app is made
    return found


Use = Annotated[Services, Depends(services)]


def caller(request: Request, use: Use) -> Identity:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not token:
        raise Refused(HTTPStatus.UNAUTHORIZED, "token_missing", "log in and send the token", challenge)
    try:
        return use.signer.verify(token)
    except PermanentError as error:
        raise Refused(HTTPStatus.UNAUTHORIZED, error.code, error.message, challenge) from error


Caller = Annotated[Identity, Depends(caller)]


def writer(identity: Caller) -> Identity:
    if identity.role not in (Role.ADMIN, Role.SERVICE):
        raise Refused(HTTPStatus.FORBIDDEN, "role_denied", "this account may not store resources")
    return identity


Writer = Annotated[Identity, Depends(writer)]


@router.get("/livez")
async def livez() -> HealthAnswer:
    return HealthAnswer(status="ok")


@router.get("/health")
async def health(use: Use) -> HealthAnswer:
    await use.accounts.database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
    return HealthAnswer(status="ok")


@router.post("/login")
async def login(body: LoginRequest, request: Request, use: Use) -> LoginAnswer:
    address = request.client.host if request.client else "unknown"
    limits = {
        f"{address} {body.email.lower()}": use.login_attempts,
        address: use.login_attempts * _ADDRESS_FACTOR,
    }
    if (wait_s := use.throttle.admit(limits, use.monotonic())) is not None:
        LOGINS.labels("throttled").inc()
        retry = {"Retry-After": str(math.ceil(wait_s))}
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many_logins", "too many failed logins", retry)
    try:
        identity = await use.accounts.authenticate(body.email, body.password)
    except PermanentError as error:
        LOGINS.labels("denied").inc()
        raise Refused(HTTPStatus.UNAUTHORIZED, error.code, error.message) from error
    use.throttle.forgive(limits)
    LOGINS.labels("ok").inc()
    token = use.signer.issue(identity, datetime.now(UTC))
    return LoginAnswer(token=token.text, expires_at=token.expires_at)


_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {"data": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


# The form is read inside, not declared as a parameter: FastAPI would take in the body before it asks who sends it.
@router.post("/resources/{folder}", status_code=HTTPStatus.CREATED, openapi_extra=_UPLOAD)
async def store(
    folder: str, identity: Writer, request: Request, response: Response, use: Use
) -> ResourceAnswer:
    _checked(folder)
    async with request.form(max_files=1, max_fields=0) as form:
        upload = form.get("data")
        if not isinstance(upload, UploadFile):
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY, "data_missing", "send one file in the field 'data'"
            )
        name, data = _checked(upload.filename or ""), await upload.read()
    try:
        resource, is_new = await use.resources.add(folder, name, data, identity.email)
    except PermanentError as error:
        if error.code == "resource_exists":
            raise Refused(HTTPStatus.CONFLICT, error.code, error.message) from error
        raise
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


@router.post("/resources/get/{folder}", response_class=Response)
async def fetch(folder: str, body: ResourceRequest, identity: Caller, use: Use) -> Response:
    _checked(folder)
    _checked(body.file_name)
    try:
        resource, data = await use.resources.get(folder, body.file_name)
    except PermanentError as error:
        if error.code == "resource_missing":
            raise Refused(HTTPStatus.NOT_FOUND, error.code, error.message) from error
        raise
    digest = b64encode(bytes.fromhex(resource.sha256)).decode()
    headers = {"ETag": f'"{resource.sha256}"', "Repr-Digest": f"sha-256=:{digest}:"}  # RFC 9530
    return Response(data, media_type="application/octet-stream", headers=headers)


def _checked(name: str) -> str:
    try:
        return safe_name(name)
    except PermanentError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, error.message) from error
