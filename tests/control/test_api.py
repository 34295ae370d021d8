"""Bills by JSON: each answer is held against the billing data itself, read another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ivrd.billing.entities import Bill
from ivrd.billing.month_tables import months_between, months_until
from ivrd.control.api.handles import LASTS_S
from tests.call_office import Databases
from tests.control.api_office import NOW, PASSWORD, Office, office

MONTHS = months_between("2025-11", "2026-10")


@pytest.fixture
async def here(sample_db: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sample_db, tmp_path) as made:
        yield made


def read(here: Office, account: str) -> dict[str, Bill]:
    """Return an account's bills as calls read them, one by one."""
    found = {month: here.daemon.parts.reader.bill(account, month) for month in MONTHS}
    return {month: bill for month, bill in found.items() if isinstance(bill, Bill)}


async def test_pages_of_bills_make_the_whole_and_its_sum(here: Office) -> None:
    handle, bills = await here.handle(), read(here, "100001")
    pages = [
        await here.ask(f"/api/v1/accounts/{handle}/bills?size=5&page={n}") for n in (1, 2, 3, 4)
    ]
    assert [len(page.body["bills"]) for page in pages] == [5, 5, 2, 0]
    for page in pages:
        assert page.status == 200
        told = page.body
        assert (told["from"], told["to"], told["count"], told["pages"]) == (
            "2025-11", "2026-10", 12, 3,
        )  # fmt: skip
        assert told["sum"]["fen"] == sum(bill.total_fen for bill in bills.values())
        assert told["not_ready"] == []
    told_bills = [bill for page in pages for bill in page.body["bills"]]
    assert [bill["month"] for bill in told_bills] == MONTHS
    for told in told_bills:
        bill = bills[told["month"]]
        assert told["total"]["fen"] == bill.total_fen
        assert told["total"]["decimal"] == f"{bill.total_fen / 100:.2f}"
        assert told["paid"] == bill.paid
        assert told["due"] == (bill.due.isoformat() if bill.due else None)


async def test_a_period_counts_and_sums_itself_alone(here: Office) -> None:
    handle, bills = await here.handle(), read(here, "100001")
    path = f"/api/v1/accounts/{handle}/bills?from=2026-03&to=2026-05"
    told = (await here.ask(path)).body
    wanted = months_between("2026-03", "2026-05")
    assert [bill["month"] for bill in told["bills"]] == wanted
    assert (told["count"], told["pages"]) == (3, 1)
    assert told["sum"]["fen"] == sum(bills[month].total_fen for month in wanted)


WRONG = (
    ("from=2025-10", "query.from", "a month from 2025-11 to 2026-10"),
    ("to=2026-11", "query.to", "a month from 2025-11 to 2026-10"),
    ("from=2026-05&to=2026-04", "query.from", "no month after 2026-04"),
    ("from=2026-13", "query.from", "String should match pattern"),
    ("from=202605", "query.from", "String should match pattern"),
    ("page=0", "query.page", "greater than or equal to 1"),
    ("page=1.0", "query.page", "a valid integer"),
    ("page=01", "query.page", "a valid integer"),
    ("size=37", "query.size", "less than or equal to 36"),
    ("page=1&page=2", "query.page", "once"),
    ("pages=1", "query.pages", "no such key"),
)
"""A query, the place in it that is told, and what is said to be expected there."""


async def test_what_is_wrong_in_a_query_is_told_with_its_place(here: Office) -> None:
    path = f"/api/v1/accounts/{await here.handle()}/bills"
    for query, where, expected in WRONG:
        answer = await here.ask(f"{path}?{query}")
        told = "not-told" if expected.startswith(("a month", "no month")) else "invalid"
        assert answer.code == told, query
        (flaw,) = answer.body["errors"]
        assert flaw["where"] == where, query
        assert expected in flaw["expected"], query


async def test_all_that_is_wrong_is_told_at_once(here: Office) -> None:
    answer = await here.ask(f"/api/v1/accounts/{await here.handle()}/bills?page=x&size=0&a=1")
    assert [one["where"] for one in answer.body["errors"]] == [
        "query.page", "query.size", "query.a",
    ]  # fmt: skip


