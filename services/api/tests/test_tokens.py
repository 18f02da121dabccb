"""Tokens: everything that is not exactly a live token of ours is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from azaion_api.tokens import REQUIRED, Identity, Role, Signer, load_key, new_key_pem
from azaion_common.core.errors import PermanentError

KEY = Ed25519PrivateKey.generate()
SIGNER = Signer(KEY, lifetime_s=600)
IDENTITY = Identity("device@example.org", Role.DEVICE)


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def good_parts() -> tuple[dict[str, Any], dict[str, Any]]:
    text = SIGNER.issue(IDENTITY, datetime.now(UTC)).text
    return jwt.get_unverified_header(text), jwt.decode(text, options={"verify_signature": False})


def signed(
    header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: Ed25519PrivateKey = KEY
) -> str:
    message = f"{part(header)}.{part(claims)}"
    return f"{message}.{part(key.sign(message.encode()))}"


def with_claims(**changes: Any) -> str:
    header, claims = good_parts()
    return signed(header, {k: v for k, v in (claims | changes).items() if v is not ...})


def with_header(**changes: Any) -> str:
    header, claims = good_parts()
    return signed({k: v for k, v in (header | changes).items() if v is not ...}, claims)


def twice(claim: str, value: str) -> str:
    header, claims = good_parts()
    return signed(header, json.dumps(claims).encode()[:-1] + f', "{claim}": "{value}"}}'.encode())


def hmac_signed(secret: bytes, algorithm: str = "HS256") -> str:
    header, claims = good_parts()
    message = f"{part(header | {'alg': algorithm})}.{part(claims)}"
    return f"{message}.{part(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


def unsigned(alg: str) -> str:
    header, claims = good_parts()
    return f"{part(header | {'alg': alg})}.{part(claims)}."


def public(encoding: Encoding, form: PublicFormat) -> bytes:
    return KEY.public_key().public_bytes(encoding, form)


def good() -> str:
    return SIGNER.issue(IDENTITY, datetime.now(UTC)).text


def stamp(**delta: float) -> float:
    return (datetime.now(UTC) + timedelta(**delta)).timestamp()


HOSTILE: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "dots": lambda: "..",
    "two parts": lambda: good().rpartition(".")[0],
    "four parts": lambda: good() + ".AAAA",
    "five parts (JWE)": lambda: good() + ".AAAA.AAAA",
    "no signature": lambda: good().rpartition(".")[0] + ".",
    "not base64": lambda: "!!!.???.***",
    "trailing newline": lambda: good() + "\n",
    "padding": lambda: good() + "==",
    "loose last bits": lambda: good()[:-1] + ("B" if good()[-1] == "A" else chr(ord(good()[-1]) + 1)),
    "huge": lambda: with_claims(more="x" * 10_000),
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "alg NONE": lambda: unsigned("NONE"),
    "alg empty": lambda: unsigned(""),
    "alg none, signed": lambda: with_header(alg="none"),
    "HS256, raw public key as secret": lambda: hmac_signed(public(Encoding.Raw, PublicFormat.Raw)),
    "HS256, PEM as secret": lambda: hmac_signed(public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    "HS256, DER as secret": lambda: hmac_signed(public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    "HS256, empty secret": lambda: hmac_signed(b""),
    "EdDSA said, HMAC done": lambda: hmac_signed(public(Encoding.Raw, PublicFormat.Raw), "EdDSA"),
    "HS256 said, EdDSA done": lambda: with_header(alg="HS256"),
    "alg RS256": lambda: with_header(alg="RS256"),
    "alg ES256": lambda: with_header(alg="ES256"),
    "alg a list": lambda: with_header(alg=["EdDSA"]),
    "alg a number": lambda: with_header(alg=1),
    "alg missing": lambda: with_header(alg=...),
    "typ missing": lambda: with_header(typ=...),
    "typ JWT": lambda: with_header(typ="JWT"),
    "typ of a grant": lambda: with_header(typ="mpkg-grant+jwt"),
    "kid missing": lambda: with_header(kid=...),
    "kid a path": lambda: with_header(kid="../../dev/null"),
    "kid an injection": lambda: with_header(kid="' OR 1=1 --"),
    "jku": lambda: with_header(jku="https://example.org/keys"),
    "x5u": lambda: with_header(x5u="https://example.org/cert"),
    "x5c": lambda: with_header(x5c=["AAAA"]),
    "jwk": lambda: with_header(jwk={"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
    "crit unknown": lambda: with_header(crit=["exp2"], exp2=1),
    "crit empty": lambda: with_header(crit=[]),
    "b64 false": lambda: with_header(b64=False, crit=["b64"]),
    "zip": lambda: with_header(zip="DEF"),
    "cty nested": lambda: with_header(cty="JWT"),
    "header a list": lambda: signed(b"[]", good_parts()[1]),
    "header null": lambda: signed(b"null", good_parts()[1]),
    "header deep": lambda: signed(b"[" * 1000 + b"]" * 1000, good_parts()[1]),
    "claims a list": lambda: signed(good_parts()[0], b"[]"),
    "claims null": lambda: signed(good_parts()[0], b"null"),
    "claims text": lambda: signed(good_parts()[0], b'"sub"'),
    "claims not UTF-8": lambda: signed(good_parts()[0], b"\xff\xfe"),
    "other key": lambda: signed(*good_parts(), key=Ed25519PrivateKey.generate()),
    "claims exchanged": lambda: ".".join((good().split(".")[0], part({"sub": "x"}), good().split(".")[2])),
    "expired": lambda: with_claims(exp=stamp(seconds=-31)),
    "expires at a number in text": lambda: with_claims(exp=str(int(stamp(seconds=60)))),
    "expires at 10^30": lambda: with_claims(exp=10**30),
    "expires at a fraction": lambda: with_claims(exp=int(stamp(seconds=60)) + 0.5),
    "expires at true": lambda: with_claims(exp=True),
    "expires in a year": lambda: with_claims(exp=int(stamp(days=365))),
    "expires before it begins": lambda: with_claims(nbf=int(stamp(seconds=20)), exp=int(stamp(seconds=10))),
    "begins at text": lambda: with_claims(nbf=str(int(stamp(seconds=-1)))),
    "begins before it was issued": lambda: with_claims(nbf=int(stamp(hours=-1))),
    "begins at minus 10^30": lambda: with_claims(nbf=-(10**30)),
    "issued at text": lambda: with_claims(iat=str(int(stamp(seconds=-1)))),
    "issued at 0": lambda: with_claims(iat=0),
    "issued at minus 10^30": lambda: with_claims(iat=-(10**30)),
    "issued at a list": lambda: with_claims(iat=[1]),
    "a claim that is none of ours": lambda: with_claims(scope="all"),
    "a claim said twice": lambda: twice("role", "admin"),
    "not a number": lambda: signed(
        good_parts()[0], json.dumps(good_parts()[1] | {"iat": float("nan")}).encode()
    ),
    "audience a list": lambda: with_claims(aud=["azaion", "someone"]),
    "subject empty": lambda: with_claims(sub=""),
    "subject long": lambda: with_claims(sub="x" * 321),
    "identity a number": lambda: with_claims(jti=1),
    "identity of another form": lambda: with_claims(jti="../../x"),
    "claims deep": lambda: signed(good_parts()[0], b"[" * 1500 + b"]" * 1500),
    "a number of thousands of digits": lambda: signed(good_parts()[0], b"9" * 2900),
    "expires at text": lambda: with_claims(exp="tomorrow"),
    "expires at infinity": lambda: with_claims(exp=float("inf")),
    "not yet valid": lambda: with_claims(nbf=stamp(minutes=5)),
    "issued in the future": lambda: with_claims(iat=stamp(minutes=5)),
    "other audience": lambda: with_claims(aud="someone"),
    "audience with a space": lambda: with_claims(aud="azaion "),
    "audience a number": lambda: with_claims(aud=1),
    "other issuer": lambda: with_claims(iss="someone"),
    "issuer a list": lambda: with_claims(iss=["azaion-api"]),
    "role unknown": lambda: with_claims(role="root"),
    "role a list": lambda: with_claims(role=["admin"]),
    "role null": lambda: with_claims(role=None),
    "subject a number": lambda: with_claims(sub=1),
}


def test_a_token_of_ours_is_read_back() -> None:
    """What was issued verifies, until it ends."""
    assert SIGNER.verify(good()) == IDENTITY


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused(name: str) -> None:
    """Each forgery, confusion or damage ends in the same typed error."""
    with pytest.raises(PermanentError, match="token_invalid"):
        SIGNER.verify(HOSTILE[name]())


@pytest.mark.parametrize("claim", REQUIRED)
def test_every_claim_is_required(claim: str) -> None:
    """A token that lacks one is refused, however well it is signed."""
    with pytest.raises(PermanentError, match="token_invalid"):
        SIGNER.verify(with_claims(**{claim: ...}))


def test_the_corpus_is_signed_as_ours_are() -> None:
    """The tests above refuse what they change, not how they sign: unchanged parts verify."""
    assert SIGNER.verify(with_claims()) == IDENTITY
    assert SIGNER.verify(with_header()) == IDENTITY


async def test_a_refused_token_gets_a_challenge(api: Any) -> None:
    """The route answers 401 with a typed problem and WWW-Authenticate."""
    body = {"fileName": "a"}
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": f"Bearer {good()}"}):
        answer = await api.client.post("/resources/get/models", json=body, headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] in ("token_missing", "token_invalid")


def test_only_an_ed25519_key_is_loaded() -> None:
    """A damaged key file is named as such."""
    load_key(new_key_pem())

    with pytest.raises(PermanentError, match="signing_key_invalid"):
        load_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
