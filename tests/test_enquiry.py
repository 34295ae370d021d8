"""The enquiry service's actions on the sample database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.engine import engine_from
from ivrd.billing.lockout import MemoryLockout
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.enquiry import EnquirySettings, enquiry_actions, local_number, written_forms
from ivrd.errors import BillingError
from ivrd.events import Data
from ivrd.flow.actions import Action, Answer

NOW = datetime(2026, 11, 5, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
LAST = "2026-10"
OPEN = EnquirySettings(disclosure="open")
OWN_LINE = EnquirySettings(disclosure="own-line")
CHECKED = EnquirySettings(disclosure="checked")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("enquiry") / "sample.db"
    write_sample(file, date(2026, 11, 5), accounts=30)
    return file


@pytest.fixture
def file(sample: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy.db"
    copy.write_bytes(sample.read_bytes())
    return copy


@pytest.fixture
def reader(file: Path) -> Iterator[BillingReader]:
    engine = engine_from(f"sqlite:///{file}", time_limit_s=0.02)
    yield BillingReader(load_mapping(profile_for("wide")), engine)
    engine.dispose()


class Service:
    """The actions on a clock that moves when told; every answer is held against its declaration."""

    def __init__(self, reader: BillingReader, settings: EnquirySettings) -> None:
        self.now = NOW
        self.actions = enquiry_actions(reader, lambda: self.now, settings)

    def __call__(self, name: str, **args: Any) -> Answer:
        action = self.actions[name]
        given = {key: args.get(key) for key in (*action.takes, *action.may_take)}
        answer = action.do(given)
        assert answer.event in action.answers
        fits(answer.data, action.answers[answer.event])
        return answer


def fits(data: object, shape: object) -> None:
    """Assert that data has the shape that was declared: nothing missing, nothing more."""
    if isinstance(shape, list):
        assert isinstance(data, list)
        for row in data:
            fits(row, shape[0])
    elif isinstance(shape, str):
        kinds = {"fen": int, "integer": int, "seconds": int, "true": bool}
        assert type(data) is kinds.get(shape, str)
    else:
        assert isinstance(shape, dict)
        assert isinstance(data, Mapping)
        names = {name.rstrip("?") for name in shape}
        assert set(data) <= names
        for name, below in shape.items():
            if name.rstrip("?") in data:
                fits(data[name.rstrip("?")], below)
            else:
                assert name.endswith("?"), f"{name} is missing"


@pytest.fixture
def service(reader: BillingReader) -> Service:
    return Service(reader, OPEN)


# -- the month -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "event", "month"),
    [
        ("202610", "U_OK", "2026-10"), ("202511", "U_OK", "2025-11"),
        ("202611", "U_NOT_YET", "2026-11"), ("202612", "U_NOT_YET", "2026-12"),
        ("202701", "U_NOT_YET", "2027-01"), ("202510", "U_TOO_OLD", "2025-10"),
        ("199912", "U_TOO_OLD", "1999-12"),
        ("", "U_ERR", None), ("202613", "U_ERR", None), ("202600", "U_ERR", None),
        ("000000", "U_ERR", None), ("20261", "U_ERR", None), ("2026100", "U_ERR", None),
        ("2026*1", "U_ERR", None), ("20261A", "U_ERR", None), ("２０２６１０", "U_ERR", None),
        ("-20261", "U_ERR", None), (" 20261", "U_ERR", None), (None, "U_ERR", None),
    ],
)  # fmt: skip
def test_a_month_is_told_from_what_is_none(
    entry: str | None, event: str, month: str | None, service: Service
) -> None:
    answer = service("check_month", entry=entry)
    assert (answer.event, answer.data) == (event, {"month": month} if month else {})


def month_action(now: datetime, settings: EnquirySettings, reader: BillingReader) -> Action:
    return enquiry_actions(reader, lambda: now, settings)["check_month"]


ENTRIES = st.text(max_size=8) | st.text("0123456789*#ABCDx", max_size=7)
DAYS = st.dates(date(2001, 1, 1), date(2190, 1, 1))


@given(ENTRIES, DAYS, st.integers(1, 24))
def test_any_entry_has_one_answer_that_agrees_with_the_calendar(
    entry: str, today: date, back: int
) -> None:
    settings = EnquirySettings(disclosure="open", months_back=back)
    now = NOW.replace(today.year, today.month, today.day)
    answer = month_action(now, settings, None).do({"entry": entry})  # type: ignore[arg-type]  # months need no database
    newest = (now.replace(day=1) - timedelta(days=1)).strftime("%Y%m")
    if answer.event == "U_ERR":
        assert not answer.data
        digits = entry.isascii() and entry.isdigit() and len(entry) == 6
        assert not (digits and 1900 <= int(entry[:4]) <= 2199 and 1 <= int(entry[4:]) <= 12)
        return
    assert answer.data == {"month": f"{entry[:4]}-{entry[4:]}"}
    if entry > newest:
        assert answer.event == "U_NOT_YET"
    else:
        months = (int(newest[:4]) - int(entry[:4])) * 12 + int(newest[4:]) - int(entry[4:])
        assert answer.event == ("U_OK" if months < back else "U_TOO_OLD")


def test_the_newest_month_is_that_of_the_nodes_zone(service: Service) -> None:
    service.now = datetime(2026, 12, 1, 0, 0, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert service("check_month", entry="202611").event == "U_OK"
    service.now -= timedelta(seconds=2)
    assert service("check_month", entry="202611").event == "U_NOT_YET"


def test_the_month_is_the_only_answer_that_takes_no_thread(service: Service) -> None:
    assert [a.name for a in service.actions.values() if not a.blocking] == ["check_month"]


# -- the account -----------------------------------------------------------------------------


def test_accounts_are_found_by_either_number(service: Service) -> None:
    found = Answer("U_OK", {"account": "100001"})
    assert service("find_by_phone", number="88610001") == found
    assert service("find_by_agreement", number="100000000001") == found
    assert service("find_by_phone", number="13805710009").data == {"account": "100009"}


@pytest.mark.parametrize(
    "number", ["", "8861000", "88610099", "88610012", "8861*001", "' OR 1=1", None]
)
def test_an_unknown_number_is_none(number: str | None, service: Service) -> None:
    assert service("find_by_phone", number=number) == Answer("U_NONE")
    assert service("find_by_agreement", number=number) == Answer("U_NONE")


def test_the_calling_line_is_found_and_recognised(service: Service) -> None:
    assert service("find_by_caller", caller="88610001").data == {"account": "100001"}
    assert service("recognise_caller", caller="88610001") == Answer("U_OK", {"own": True})
    for unknown in ("", "88610099", "anonymous", None):
        assert service("find_by_caller", caller=unknown) == Answer("U_NONE")
        assert service("recognise_caller", caller=unknown) == Answer("U_NONE")


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("88610001", "88610001"), ("057188610001", "88610001"), ("57188610001", "88610001"),
        ("+8657188610001", "88610001"), ("008657188610001", "88610001"),
        ("13805710009", "13805710009"), ("013805710009", "13805710009"),
        ("+8613805710009", "13805710009"), ("02188610001", "02188610001"),
        ("+14155550100", ""), ("0014155550100", ""), ("", ""), ("57188610", "57188610"),
    ],
)  # fmt: skip
def test_a_callers_number_is_taken_as_a_subscriber_would_key_it(caller: str, number: str) -> None:
    assert local_number(caller, "86", "571") == number


@pytest.mark.parametrize(
    ("number", "area_code", "forms"),
    [
        ("88610001", "571", ["88610001", "057188610001", "57188610001"]),
        ("+8657188610001", "571", ["88610001", "057188610001", "57188610001"]),
        ("13805710009", "571", ["13805710009"]), ("02188610001", "571", ["02188610001"]),
        ("88610001", "", ["88610001"]), ("+14155550100", "571", []),
    ],
)  # fmt: skip
def test_a_local_number_is_looked_for_with_the_home_area_code_too(
    number: str, area_code: str, forms: list[str]
) -> None:
    assert written_forms(number, "86", area_code) == forms


def test_numbers_that_stand_with_their_area_code_are_found_by_what_is_keyed(
    file: Path, reader: BillingReader
) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE TB_SERV SET ACC_NBR = '0571' || ACC_NBR WHERE length(ACC_NBR) = 8")
    service = Service(reader, EnquirySettings(disclosure="open", area_code="571"))
    for keyed in ("88610001", "057188610001"):
        assert service("find_by_phone", number=keyed).event == "U_OK"
    assert service("recognise_caller", caller="88610001") == Answer("U_OK", {"own": True})
    assert service("find_by_phone", number="88610099") == Answer("U_NONE")


def test_own_line_finds_no_other_number_and_gives_the_total_alone(reader: BillingReader) -> None:
    service = Service(reader, OWN_LINE)
    assert service("find_by_phone", number="88610001").event == "U_NONE"
    assert service("find_by_agreement", number="100000000001").event == "U_NONE"
    account = service("find_by_caller", caller="88610001").data["account"]
    bill = service("read_bill", account=account, month=LAST).data["bill"]
    assert bill == {"month": LAST, "items": [], "total": 14699, "unpaid": True, "due": "2026-11-20"}
    assert service("next_detail", account=account, month=LAST, position=0).event == "U_NONE"


# -- the proof -------------------------------------------------------------------------------


@pytest.fixture
def checked(reader: BillingReader) -> Service:
    return Service(reader, CHECKED)


def tried(service: Service, proof: str, account: str = "100001", caller: str = "") -> str:
    return service("check_proof", account=account, proof=proof, caller=caller).event


def test_the_password_proves_the_holder(checked: Service) -> None:
    assert tried(checked, "123456") == "U_OK"


@pytest.mark.parametrize("proof", ["", "12345", "1234567", "000000", "密码"])
def test_anything_else_does_not(proof: str, checked: Service) -> None:
    assert tried(checked, proof) == "U_ERR"


def test_an_account_without_a_password_is_never_proven(checked: Service, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE TB_SERV SET SERV_PWD = '' WHERE SERV_ID = 100002")
    assert tried(checked, "", account="100002") == "U_ERR"
    assert tried(checked, "", account="999999") == "U_ERR"


def test_the_third_wrong_try_locks_the_account_for_everybody(checked: Service) -> None:
    assert [tried(checked, "0") for _ in range(3)] == ["U_ERR", "U_ERR", "U_LOCKED"]
    assert tried(checked, "123456", caller="88610001") == "U_LOCKED"
    assert tried(checked, "123456", account="100002") == "U_OK"


def test_the_lock_ends_when_the_first_try_is_old_enough(checked: Service) -> None:
    for _ in range(3):
        tried(checked, "0")
    checked.now += timedelta(seconds=1799)
    assert tried(checked, "123456") == "U_LOCKED"
    checked.now += timedelta(seconds=1)
    assert tried(checked, "123456") == "U_OK"


def test_a_right_proof_forgets_the_accounts_wrong_ones(checked: Service) -> None:
    for _ in range(4):
        assert [tried(checked, p) for p in ("0", "0", "123456")] == ["U_ERR", "U_ERR", "U_OK"]


def test_a_caller_who_tries_many_accounts_is_locked_even_between_right_ones(
    checked: Service,
) -> None:
    outcomes = []
    for n in range(2, 8):
        outcomes.append(tried(checked, "0", account=f"10000{n}", caller="55550000"))
        tried(checked, "123456", account="100001", caller="55550000")
    assert outcomes == ["U_ERR"] * 5 + ["U_LOCKED"]
    assert tried(checked, "123456", caller="55550000") == "U_LOCKED"
    assert tried(checked, "123456", caller="55550001") == "U_OK"


def test_the_last_digits_skip_a_check_letter(reader: BillingReader, file: Path) -> None:
    service = Service(reader, EnquirySettings(disclosure="checked", proof="last-digits"))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "UPDATE TB_SERV SET CERT_NBR = '11010519491231002X' WHERE SERV_ID = 100001"
        )
    assert tried(service, "002X") == "U_ERR"
    assert tried(service, "1002") == "U_OK"


def test_the_last_digits_may_be_those_of_the_agreement(reader: BillingReader) -> None:
    settings = EnquirySettings(
        disclosure="checked", proof="last-digits", last_digits_of="agreement", digits=6
    )
    assert tried(Service(reader, settings), "000001") == "U_OK"


def test_a_try_that_could_not_be_decided_does_not_count(checked: Service, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as theirs:
        theirs.execute("BEGIN EXCLUSIVE")
        assert [tried(checked, "0") for _ in range(4)] == ["U_DOWN"] * 4
    assert [tried(checked, "0") for _ in range(3)] == ["U_ERR", "U_ERR", "U_LOCKED"]


def test_tries_at_the_same_moment_on_many_lines_are_no_more_than_on_one() -> None:
    lockout = MemoryLockout(lambda: NOW, 60)
    assert [lockout.begin({"a": 3}) for _ in range(32)].count(True) == 3


def test_old_tries_take_no_room() -> None:
    now = NOW
    lockout = MemoryLockout(lambda: now, 60)
    for n in range(30_000):
        lockout.begin({f"account {n}": 3})
        now += timedelta(seconds=1)
    assert len(vars(lockout)["_tries"]) <= 10_000


# -- the bill --------------------------------------------------------------------------------


def bill_of(service: Service, account: str, month: str = LAST) -> Any:
    answer = service("read_bill", account=account, month=month)
    assert answer.event == "U_OK"
    return answer.data["bill"]


def test_a_bill_is_given_item_by_item_without_the_zero_ones(service: Service) -> None:
    assert bill_of(service, "100001") == {
        "month": LAST,
        "items": [
            {"name": "monthly_rent", "amount": 2500}, {"name": "local_calls", "amount": 3864},
            {"name": "long_distance", "amount": 1015},
            {"name": "operator_long_distance", "amount": 470},
            {"name": "information", "amount": 1050}, {"name": "data", "amount": 5800},
        ],
        "total": 14699, "unpaid": True, "due": "2026-11-20", "details": True,
    }  # fmt: skip


def test_a_refund_is_negative(service: Service) -> None:
    assert bill_of(service, "100002")["items"][-1] == {"name": "adjustments", "amount": -350}
    assert bill_of(service, "100006")["total"] == -1200


def test_a_bill_of_nothing_has_a_total_and_no_items(service: Service) -> None:
    bill = bill_of(service, "100003")
    assert (bill["items"], bill["total"], bill["paid"]) == ([], 0, True)


def test_zero_items_are_given_where_the_settings_say_so(reader: BillingReader) -> None:
    service = Service(reader, EnquirySettings(disclosure="open", speak_zero_items=True))
    assert [item["amount"] for item in bill_of(service, "100003")["items"]] == [0] * 8


def test_what_the_data_does_not_say_is_not_there(service: Service) -> None:
    assert not {"paid", "unpaid", "due"} & set(bill_of(service, "100011"))


@pytest.mark.parametrize(
    ("account", "offered"), [("100001", True), ("100002", False), ("100010", False)]
)
def test_details_are_offered_only_where_there_are_calls_behind_long_distance(
    account: str, offered: bool, service: Service
) -> None:
    assert ("details" in bill_of(service, account)) is offered


def test_no_bill_and_not_ready_are_told_apart(service: Service) -> None:
    assert service("read_bill", account="100004", month=LAST) == Answer("U_NONE")
    assert service("read_bill", account="100001", month="2026-11") == Answer("U_NOT_READY")


# -- the calls -------------------------------------------------------------------------------


def step(service: Service, name: str, position: int | None) -> tuple[str, object]:
    answer = service(name, account="100001", month=LAST, position=position)
    if answer.event == "U_OK":
        detail: Any = answer.data["detail"]
        assert detail["position"] == answer.data["position"]
    return answer.event, answer.data["position"]


def test_a_call_is_given_whole(service: Service) -> None:
    answer = service("next_detail", account="100001", month=LAST, position=3)
    assert answer.data["detail"] == {
        "position": 4, "area": "020", "other": "81234567", "date": "2026-10-18", "start": "08:05",
        "seconds": 74, "charge": 91, "surcharge": 50,
    }  # fmt: skip
    first: Any = service("first_detail", account="100001", month=LAST).data["detail"]
    assert "surcharge" not in first


def test_next_goes_to_the_end_and_previous_back_from_behind_it(service: Service) -> None:
    position: Any = 0
    seen = []
    for name in ["next_detail"] * 8 + ["previous_detail"] * 8 + ["next_detail"]:
        event, position = step(service, name, position)
        seen.append((event, position))
    ok = [("U_OK", n) for n in range(1, 7)]
    end, front = ("U_NONE", 7), ("U_NONE", 0)
    assert seen == [*ok, end, end, *reversed(ok), front, front, ("U_OK", 1)]


@pytest.mark.parametrize(
    ("name", "position", "came_to"),
    [
        ("next_detail", None, ("U_OK", 1)), ("next_detail", -5, ("U_OK", 1)),
        ("next_detail", 10**6, ("U_NONE", 7)), ("previous_detail", 10**6, ("U_OK", 6)),
        ("previous_detail", None, ("U_NONE", 0)), ("first_detail", 4, ("U_OK", 1)),
    ],
)  # fmt: skip
def test_a_position_from_anywhere_leads_into_the_list(
    name: str, position: int | None, came_to: tuple[str, int], service: Service
) -> None:
    assert step(service, name, position) == came_to


def test_an_account_without_calls_has_none_in_any_direction(service: Service) -> None:
    for name in ("first_detail", "next_detail", "previous_detail"):
        assert service(name, account="100002", month=LAST, position=0).event == "U_NONE"


# -- no answer -------------------------------------------------------------------------------

LOOKUPS: dict[str, Data] = {
    "find_by_phone": {"number": "88610001"},
    "find_by_agreement": {"number": "100000000001"},
    "find_by_caller": {"caller": "88610001"},
    "recognise_caller": {"caller": "88610001"},
    "check_proof": {"account": "100001", "proof": "123456"},
    "read_bill": {"account": "100001", "month": LAST},
    "first_detail": {"account": "100001", "month": LAST, "position": 4},
    "next_detail": {"account": "100001", "month": LAST, "position": 4},
    "previous_detail": {"account": "100001", "month": LAST, "position": 4},
}


def test_every_lookup_is_among_those_that_are_made_to_fail(service: Service) -> None:
    assert set(LOOKUPS) == {name for name, action in service.actions.items() if action.blocking}


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_locked_database_is_down_for_every_lookup(
    name: str, service: Service, file: Path
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as theirs:
        theirs.execute("BEGIN EXCLUSIVE")
        answer = service(name, **LOOKUPS[name])
    assert answer.event == "U_DOWN"
    assert answer.data == ({"position": 4} if name.endswith("_detail") else {})


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_database_that_takes_too_long_is_slow_for_every_lookup(
    name: str, service: Service, file: Path
) -> None:
    table = {"read_bill": "TB_ZHANGDAN"}.get(
        name, "TB_TOLL_TICKET" if name.endswith("_detail") else "TB_SERV"
    )
    for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    with closing(sqlite3.connect(file)) as theirs, theirs:
        theirs.execute(f"ALTER TABLE {table} RENAME TO really")
        theirs.execute(
            f"CREATE VIEW {table} AS SELECT r.* FROM really r, ({for_ever}) WHERE i < 0"  # noqa: S608 - our own names
        )
    answer = service(name, **LOOKUPS[name])
    assert answer.event == "U_SLOW"
    assert answer.data == ({"position": 4} if name.endswith("_detail") else {})


def test_data_against_the_mapping_is_raised_and_not_taken_for_a_database_down(
    service: Service, file: Path
) -> None:
    with closing(sqlite3.connect(file)) as theirs, theirs:
        theirs.execute("UPDATE TB_ZHANGDAN SET DATA_FEE = 'x'")
    with pytest.raises(BillingError, match=r"bill\.items\.data"):
        service("read_bill", account="100001", month=LAST)


# -- what is private -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("check_month", set()), ("find_by_phone", {"number", "account"}),
        ("find_by_agreement", {"number", "account"}), ("find_by_caller", {"caller", "account"}),
        ("recognise_caller", {"caller", "account"}),
        ("check_proof", {"account", "proof", "caller"}), ("read_bill", {"account"}),
        ("first_detail", {"account", "detail.other"}), ("next_detail", {"account", "detail.other"}),
        ("previous_detail", {"account", "detail.other"}),
    ],
)  # fmt: skip
def test_what_a_log_must_mask_is_declared(
    name: str, private: set[str], reader: BillingReader
) -> None:
    make: Callable[..., dict[str, Action]] = enquiry_actions
    assert make(reader, lambda: NOW, OPEN)[name].private == private