async def test_more_than_three_years_are_asked_for_in_parts(
    sample_db: Path, tmp_path: Path
) -> None:
    async with office(sample_db, tmp_path) as here:
        enquiry = here.daemon.config.enquiry.model_copy(update={"months_back": 120})
        here.daemon.parts.config.__dict__["enquiry"] = enquiry
        path = f"/api/v1/accounts/{await here.handle()}/bills"
        told = await here.ask(path)
        assert (told.body["from"], told.body["to"]) == (months_until("2026-10", 36)[-1], "2026-10")
        answer = await here.ask(f"{path}?from=2020-01")
        assert answer.body["errors"] == [
            {"where": "query.from", "expected": "at most 36 months up to 2026-10"}
        ]


async def test_bills_that_are_not_made_yet_are_named(here: Office, databases: Databases) -> None:
    here.put(databases.no_bill_run)
    path = f"/api/v1/accounts/{await here.handle()}/bills"
    told = (await here.ask(path)).body
    assert told["not_ready"] == ["2026-10"]
    assert told["count"] == 11
    answer = await here.ask(f"{path}/2026-10")
    assert (answer.status, answer.code) == (404, "not-ready")


async def test_a_bill_has_every_item_by_name_in_the_language_asked_for(here: Office) -> None:
    path = f"/api/v1/accounts/{await here.handle()}/bills/2026-10"
    bill = read(here, "100001")["2026-10"]
    names = {"": "月租费", "zh": "月租费", "en-GB, zh;q=0.5": "Monthly rental",
             "fr, en;q=0.3": "Monthly rental", "*": "月租费", "en;q=0": "月租费"}  # fmt: skip
    for wanted, name in names.items():
        answer = await here.ask(path, headers={"Accept-Language": wanted})
        assert answer.body["items"][0]["name"] == name, wanted
        lang = "zh-CN" if name == "月租费" else "en-US"
        assert answer.headers["Content-Language"] == lang
        assert "Accept-Language" in answer.headers["Vary"]
    assert [(one["code"], one["amount"]["fen"]) for one in answer.body["items"]] == [
        (item.code, item.amount_fen) for item in bill.items
    ]
    assert answer.body["total"]["fen"] == bill.total_fen
    problem = await here.ask(f"{path}x", headers={"Accept-Language": "en"})
    assert problem.body["title"] == "The request is not as described"


async def test_a_refund_is_negative_in_both_ways_of_writing(here: Office) -> None:
    handle = await here.handle("88610006")
    told = (await here.ask(f"/api/v1/accounts/{handle}/bills/2026-10")).body
    assert told["total"] == {"fen": -1200, "decimal": "-12.00"}


async def test_months_outside_are_no_bills_and_the_answer_says_which_are(here: Office) -> None:
    handle = await here.handle()
    for month in ("2025-10", "2026-11"):
        answer = await here.ask(f"/api/v1/accounts/{handle}/bills/{month}")
        assert (answer.status, answer.code) == (404, "not-told")
        assert answer.body["errors"] == [
            {"where": "path.month", "expected": "a month from 2025-11 to 2026-10"}
        ]


async def test_a_month_without_a_bill_is_none_and_is_not_counted(here: Office) -> None:
    path = f"/api/v1/accounts/{await here.handle('88610004')}/bills"
    assert (await here.ask(f"{path}/2026-10")).code == "no-bill"
    assert (await here.ask(path)).body["count"] == 11


async def test_pages_of_calls_are_those_that_are_heard_one_by_one(here: Office) -> None:
    path = f"/api/v1/accounts/{await here.handle('88610007')}/bills/2026-10/calls"
    told: list[dict[str, object]] = []
    for page in range(1, 5):
        answer = await here.ask(f"{path}?size=100&page={page}")
        assert (answer.body["count"], answer.body["pages"]) == (300, 3)
        told += answer.body["calls"]
    assert [one["position"] for one in told] == list(range(1, 301))
    reader = here.daemon.parts.reader
    for position in (1, 100, 101, 300):
        call, _ = reader.details("100007", "2026-10", position)
        one = told[position - 1]
        assert call is not None
        assert datetime.fromisoformat(str(one["started"])) == call.started
        assert str(one["started"]).endswith("+08:00")
        assert one["number"] == call.other_number
        assert one["charge"] == {"fen": call.charge_fen, "decimal": f"{call.charge_fen / 100:.2f}"}


