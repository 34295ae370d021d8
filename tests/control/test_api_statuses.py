"""Every status that the OpenAPI document names is met, at every operation that names it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from ivrd.control.api.openapi import PREFIX, codes_of, document
from ivrd.control.api.operations import OPERATIONS, Operation
from ivrd.control.api.problems import KINDS
from tests.call_office import Databases
from tests.control.api_office import Answer, Office, office

DOCUMENT = document()
STATUSES = sorted(
    {
        int(s)
        for path in DOCUMENT["paths"].values()
        for one in path.values()
        for s in one["responses"]
    }
)

MISSING = "00000000"


def of(status: int) -> list[Operation]:
    """Return the operations that document a status."""
    return [one for one in OPERATIONS if str(status) in described(one)["responses"]]


def described(operation: Operation) -> dict[str, Any]:
    path: dict[str, Any] = DOCUMENT["paths"][PREFIX + operation.path][operation.method.lower()]
    return path


def check(operation: Operation, answer: Answer) -> None:
    """Hold an answer against the document: status, headers, body."""
    said = described(operation)["responses"][str(answer.status)]
    kind = answer.headers["Content-Type"].split(";")[0]
    schema = {**said["content"][kind]["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer.body)
    for name, header in said["headers"].items():
        assert name in answer.headers or not header.get("required"), name
    if answer.status != 200:
        assert answer.code in codes_of(operation)


class Asker:
    """Asks each operation, rightly unless told otherwise."""

    def __init__(self, here: Office) -> None:
        self.here = here
        self.handle = MISSING

    async def ask(self, operation: Operation, by: str | None = "any", **more: Any) -> Answer:
        """Ask for what is there."""
        month = more.pop("month", "2026-10")
        path = operation.path.format(account=more.pop("account", self.handle), month=month)
        query = more.pop("query", "")
        if operation.body is not None and not {"json", "data"} & set(more):
            more["json"] = {"phone": "88610001"}
        return await self.here.ask(PREFIX + path + query, by, operation.method, **more)


How = Callable[[Asker, Operation, Databases], Awaitable[Answer]]


async def _200(asker: Asker, operation: Operation, _: Databases) -> Answer:
    return await asker.ask(operation)


async def _400(asker: Asker, operation: Operation, _: Databases) -> Answer:
    return await asker.ask(operation, query="?nothing=1")


async def _401(asker: Asker, operation: Operation, _: Databases) -> Answer:
    return await asker.ask(operation, by=None)


async def _403(asker: Asker, operation: Operation, _: Databases) -> Answer:
    here = asker.here
    if operation.body is not None:
        here.add("poor", accounts="proven")
    else:
        may = next(one for one in ("arrears", "bills") if one != operation.may)
        here.add("poor", may=[may])
    return await asker.ask(operation, by="poor")


async def _404(asker: Asker, operation: Operation, _: Databases) -> Answer:
    if operation.body is not None:
        return await asker.ask(operation, json={"phone": MISSING})
    return await asker.ask(operation, account=MISSING)


async def _413(asker: Asker, operation: Operation, _: Databases) -> Answer:
    return await asker.ask(operation, json={"phone": "8" * 5000})


async def _415(asker: Asker, operation: Operation, _: Databases) -> Answer:
    return await asker.ask(operation, data={"phone": "88610001"})


async def _429(asker: Asker, operation: Operation, _: Databases) -> Answer:
    asker.here.add("often", rate="1/h")
    await asker.ask(operation, by="often")
    return await asker.ask(operation, by="often")


async def _500(asker: Asker, operation: Operation, databases: Databases) -> Answer:
    asker.here.put(databases.wrong)
    if operation.path != "/client":
        return await asker.ask(operation)
    # nothing that the operator can get wrong breaks this one: ivrd itself must be broken
    asker.here.server._now = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]  # noqa: SLF001 - as said
    return await asker.ask(operation)


async def _503(asker: Asker, operation: Operation, databases: Databases) -> Answer:
    if operation.path == "/client":
        asker.here.daemon.stopping = True
        return await asker.ask(operation)
    asker.here.put(databases.slow)
    return await asker.ask(operation)


HOWS: dict[int, How] = {200: _200, 400: _400, 401: _401, 403: _403, 404: _404, 413: _413, 415: _415,
                        429: _429, 500: _500, 503: _503}  # fmt: skip


@pytest.fixture
async def asker(sample_db: Path, tmp_path: Path) -> AsyncIterator[Asker]:
    async with office(sample_db, tmp_path, "limit_s = 1.0") as here:
        made = Asker(here)
        made.handle = await here.handle()
        yield made


@pytest.mark.parametrize("status", STATUSES)
async def test_every_documented_status_is_met(
    asker: Asker, status: int, databases: Databases
) -> None:
    assert of(status)
    for operation in of(status):
        answer = await HOWS[status](asker, operation, databases)
        assert answer.status == status, (operation.name, answer.body)
        check(operation, answer)


def test_every_problem_is_documented_somewhere_or_is_of_no_operation() -> None:
    documented = {code for operation in OPERATIONS for code in codes_of(operation)}
    assert set(KINDS) - documented == {"no-path", "no-method"}


async def test_slow_and_down_are_told_apart_and_when_to_ask_again(
    asker: Asker, databases: Databases
) -> None:
    bills = next(one for one in OPERATIONS if one.name == "bills")
    asker.here.put(databases.slow)
    slow = await asker.ask(bills)
    asker.here.put(None)
    down = await asker.ask(bills)
    assert (slow.code, slow.headers["Retry-After"]) == ("billing-slow", "5")
    assert (down.code, down.headers["Retry-After"]) == ("billing-down", "10")
    asker.here.put(databases.sample)
    assert (await asker.ask(bills)).status == 200


async def test_a_store_that_cannot_count_proofs_lets_nobody_in(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrd.store.engine.BUSY_S", 0.05)
    engine = asker.here.daemon.parts.store.engine
    holder = engine.raw_connection()
    try:
        cursor = holder.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        answer = await asker.here.find(phone="88610001", proof="123456")
        cursor.execute("ROLLBACK")
        cursor.close()
    finally:
        holder.close()
    assert answer.status == 503
    assert answer.code in {"store-down", "billing-slow"}


async def test_a_long_body_in_pieces_is_not_read_to_its_end(asker: Asker) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    answer = await asker.here.ask("/api/v1/accounts", method="POST", data=pieces(), headers=headers)
    assert (answer.status, answer.code) == (413, "too-large")


@pytest.mark.parametrize("code", ["no-path", "no-method"])
async def test_what_is_not_there_is_told_as_a_problem_too(asker: Asker, code: str) -> None:
    asked = {
        "no-path": [("none", "GET"), ("", "GET"), ("accounts/x/y", "POST")],
        "no-method": [("client", "POST"), ("accounts", "GET"), ("accounts/x/bills", "DELETE")],
    }
    for path, method in asked[code]:
        answer = await asker.here.ask(f"/api/v1/{path}", method=method)
        assert answer.code == code
        assert ("Allow" in answer.headers) == (code == "no-method")
