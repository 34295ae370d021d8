"""The enquiry service: what its flow may ask for (product E1 to E6).

Each action ends in one of its declared answers. A database that is slow or down has an answer
of its own; data that is not as the mapping says raises, which the line makes U_FAIL of.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ivrd.billing.entities import Account, Bill, CallDetail, NotReady, Proof
from ivrd.billing.lockout import Lockout, MemoryLockout
from ivrd.billing.reader import BillingReader
from ivrd.errors import BillingDown, BillingSlow
from ivrd.events import U_ERR, U_OK, Data, Json
from ivrd.flow.actions import Action, Answer, Shape, registry

U_NONE = "U_NONE"
"""There is none: no such account, no bill in that month, no further call."""

U_NOT_YET = "U_NOT_YET"
"""That month is not over."""

U_TOO_OLD = "U_TOO_OLD"
"""That month lies further back than is told."""

U_NOT_READY = "U_NOT_READY"
"""The bill run of that month is not done."""

U_LOCKED = "U_LOCKED"
"""Too many wrong proofs, for the account or from the caller."""

U_SLOW = "U_SLOW"
"""The billing database did not answer in time."""

U_DOWN = "U_DOWN"
"""The billing database cannot be reached, or is left alone after repeated failures."""

_LOST: Mapping[str, Shape] = {U_SLOW: {}, U_DOWN: {}}
_BILL: Shape = {
    "month": "month",
    "items": [{"name": "text", "amount": "fen"}],
    "total": "fen",
    "paid?": "true",
    "unpaid?": "true",
    "due?": "date",
    "details?": "true",
}
_DETAIL: Shape = {
    "position": "integer",
    "area": "digits",
    "other": "digits",
    "date": "date",
    "start": "time",
    "seconds": "seconds",
    "charge": "fen",
    "surcharge?": "fen",
}


@dataclass(frozen=True, slots=True)
class EnquirySettings:
    """What the configuration says about the service.

    `disclosure` is who may hear what (E5): under ``own-line`` only accounts of the calling line
    are found, and only totals are given. `newest_back` is how many months before the present one
    the newest bill can be of: 1, the month must be over. `months_back` is how far back bills are
    told. Of wrong proofs within `proof_window_s`, `proof_tries` lock an account and
    `caller_tries` a caller, until the first of them is older than that. `last_digits_of` says
    which number the last `digits` are asked of. `country_code` and `area_code`, without a
    leading 0, are taken off a caller's number (ANI) where the network puts them on.
    """

    disclosure: Literal["open", "own-line", "checked"]
    proof: Literal["password", "last-digits"] = "password"
    last_digits_of: Literal["identity", "agreement"] = "identity"
    digits: int = 4
    proof_tries: int = 3
    caller_tries: int = 6
    proof_window_s: float = 1800
    months_back: int = 12
    newest_back: int = 1
    speak_zero_items: bool = False
    country_code: str = "86"
    area_code: str = ""


Do: TypeAlias = Callable[[Data], Answer]


def enquiry_actions(
    reader: BillingReader,
    clock_now: Callable[[], datetime],
    settings: EnquirySettings,
    lockout: Lockout | None = None,
) -> dict[str, Action]:
    """Return every action of the enquiry service by name.

    `clock_now` gives aware instants in the node's zone: it decides which month is over.
    """
    accounts = _AccountActions(reader, settings)
    proofs = lockout or MemoryLockout(clock_now, settings.proof_window_s)
    check = _ProofAction(reader, settings, proofs)
    bills = _BillActions(reader, settings)
    return registry(
        _check_month(clock_now, settings),
        _find("find_by_phone", "number", accounts.by_phone, {"account": "account"}),
        _find("find_by_agreement", "number", accounts.by_agreement, {"account": "account"}),
        _find("find_by_caller", "caller", accounts.by_caller, {"account": "account"}),
        _find("recognise_caller", "caller", accounts.recognise, {"own": "true"}),
        Action(
            "check_proof",
            takes=("account", "proof"),
            may_take=("caller",),
            answers={U_OK: {}, U_ERR: {}, U_LOCKED: {}, **_LOST},
            do=told_apart(check.do),
            private=frozenset({"account", "proof", "caller"}),
        ),
        Action(
            "read_bill",
            takes=("account", "month"),
            answers={U_OK: {"bill": _BILL}, U_NONE: {}, U_NOT_READY: {}, **_LOST},
            do=told_apart(bills.read),
            private=frozenset({"account"}),
        ),
        _detail("first_detail", bills.first),
        _detail("next_detail", bills.next),
        _detail("previous_detail", bills.previous),
    )


def _find(name: str, takes: str, do: Do, gives: Shape) -> Action:
    return Action(
        name,
        takes=(takes,),
        answers={U_OK: gives, U_NONE: {}, **_LOST},
        do=told_apart(do),
        private=frozenset({takes, "account"}),
    )


def _detail(name: str, do: Do) -> Action:
    """Return an action on call details; every answer gives `position`, which ordering clears.

    Position 0 is before the first call, one more than their number behind the last.
    """
    at: Shape = {"position": "integer"}
    return Action(
        name,
        takes=("account", "month"),
        may_take=("position",),
        answers={
            U_OK: {"detail": _DETAIL, "position": "integer"},
            U_NONE: at,
            U_SLOW: at,
            U_DOWN: at,
        },
        do=told_apart(do, lambda args: {"position": _position(args)}),
        private=frozenset({"account", "detail.other"}),
    )


def told_apart(do: Do, gives: Callable[[Data], Data] = lambda _: {}) -> Do:
    """Return `do` with the ways in which a database brings no answer told apart."""

    def answer(args: Data) -> Answer:
        try:
            return do(args)
        except BillingSlow:
            return Answer(U_SLOW, gives(args))
        except BillingDown:
            return Answer(U_DOWN, gives(args))

    return answer


def _text(args: Data, name: str) -> str:
    value = args.get(name)
    return value if isinstance(value, str) else ""


def _position(args: Data) -> int:
    value = args.get("position")
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


# -- which month -----------------------------------------------------------------------------


def _check_month(clock_now: Callable[[], datetime], settings: EnquirySettings) -> Action:
    def do(args: Data) -> Answer:
        entry = _text(args, "entry")
        year, of_year = (int(entry[:4]), int(entry[4:])) if _is_month(entry) else (0, 0)
        if not (1900 <= year <= 2199 and 1 <= of_year <= 12):
            return Answer(U_ERR)
        now = clock_now()
        back = (now.year - year) * 12 + now.month - of_year
        month: Data = {"month": f"{year:04}-{of_year:02}"}
        if back < settings.newest_back:
            return Answer(U_NOT_YET, month)
        return Answer(U_TOO_OLD if back > settings.months_back else U_OK, month)

    gives: Shape = {"month": "month"}
    return Action(
        "check_month",
        takes=("entry",),
        answers={U_OK: gives, U_ERR: {}, U_NOT_YET: gives, U_TOO_OLD: gives},
        do=do,
        blocking=False,
    )


def _is_month(entry: str) -> bool:
    return len(entry) == 6 and _digits(entry)


# -- whose bill ------------------------------------------------------------------------------


class _AccountActions:
    """Looking accounts up; under own-line, by the calling line alone."""

    def __init__(self, reader: BillingReader, settings: EnquirySettings) -> None:
        self._reader = reader
        self._settings = settings
        self._any_number = settings.disclosure != "own-line"

    def by_phone(self, args: Data) -> Answer:
        number = _text(args, "number")
        return self._first_found([number, *self._written(number)], self._any_number)

    def by_agreement(self, args: Data) -> Answer:
        return self._found(self._reader.find_by_agreement, _text(args, "number"), self._any_number)

    def by_caller(self, args: Data) -> Answer:
        return self._first_found(self._written(_text(args, "caller")), allowed=True)

    def recognise(self, args: Data) -> Answer:
        found = self.by_caller(args)
        return Answer(U_OK, {"own": True}) if found.event == U_OK else found

    def _written(self, number: str) -> list[str]:
        return written_forms(number, self._settings.country_code, self._settings.area_code)

    def _first_found(self, numbers: Iterable[str], allowed: bool) -> Answer:
        for number in dict.fromkeys(numbers):
            found = self._found(self._reader.find_by_phone, number, allowed)
            if found.event == U_OK:
                return found
        return Answer(U_NONE)

    @staticmethod
    def _found(find: Callable[[str], Account | None], number: str, allowed: bool) -> Answer:
        account = find(number) if allowed and _digits(number) else None
        return Answer(U_OK, {"account": account.id}) if account else Answer(U_NONE)


_LOCAL_DIGITS = 8
"""The longest number within an area."""


def written_forms(number: str, country_code: str, area_code: str) -> list[str]:
    """Return how billing data may have a number that is keyed, or that calls (ANI).

    As a subscriber keys it; a local one with the home area code, too, with its trunk prefix 0 and
    without. Empty for a number of another country.
    """
    local = local_number(number, country_code, area_code)
    if not local:
        return []
    if not area_code or len(local) > _LOCAL_DIGITS or local.startswith("0"):
        return [local]
    return [local, f"0{area_code}{local}", f"{area_code}{local}"]


def local_number(caller: str, country_code: str, area_code: str) -> str:
    """Return a caller's number (ANI) as a subscriber keys it; "" for one of another country.

    Takes off +86 or 0086, the trunk prefix 0 of a mobile number, and the home area code.
    """
    number = caller.strip()
    for prefix in ("+", "00"):
        if number.startswith(prefix):
            rest = number.removeprefix(prefix)
            if not country_code or not rest.startswith(country_code):
                return ""
            number = rest.removeprefix(country_code)
            break
    national = number.removeprefix("0")
    if len(national) == 11 and national.startswith("1"):
        return national
    home = area_code and national.startswith(area_code) and len(national) > _LOCAL_DIGITS
    return national.removeprefix(area_code) if home else number


# -- is the caller who they should be --------------------------------------------------------


class _ProofAction:
    """Holds what was keyed against what is on record, and locks after wrong tries."""

    def __init__(self, reader: BillingReader, settings: EnquirySettings, lockout: Lockout) -> None:
        self._reader = reader
        self._settings = settings
        self._lockout = lockout

    def do(self, args: Data) -> Answer:
        account, caller = _text(args, "account"), _text(args, "caller")
        by_account, by_caller = f"account {account}", f"caller {caller}"
        limits = {by_account: self._settings.proof_tries}
        if caller:
            limits[by_caller] = self._settings.caller_tries
        # counted before it is looked up: many lines at once get no more tries than one
        if not self._lockout.begin(limits):
            return Answer(U_LOCKED)
        try:
            expected = self._expected(self._reader.proof(account))
        except Exception:
            self._lockout.undo(*limits)
            raise
        keyed = _text(args, "proof")
        if hmac.compare_digest(keyed.encode(), expected.encode()) and expected:
            self._lockout.undo(*limits)
            self._lockout.forget(by_account)
            return Answer(U_OK)
        return Answer(U_LOCKED if self._lockout.locked(limits) else U_ERR)

    def _expected(self, proof: Proof | None) -> str:
        """Return what must be keyed, "" where nothing is on record: then nothing is right.

        A check letter (the X of a resident identity number) is on no telephone: it is skipped.
        """
        if proof is None:
            return ""
        if self._settings.proof == "password":
            return proof.password or ""
        whole = proof.identity if self._settings.last_digits_of == "identity" else proof.agreement
        digits = [c for c in whole or "" if _digits(c)][-self._settings.digits :]
        return "".join(digits) if len(digits) == self._settings.digits else ""


# -- the bill and its calls ------------------------------------------------------------------


class _BillActions:
    """Bills and call details as data of a call."""

    def __init__(self, reader: BillingReader, settings: EnquirySettings) -> None:
        self._reader = reader
        self._settings = settings
        self._totals_only = settings.disclosure == "own-line"

    def read(self, args: Data) -> Answer:
        account, month = _text(args, "account"), _text(args, "month")
        bill = self._reader.bill(account, month)
        if bill is None:
            return Answer(U_NONE)
        if isinstance(bill, NotReady):
            return Answer(U_NOT_READY)
        return Answer(U_OK, {"bill": self._bill_data(bill, self._has_details(account, bill))})

    def _has_details(self, account: str, bill: Bill) -> bool:
        explained = any(
            item.amount_fen for item in bill.items if item.code in self._reader.detail_items
        )
        if self._totals_only or not explained:
            return False
        return self._reader.detail_count(account, bill.month) > 0

    def _bill_data(self, bill: Bill, details: bool) -> dict[str, Json]:
        items: list[Json] = [
            {"name": item.code, "amount": item.amount_fen}
            for item in bill.items
            if not self._totals_only and (item.amount_fen or self._settings.speak_zero_items)
        ]
        data: dict[str, Json] = {"month": bill.month, "items": items, "total": bill.total_fen}
        if bill.paid is not None:
            data["paid" if bill.paid else "unpaid"] = True
        if bill.due and not bill.paid:  # nobody who has paid is told by when to pay
            data["due"] = bill.due.isoformat()
        if details:
            data["details"] = True
        return data

    def first(self, args: Data) -> Answer:
        return self._at(args, lambda _: 1)

    def next(self, args: Data) -> Answer:
        position = _position(args)
        return self._at(args, lambda count: min(position, count) + 1)

    def previous(self, args: Data) -> Answer:
        position = _position(args)
        return self._at(args, lambda count: min(position, count + 1) - 1)

    def _at(self, args: Data, move: Callable[[int], int]) -> Answer:
        """Answer with the call that `move` leads to; it is given how many there are."""
        account, month = _text(args, "account"), _text(args, "month")
        if self._totals_only:
            return Answer(U_NONE, {"position": 0})
        # most often the count is as it was, so the wanted row is asked for along with it
        wanted = move(10**9)
        detail, count = self._reader.details(account, month, wanted)
        position = max(move(count), 0)
        if position != wanted:
            detail, _ = self._reader.details(account, month, position)
        if detail is None:
            return Answer(U_NONE, {"position": position})
        return Answer(U_OK, {"detail": _detail_data(detail), "position": position})


def _detail_data(detail: CallDetail) -> dict[str, Json]:
    data: dict[str, Json] = {
        "position": detail.position,
        "area": detail.area_code,
        "other": detail.other_number,
        "date": detail.started.date().isoformat(),
        "start": f"{detail.started:%H:%M}",
        "seconds": detail.seconds,
        "charge": detail.charge_fen,
    }
    if detail.surcharge_fen:
        data["surcharge"] = detail.surcharge_fen
    return data
