"""Reading a request's body: size, type, encoding and JSON, then the wire Struct."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from enum import Enum, EnumMeta
from typing import Any, TypeVar

import msgspec
from aiohttp import hdrs, web

from moddy.models import from_json
from moddy.web.keys import CALL
from moddy.web.refusals import Refusal

T = TypeVar("T")

MAX_BODY = 65_536  # bytes
# Beyond it a float is not exact, and so not the same JSON number as an integer.
_EXACT_FLOAT = 2.0**53
_SORTED = msgspec.json.Encoder(order="sorted")
_MISSING = re.compile(r"missing required field `(?P<name>\w+)`")
_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")


async def read_json(request: web.Request) -> Any:
    """Return the body's JSON value.

    Raises:
        Refusal: 415 not sent as JSON, 413 too large, 408 too slow, 400 not JSON in UTF-8.
    """
    _check_headers(request)
    body = await read_body(request)
    try:
        body.decode()  # msgspec checks only what it keeps
        return msgspec.json.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Refusal(400, "The body is not UTF-8") from None
    except ValueError as error:  # msgspec's, and Python's for numbers of thousands of digits
        raise Refusal(400, f"The body is not JSON: {_without_path(str(error))}") from None


async def read_body(request: web.Request) -> bytes:
    """Return the body, which has until the moment at which the answer is to be given.

    What then is still missing is waited for no longer than for the server's lingering time, so
    nothing of a request is there 10 s after its headers.

    Raises:
        Refusal: 413 too large, 408 too slow, 400 broken off.
    """
    call = request[CALL]
    if call.body is not None:
        return call.body
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()
    try:
        if request.content.is_eof():  # it came with the headers, as most do
            body = request.content.read_nowait()
        else:
            async with asyncio.timeout_at(call.deadline):
                await _ask_for_body(request)
                body = await request.read()
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time") from None
    except web.RequestPayloadError:
        raise Refusal(400, "The body is not encoded as its headers say") from None
    except ConnectionError:  # the caller went away: nobody reads this answer
        raise Refusal(400, "The body is truncated") from None
    if len(body) > MAX_BODY:
        raise too_large()
    call.body = body
    return body


def _check_headers(request: web.Request) -> None:
    headers = request.headers
    if headers.get(hdrs.CONTENT_TYPE) != "application/json":  # it may say more, or mean the same
        content_type = request.content_type
        if content_type != "application/json" and not (
            content_type.startswith("application/") and content_type.endswith("+json")
        ):
            raise Refusal(415, "Content-Type: expected application/json")
    if headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Refusal(415, "Content-Encoding: expected none")


async def _ask_for_body(request: web.Request) -> None:
    """Tell a client that waits for it to send the body (RFC 9110, section 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the answer


def too_large() -> Refusal:
    """Return the refusal of a body above the limit."""
    return Refusal(413, f"The body is larger than {MAX_BODY} bytes")


def hash_json(value: Any) -> bytes:
    """Return the SHA-256 of a JSON value: alike for every spelling of the same value.

    The order of keys, white space, escapes and ``1.0`` for ``1`` make no difference.

    Raises:
        Refusal: 400, nested too deeply; decoding allows more levels than this does.
    """
    try:
        return hashlib.sha256(_SORTED.encode(_canonical(value))).digest()
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> Refusal:
    return Refusal(400, "The JSON is nested too deeply")


def _canonical(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {
            # Most values are texts; a call for each would be most of the time.
            key: item if type(item) is str else _canonical(item)
            for key, item in value.items()
        }
    if kind is list:
        return [_canonical(item) for item in value]
    if kind is float and value.is_integer() and abs(value) < _EXACT_FLOAT:
        return int(value)
    return value


def convert(value: Any, kind: type[T]) -> T:
    """Return a JSON value as a wire Struct.

    Raises:
        Refusal: 422, saying what was expected and naming the field by its JSON path.
    """
    try:
        return from_json(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PATH.search(text)
        path = found["path"] if found else "$"
        missing = _MISSING.search(text)
        if missing:
            path = f"{path}.{missing['name']}"
        raise Refusal(422, _expected(text, path, kind), field=path) from None


def _expected(text: str, path: str, kind: type) -> str:
    """Return msgspec's text; for a word outside an enum, the words it has instead."""
    if text.startswith("Invalid enum value"):
        for item in msgspec.structs.fields(kind):
            if path == f"$.{item.name}" and isinstance(item.type, EnumMeta):
                members: Mapping[str, Enum] = item.type.__members__
                return f"Expected one of: {', '.join(word.value for word in members.values())}"
    return _without_path(text)


def _without_path(text: str) -> str:
    return _PATH.sub("", text)
