"""A request of the JSON interface, read: query, path and body against their models."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ivrd.control.api.problems import ApiProblem, Flaw
from ivrd.control.api.words import Month

MOST_BYTES = 4096
"""The longest body."""

_BEARER = re.compile(r"Bearer +([!-~]+)", re.IGNORECASE)
_month = TypeAdapter(Month)


def token_in(request: web.Request) -> str:
    """Return the token (RFC 6750 §2.1). Raises `ApiProblem` where there is none."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if not found:
        raise ApiProblem("token-missing", "send the header Authorization: Bearer <token>")
    return found[1]


def query_in(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """Return the query. Raises `ApiProblem` with all that is wrong in it."""
    pairs = parse_qsl(request.query_string, keep_blank_values=True)
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ApiProblem("invalid", flaws=[Flaw(f"query.{_short(n)}", "once") for n in twice])
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise ApiProblem("invalid", flaws=_flaws("query", error)) from None


def month_in(request: web.Request) -> str:
    """Return the month in the path, "" where it has none. Raises `ApiProblem`."""
    text = request.match_info.get("month")
    if text is None:
        return ""
    try:
        return _month.validate_python(text)
    except ValidationError:
        raise ApiProblem("invalid", flaws=[Flaw("path.month", "a month such as 2026-10")]) from None


async def body_in(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """Return the body. Raises `ApiProblem`."""
    if request.content_type != "application/json":
        raise ApiProblem("not-json")
    try:
        return model.model_validate_json(await _read(request))
    except ValidationError as error:
        raise ApiProblem("invalid", flaws=_flaws("body", error)) from None


async def _read(request: web.Request) -> bytes:
    """Return the body; of one that is too long no more is read than shows it."""
    body = b""
    if (request.content_length or 0) <= MOST_BYTES:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MOST_BYTES:
                break
        else:
            return body
    raise ApiProblem("too-large", f"at most {MOST_BYTES} bytes")


def _flaws(place: str, error: ValidationError) -> list[Flaw]:
    """Tell what is wrong; what was sent is not repeated, for it may be a number or a proof."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Flaw(".".join((place, *map(_short, one["loc"]))), _expected(one)) for one in found]


def _expected(one: ErrorDetails) -> str:
    if one["type"] == "extra_forbidden":
        return "no such key"
    if one["type"] == "json_invalid":
        return "JSON"
    said: Any = one["msg"]
    return str(said).removeprefix("Value error, expected ").removeprefix("Input should be ")


def _short(part: object) -> str:
    return str(part)[:40]
