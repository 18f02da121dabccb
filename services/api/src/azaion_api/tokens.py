"""Access tokens: JWT (RFC 7519, 8725, 9068) signed with Ed25519. One algorithm, one key, every claim required."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.utils import base64url_decode, base64url_encode

from azaion_api.strict_json import strict_json
from azaion_common.core.errors import PermanentError

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
ISSUER = "azaion-api"
AUDIENCE = "azaion"
LEEWAY_S = 30
MAX_LENGTH = 4096
REQUIRED = ("exp", "nbf", "iat", "iss", "aud", "sub", "jti", "role")
MAX_LIFETIME_S = 3600
_MAX_SUBJECT = 320
_JTI = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Role(StrEnum):
    """What an account may do: devices read, services and administrators also write."""

    ADMIN = "admin"
    SERVICE = "service"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls."""

    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token and when it ends."""

    text: str
    expires_at: datetime


class Signer:
    """Issues tokens and reads them back."""

    def __init__(self, private_key: Ed25519PrivateKey, lifetime_s: int) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key()
        self._lifetime = timedelta(seconds=lifetime_s)
        raw = self._public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._header = {"alg": ALGORITHM, "typ": TYPE, "kid": hashlib.sha256(raw).hexdigest()[:16]}

    def issue(self, identity: Identity, now: datetime) -> Token:
        expires_at = now + self._lifetime
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity.email,
            "role": identity.role.value,
            "iat": now,
            "nbf": now,
            "exp": expires_at,
            "jti": uuid4().hex,
        }
        return Token(jwt.encode(claims, self._private_key, ALGORITHM, headers=self._header), expires_at)

    def verify(self, text: str) -> Identity:
        """Who ``text`` was issued to.

        Raises:
            PermanentError: ``token_invalid`` for whatever is not a live token of ours, without saying why.
        """
        try:
            self._check_form(text)
            strict_json(base64url_decode(text.split(".")[1]))
            claims = jwt.decode(
                text,
                self._public_key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )
            _check_claims(claims)
            return Identity(email=claims["sub"], role=Role(claims["role"]))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise PermanentError("token_invalid", "the token is not valid") from error

    def _check_form(self, text: str) -> None:
        """The header must be exactly ours (no ``jku``, ``jwk``, ``crit``…), each part in its one canonical spelling."""
        if len(text) > MAX_LENGTH:
            raise ValueError("too long")
        if any(base64url_encode(base64url_decode(part)).decode() != part for part in text.split(".")):
            raise ValueError("not canonical base64url")
        if jwt.get_unverified_header(text) != self._header:
            raise ValueError("foreign header")


def _check_claims(claims: dict[str, Any]) -> None:
    """The claims must be exactly those that we write, each of its type, the times in their order."""
    if claims.keys() != set(REQUIRED):
        raise ValueError("claims are missing, or foreign")
    issued, begins, ends = (claims[name] for name in ("iat", "nbf", "exp"))
    if not all(type(moment) is int for moment in (issued, begins, ends)):
        raise ValueError("a time that is no whole number")
    if not 0 < issued <= begins < ends <= issued + MAX_LIFETIME_S:
        raise ValueError("times out of order, or a life that is too long")
    if claims["aud"] != AUDIENCE:
        raise ValueError("for others, too")
    if not (isinstance(claims["jti"], str) and _JTI.fullmatch(claims["jti"])):
        raise ValueError("foreign identity")
    if not (isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= _MAX_SUBJECT):
        raise ValueError("foreign subject")


def new_key_pem() -> bytes:
    """A fresh Ed25519 private key, PKCS 8 in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_key(pem: bytes) -> Ed25519PrivateKey:
    """Read what ``new_key_pem`` wrote.

    Raises:
        PermanentError: ``signing_key_invalid``.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise PermanentError("signing_key_invalid", "the signing key is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PermanentError("signing_key_invalid", "the signing key is not an Ed25519 key")
    return key
