"""Ways in which an S3 server, or what is between it and us, goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from testservers.s3_faults import Answer, Exchange, HangUp, Mode, Request, refused

_NEVER_S = 3600.0
_DRIP_S = 0.05


def saying(status: int, code: str = "Broken", **headers: str) -> Mode:
    """Answers with an error, and does nothing."""

    async def mode(exchange: Exchange) -> None:
        await exchange.answer(refused(status, code, **headers))

    return mode


async def gateway_page(exchange: Exchange) -> None:
    await exchange.answer(Answer(502, {"content-type": "text/html"}, b"<html><h1>Bad Gateway</h1>"))


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def reset_when_done(exchange: Exchange) -> None:
    """Does what it is asked for, and the answer is lost."""
    await exchange.forward()
    exchange.reset()


async def close(exchange: Exchange) -> None:
    raise HangUp


async def never_answers(exchange: Exchange) -> None:
    await asyncio.sleep(_NEVER_S)


async def done_but_silent(exchange: Exchange) -> None:
    await exchange.forward()
    await asyncio.sleep(_NEVER_S)


async def drips(exchange: Exchange) -> None:
    """A byte now and then: never idle, never done."""
    answer = await exchange.forward()
    for byte in answer.head() + answer.body:
        await exchange.send(bytes([byte]))
        await asyncio.sleep(_DRIP_S)


async def ends_early(exchange: Exchange) -> None:
    """Half of the body, or of the head where there is none, and an orderly end."""
    answer = await exchange.forward()
    head = answer.head()
    await exchange.send(
        head + answer.body[: len(answer.body) // 2] if answer.body else head[: len(head) // 2]
    )
    raise HangUp


async def dies_in_the_body(exchange: Exchange) -> None:
    answer = await exchange.forward()
    await exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
    await asyncio.sleep(0.01)
    exchange.reset()


async def claims_more(exchange: Exchange) -> None:
    """More bytes are announced than there are."""
    answer = await exchange.forward()
    if (
        exchange.request.method == "HEAD"
    ):  # there it would be another size of the object, and right for all we know
        await exchange.answer(answer)
    else:
        await exchange.send(answer.head(len(answer.body) + 7) + answer.body)
        raise HangUp


async def claims_less(exchange: Exchange) -> None:
    """A body that is shorter than it should be, and says so."""
    answer = await exchange.forward()
    short = answer.body[:-7]
    if exchange.request.method != "HEAD":
        answer = replace(answer.with_headers(content_length=str(len(short))), body=short)
    await exchange.answer(answer)


async def redirects_to_itself(exchange: Exchange) -> None:
    location = f"http://{exchange.request.headers['host']}{exchange.request.target}"
    await exchange.answer(refused(307, "TemporaryRedirect", location=location))


async def moved_for_good(exchange: Exchange) -> None:
    await exchange.answer(refused(301, "PermanentRedirect"))


async def empty_200(exchange: Exchange) -> None:
    await exchange.answer(Answer(200))


async def garbage_xml(exchange: Exchange) -> None:
    await exchange.answer(Answer(200, {"content-type": "application/xml"}, b"<a><b>\xff\x00</a>" * 9))


async def garbage_xml_error(exchange: Exchange) -> None:
    await exchange.answer(Answer(500, {"content-type": "application/xml"}, b"<Error><Code>\xff"))


async def login_page(exchange: Exchange) -> None:
    """What a captive portal says to everything."""
    await exchange.answer(Answer(200, {"content-type": "text/html"}, b"<html><h1>Welcome</h1></html>"))


async def no_http(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\x00\xff" * 3)
    raise HangUp


async def error_in_a_200(exchange: Exchange) -> None:
    """S3 does this when it has begun to answer before it is done."""
    await exchange.answer(replace(refused(500, "InternalError"), status=200))


async def bad_date(exchange: Exchange) -> None:
    answer = await exchange.forward()
    await exchange.answer(answer.with_headers(last_modified="yesterday"))


async def stores_other_bytes(exchange: Exchange) -> None:
    """A lie: what is sent is acknowledged, and a bit of it is another."""
    body = exchange.request.body
    await exchange.answer(await exchange.forward(flipped(body) if body else None))


async def stores_nothing(exchange: Exchange) -> None:
    """A lie: an acknowledgement, and that is all."""
    await exchange.answer(Answer(200, {"etag": '"d41d8cd98f00b204e9800998ecf8427e"'}))


async def returns_other_bytes(exchange: Exchange) -> None:
    answer = await exchange.forward()
    await exchange.answer(replace(answer, body=flipped(answer.body)))


async def ignores_the_range(exchange: Exchange) -> None:
    """Answers with the first bytes, whatever part is asked for."""
    answer = await exchange.forward()
    extent = f"bytes 0-{len(answer.body) - 1}/{answer.headers.get('content-range', '/0').rpartition('/')[2]}"
    await exchange.answer(answer.with_headers(content_range=extent))


async def another_version(exchange: Exchange) -> None:
    """The part comes from another version of the object, in spite of ``If-Match``."""
    answer = await exchange.forward()
    if "if-match" in exchange.request.headers:
        answer = answer.with_headers(etag='"0123456789abcdef0123456789abcdef"')
    await exchange.answer(answer)


def without_conditions(status: int, code: str) -> Mode:
    """A server that does not know ``If-None-Match``, and says so."""

    async def mode(exchange: Exchange) -> None:
        known = "if-none-match" not in exchange.request.headers
        await exchange.answer(await exchange.forward() if known else refused(status, code))

    return mode


async def not_visible(exchange: Exchange) -> None:
    """Consistent some day: objects that are there seem not to be, and lists are old."""
    request = exchange.request
    if "list-type" in request.query:
        page = "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
        await exchange.answer(Answer(200, {"content-type": "application/xml"}, page.encode()))
    else:
        await exchange.answer(refused(404, "NoSuchKey"))


def flipped(body: bytes) -> bytes:
    """``body`` with one bit that is another."""
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


def reads(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def writes(request: Request) -> bool:
    return request.method == "PUT"
