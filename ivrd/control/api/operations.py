"""The operations of the JSON interface: what each asks, what it answers, and how it comes to it.

The same table makes the routes and the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from ivrd.assembly import Parts, enquiry_settings
from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.month_tables import months_between, months_until
from ivrd.control.api.accounts import find_account
from ivrd.control.api.clients import Client, May
from ivrd.control.api.handles import LASTS_S
from ivrd.control.api.problems import ApiProblem, Flaw
from ivrd.control.api.words import (
    MOST_MONTHS,
    AllOwed,
    BillHead,
    Bills,
    BillsQuery,
    Calls,
    CallsQuery,
    ClientTold,
    FindAccount,
    Found,
    Item,
    NoQuery,
    WholeBill,
    all_owed,
    call_of,
    head_of,
    money,
    pages,
)

T = TypeVar("T")

_PUNCTUATION = " ,.;:，。；："
"""What the text of a prompt may end with, and the name of an item does not."""


class Ask(Protocol):
    """Carries a blocking lookup out in a thread."""

    async def __call__(self, lookup: Callable[[], T]) -> T:
        """Return what it returns. Raises `BillingError` and `TooBusy`, too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered. `account` is an id, "" where the path names none."""

    parts: Parts
    name: str
    client: Client
    lang: str
    now: datetime
    ask: Ask
    give: Callable[[str], str]
    """Makes a handle for an account."""
    query: Any
    body: Any
    account: str = ""
    month: str = ""

    @property
    def told(self) -> tuple[str, str]:
        """The oldest and the newest month that is told, as on the phone."""
        settings = enquiry_settings(self.parts.config)
        months = months_until(f"{self.now:%Y-%m}", settings.months_back + 1)
        return months[-1], months[min(settings.newest_back, len(months) - 1)]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked. `codes` are the problems of its own, `may` what it needs."""

    name: str
    method: str
    path: str
    summary: str
    answer: type[BaseModel]
    do: Callable[[Asked], Awaitable[BaseModel]]
    codes: tuple[str, ...] = ()
    may: May | None = None
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None


async def _client(asked: Asked) -> ClientTold:
    accounts = asked.client.accounts
    first, last = asked.told
    return ClientTold(
        client=asked.name,
        may=asked.client.may,
        accounts=accounts if isinstance(accounts, str) else "listed",
        rate=asked.client.rate,
        expires=asked.client.expires,
        months_from=first,
        months_to=last,
    )


async def _find(asked: Asked) -> Found:
    account = await asked.ask(partial(find_account, asked.parts, asked.client, asked.body))
    # a little less than it lasts, so that nobody who keeps to it meets its end
    expires = (asked.now + timedelta(seconds=LASTS_S - 10)).replace(microsecond=0)
    return Found(account=asked.give(account), expires=expires, may=asked.client.may)


async def _bills(asked: Asked) -> Bills:
    query = asked.query
    first, last = _period(asked)
    reader = asked.parts.reader
    found = await asked.ask(partial(reader.bills, asked.account, first, last))
    bills = [bill for bill in found if isinstance(bill, Bill)]
    begin = (query.page - 1) * query.size
    return Bills.model_validate(
        {
            "from": first,
            "to": last,
            "count": len(bills),
            "sum": money(sum(bill.total_fen for bill in bills)),
            "page": query.page,
            "pages": pages(len(bills), query.size),
            "size": query.size,
            "bills": [BillHead(**head_of(bill)) for bill in bills[begin : begin + query.size]],
            "not_ready": [bill.month for bill in found if isinstance(bill, NotReady)],
        }
    )


def _period(asked: Asked) -> tuple[str, str]:
    """Return the months asked for. Raises `ApiProblem` for those that are not told."""
    oldest, newest = asked.told
    last = asked.query.to or newest
    first = asked.query.from_ or max(oldest, months_until(last, MOST_MONTHS)[-1])
    flaws = [
        Flaw(f"query.{name}", f"a month from {oldest} to {newest}")
        for name, month in (("from", first), ("to", last))
        if not oldest <= month <= newest
    ]
    if not flaws and first > last:
        flaws.append(Flaw("query.from", f"no month after {last}"))
    if not flaws and len(months_between(first, last)) > MOST_MONTHS:
        flaws.append(Flaw("query.from", f"at most {MOST_MONTHS} months up to {last}"))
    if flaws:
        raise ApiProblem("not-told", flaws=flaws)
    return first, last


async def _bill(asked: Asked) -> WholeBill:
    _told_month(asked)
    bill = await asked.ask(partial(asked.parts.reader.bill, asked.account, asked.month))
    if bill is None:
        raise ApiProblem("no-bill")
    if isinstance(bill, NotReady):
        raise ApiProblem("not-ready")
    items = [
        Item(code=item.code, name=_name(asked, item.code), amount=money(item.amount_fen))
        for item in bill.items
    ]
    return WholeBill(**head_of(bill), items=items)


def _name(asked: Asked, code: str) -> str:
    return asked.parts.voices.prompt(asked.lang, f"item_{code}").text.rstrip(_PUNCTUATION)


def _told_month(asked: Asked) -> None:
    """Raise `ApiProblem` where bills of the month are not told."""
    oldest, newest = asked.told
    if not oldest <= asked.month <= newest:
        flaw = Flaw("path.month", f"a month from {oldest} to {newest}")
        raise ApiProblem("not-told", flaws=[flaw])


async def _calls(asked: Asked) -> Calls:
    _told_month(asked)
    query, reader = asked.query, asked.parts.reader
    begin = (query.page - 1) * query.size + 1
    calls, count = await asked.ask(
        partial(reader.details_page, asked.account, asked.month, begin, query.size)
    )
    return Calls(
        month=asked.month,
        count=count,
        page=query.page,
        pages=pages(count, query.size),
        size=query.size,
        calls=[call_of(call) for call in calls],
    )


async def _arrears(asked: Asked) -> AllOwed:
    return all_owed(await asked.ask(partial(asked.parts.reader.arrears, asked.account)))


OPERATIONS = (
    Operation("client", "GET", "/client", "What this token may ask", ClientTold, _client),
    Operation(
        "find_account", "POST", "/accounts", "A handle for an account", Found, _find,
        codes=("not-proven", "no-account", "too-large", "not-json", "store-down"),
        body=FindAccount,
    ),
    Operation(
        "bills", "GET", "/accounts/{account}/bills", "The bills of an account, by page", Bills,
        _bills, codes=("not-told",), may="bills", query=BillsQuery,
    ),
    Operation(
        "bill", "GET", "/accounts/{account}/bills/{month}", "One bill with its items", WholeBill,
        _bill, codes=("no-bill", "not-told", "not-ready"), may="bills",
    ),
    Operation(
        "calls", "GET", "/accounts/{account}/bills/{month}/calls", "The calls behind a bill",
        Calls, _calls, codes=("not-told",), may="details", query=CallsQuery,
    ),
    Operation(
        "arrears", "GET", "/accounts/{account}/arrears", "What the account owes", AllOwed,
        _arrears, may="arrears",
    ),
)  # fmt: skip
"""All that can be asked."""