async def test_arrears_are_summed(here: Office) -> None:
    told = (await here.ask(f"/api/v1/accounts/{await here.handle('88610005')}/arrears")).body
    (row,) = here.daemon.parts.reader.arrears("100005")
    assert told["count"] == 1
    assert told["sum"]["fen"] == row.amount_fen == told["arrears"][0]["amount"]["fen"]
    assert told["arrears"][0]["months"] == 4
    none = (await here.ask(f"/api/v1/accounts/{await here.handle('88610003')}/arrears")).body
    assert none == {"count": 0, "sum": {"fen": 0, "decimal": "0.00"}, "arrears": []}


async def test_an_account_is_found_as_calls_find_it(here: Office) -> None:
    node = here.daemon.config.node.model_copy(update={"area_code": "010"})
    here.daemon.parts.config.__dict__["node"] = node
    account = here.daemon.parts.reader.account("100001")
    assert account is not None
    total_fen = read(here, "100001")["2026-10"].total_fen
    for asked in ({"phone": "88610001"}, {"phone": "01088610001"}, {"id": "100001"},
                  {"agreement": str(account.agreement)}):  # fmt: skip
        found = await here.find(**asked)
        assert found.status == 200, (asked, found.body)
        told = await here.ask(f"/api/v1/accounts/{found.body['account']}/bills/2026-10")
        assert told.body["total"]["fen"] == total_fen


async def test_a_handle_is_its_clients_own_and_ends_in_time(here: Office) -> None:
    here.add("other")
    found = await here.find(phone="88610001")
    expires = datetime.fromisoformat(found.body["expires"])
    assert timedelta(0) < expires - NOW <= timedelta(seconds=LASTS_S)
    path = f"/api/v1/accounts/{found.body['account']}/bills"
    assert (await here.ask(path)).status == 200
    assert (await here.ask(path, by="other")).code == "handle-unknown"
    here.later(LASTS_S + 1)
    answer = await here.ask(path)
    assert (answer.status, answer.code) == (404, "handle-unknown")


async def test_nothing_told_is_kept_by_anyone_on_the_way(here: Office) -> None:
    handle = await here.handle()
    assert "88610001" not in handle
    assert "100001" not in handle
    for path in ("/client", f"/accounts/{handle}/bills", "/nothing"):
        answer = await here.ask(f"/api/v1{path}")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "ython" not in answer.headers["Server"]


async def test_a_problem_never_repeats_what_was_sent(here: Office) -> None:
    for body in (
        {"phone": "8861 0001 secret"}, {"phone": "1", "proof": "secret"}, {"secret": "secret"},
        {"phone": {"secret": "secret"}}, ["secret"], {"phone": "88610001", "id": "secret"},
    ):  # fmt: skip
        answer = await here.ask("/api/v1/accounts", method="POST", json=body)
        assert (answer.status, answer.code) == (400, "invalid")
        assert answer.body["errors"]
        told = str(answer.body).replace("body.secret", "")
        assert "secret" not in told


async def test_what_is_no_json_object_is_told(here: Office) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[" * 4000, b'{"phone": "\xff"}', b"null", b'"x"'):
        answer = await here.ask("/api/v1/accounts", method="POST", data=body, headers=headers)
        assert (answer.status, answer.code) == (400, "invalid"), body[:20]


async def test_proof_that_is_given_is_held_even_where_none_is_needed(here: Office) -> None:
    assert (await here.find(phone="88610001", proof=PASSWORD)).status == 200
    assert (await here.find(phone="88610001", proof="999999")).code == "not-proven"
