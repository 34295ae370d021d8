"""Choosing debtors from the sample billing data, and filling campaigns with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, update

from ivrd.billing.engine import engine_from
from ivrd.billing.entities import Arrears, Debtor
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from ivrd.dunning.campaign import Campaign, Choose
from ivrd.dunning.choose import NumberRanges, choose_targets, why_nobody
from ivrd.dunning.fill import Filled, fill_campaign, refill
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.target_rows import TargetRow
from ivrd.errors import BillingError
from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from ivrd.store.states import TargetState
from tests.store.conftest import kind, new_url, open_at, postgres, store, url

__all__ = ["kind", "new_url", "open_at", "postgres", "store", "url"]

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
PLAN = NumberPlan("86", "0571")
T = tables.targets.c


def campaign(**choose: Any) -> Campaign:
    return Campaign(
        name="arrears", flow="dunning", caller_id="170", languages=["zh-CN"], profiles=[],
        dials_per_s=1, choose=Choose(**choose),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["wide", "narrow"])
def billing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BillingReader]:
    layout: Layout = request.param
    file = tmp_path_factory.mktemp("choose") / f"{layout}.db"
    write_sample(file, TODAY, accounts=600, layout=layout)
    engine = engine_from(f"sqlite:///{file}")
    yield BillingReader(load_mapping(profile_for(layout)), engine)
    engine.dispose()


def chosen(billing: BillingReader, **choose: Any) -> list[TargetRow]:
    rows = choose_targets(billing, campaign(**choose), PLAN, TODAY)
    return [row for row in rows if row.chosen]


def test_without_a_rule_everybody_in_arrears_is_chosen(billing: BillingReader) -> None:
    rows = chosen(billing)
    assert len(rows) == sum(1 for _ in billing.debtors()) > 80
    five = next(row for row in rows if row.account == "100005")
    assert five == TargetRow(
        "100005", "100005", ("+8657188610005",), five.amount_fen, 4, date(2026, 8, 20),
        "PSTN", "HOME", "zh-CN",
    )  # fmt: skip
    assert five.amount_fen > 70_000


def test_amount_and_days_leave_debtors_out_but_not_unseen(billing: BillingReader) -> None:
    rules = campaign(amount_at_least="200.00", overdue_at_least_days=60)
    rows = list(choose_targets(billing, rules, PLAN, TODAY))
    kept = [row for row in rows if row.chosen]
    assert kept
    assert all(row.amount_fen >= 20_000 for row in kept)
    assert all(row.due and row.due <= TODAY - timedelta(days=60) for row in kept)
    left_out = [row for row in rows if not row.chosen]
    assert left_out
    assert all(
        row.amount_fen < 20_000 or row.due is None or row.due > TODAY - timedelta(days=60)
        for row in left_out
    )


def test_groups_products_and_number_ranges_choose(billing: BillingReader) -> None:
    rows = chosen(billing, groups=["COMPANY", "STATE"], products=["ADSL"])
    assert rows
    assert {row.group for row in rows} <= {"COMPANY", "STATE"}
    assert {row.product for row in rows} == {"ADSL"}
    mobiles = chosen(billing, numbers=["+8613857100000-+8613857199999"])
    assert mobiles
    assert all(row.numbers[0].startswith("+86138571") for row in mobiles)
    assert [r.account for r in chosen(billing, numbers=["88610004-88610005"])] == ["100005"]


def test_what_the_dial_plan_refuses_is_excluded_with_the_reason(billing: BillingReader) -> None:
    plan = NumberPlan("86", "0571", blocked_prefixes=("+86138571",))
    rows = list(choose_targets(billing, campaign(products=["MOBILE"]), plan, TODAY))
    alone = [row for row in rows if not row.numbers]
    assert alone
    assert {row.refused for row in alone} == {"number_blocked"}
    assert all(row.refused_detail and "138571" not in row.refused_detail for row in alone)
    other = [row for row in rows if row.numbers and row.refused]
    assert all(row.numbers[0].startswith("+861380571") for row in other)


def test_bare_local_numbers_without_a_home_area_are_refused_not_guessed(
    billing: BillingReader,
) -> None:
    plan = NumberPlan("86", "")
    rows = list(choose_targets(billing, campaign(products=["PSTN"]), plan, TODAY))
    assert {number[:10] for row in rows for number in row.numbers} == {"+861380571"}
    main = [row for row in rows if not row.numbers]
    assert main
    assert {row.refused for row in main} <= {"number_invalid", "number_blocked"}


@pytest.mark.parametrize(
    ("choose", "why"),
    [
        ({"groups": ["HOMES"]}, "did you mean 'HOME'?"),
        ({"products": ["DIAL-UP"]}, "no arrears are of product 'DIAL-UP', but of ADSL, MOBILE"),
        ({"amount_at_least": "1000000.00"}, "fits amount, days and numbers"),
    ],
)
def test_an_empty_choice_says_why(billing: BillingReader, choose: dict[str, Any], why: str) -> None:
    assert not chosen(billing, **choose)
    assert why in why_nobody(billing, campaign(**choose))


@given(st.integers(10, 99), st.integers(0, 89), st.integers(0, 120))
@settings(max_examples=100)
def test_a_range_has_its_two_ends_and_what_is_between(low: int, more: int, number: int) -> None:
    high = min(low + more, 99)
    ranges = NumberRanges([f"{low}-{high}"])
    assert ((f"{number:02}", None) in ranges) == (low <= number <= high)
    assert (f"8{number:02}", f"+{number:02}") not in ranges or number > 99
    assert ("", f"+{low}") in NumberRanges([f"+{low}-+{high}"])


def test_an_account_that_the_store_cannot_keep_is_a_fault() -> None:
    class Long:
        def debtors(self, **_: object) -> Iterator[Debtor]:
            yield Debtor(Arrears("9" * 65, 100, 1))

    with pytest.raises(BillingError, match="longer than 64"):
        list(choose_targets(Long(), campaign(), PLAN, TODAY))  # type: ignore[arg-type]  # what is read of it


# -- filling -----------------------------------------------------------------------------------


def new_campaign(store: Store, name: str = "arrears") -> int:
    values = {"name": name, "kind": "dunning", "state": "new", "settings": {}, "made_at": NOW}
    made = insert(tables.campaigns).returning(tables.campaigns.c.id)
    return int(store.transact(lambda tx: tx.execute(made, values).scalar_one()))


def row(account: str, *numbers: str, **more: Any) -> TargetRow:
    return TargetRow(account, account, numbers or ("+8657188610001",), 1000, **more)


def put(store: Store, of: int, rows: list[TargetRow], now: datetime = NOW, **more: Any) -> Filled:
    return store.transact(lambda tx: fill_campaign(tx, of, rows, now, **more))


def targets(store: Store, of: int) -> dict[str, Any]:
    query = select(tables.targets).where(T.campaign == of).order_by(T.id)
    return {t.account: t for t in store.read(lambda tx: tx.execute(query).all())}


def set_state(store: Store, account: str, state: TargetState) -> None:
    change = update(tables.targets).where(T.account == account).values(state=state.value)
    store.transact(lambda tx: tx.execute(change).rowcount)


def decisions(store: Store) -> list[tuple[str, str]]:
    d = tables.decisions.c
    query = select(d.what, d.reason).order_by(d.id)
    return [(x.what, x.reason) for x in store.read(lambda tx: tx.execute(query).all())]


def test_debtors_join_with_their_numbers(store: Store) -> None:
    of = new_campaign(store)
    late = NOW + timedelta(days=2)
    filled = put(store, of, [row("1", "+861", "+862", due=TODAY, product="P", group="G"),
                             row("2", call_from=late)])  # fmt: skip
    assert filled == Filled(read=2, added=2)
    one, two = targets(store, of).values()
    assert (one.numbers, one.state, one.next_at, one.due) == (
        ["+861", "+862"],
        "waiting",
        NOW,
        TODAY,
    )
    assert two.next_at == late
    n = tables.target_numbers.c
    query = select(n.number).where(n.target == one.id).order_by(n.number)
    assert store.read(lambda tx: list(tx.execute(query).scalars())) == ["+861", "+862"]
    at = store.read(lambda tx: tx.execute(select(tables.campaigns.c.chosen_at)).scalar())
    assert at == NOW


def test_a_second_choice_adds_the_new_and_nobody_twice(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row("1"), row("2")])
    again = [replace(row("1"), amount_fen=5), row("2"), row("3"), row("3")]
    filled = put(store, of, again)
    assert (filled.added, filled.refreshed, filled.settled) == (1, 2, 0)
    assert len(targets(store, of)) == 3
    assert targets(store, of)["1"].amount_fen == 5


def test_who_owes_no_more_is_settled_and_who_is_called_or_through_stays(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row(str(n)) for n in range(6)])
    set_state(store, "1", TargetState.PROMISED)
    set_state(store, "2", TargetState.CALLING)
    set_state(store, "3", TargetState.NOTIFIED)
    later = NOW + timedelta(days=1)
    assert put(store, of, [row("5")], later).settled == 3
    found = targets(store, of)
    assert [t.state for t in found.values()] == [
        "settled", "settled", "calling", "notified", "settled", "waiting"
    ]  # fmt: skip
    assert [t.paid_at for t in found.values()] == [later] * 5 + [None]
    assert decisions(store) == [("ended", "settled")] * 3


def test_rows_of_a_part_settle_nobody(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row("1")])
    assert put(store, of, [row("2")], whole=False).settled == 0
    assert targets(store, of)["1"].state == "waiting"


def test_no_rows_at_all_are_an_alarm_and_settle_nobody(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row("1")])
    filled = put(store, of, [])
    assert filled.empty
    assert targets(store, of)["1"].state == "waiting"


def test_one_who_was_settled_and_owes_again_is_taken_up_again(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row("1"), row("2")])
    put(store, of, [row("2")])
    filled = put(store, of, [row("1"), row("2")], NOW + timedelta(days=9))
    assert (filled.again, filled.refreshed) == (1, 1)
    one = targets(store, of)["1"]
    assert (one.state, one.why, one.paid_at, one.ended_at) == ("waiting", None, None, None)
    assert one.next_at == NOW + timedelta(days=9)
    assert decisions(store)[-1] == ("again", "owes_again")


def test_one_whom_the_choice_leaves_out_now_is_dropped_not_settled(store: Store) -> None:
    of = new_campaign(store)
    put(store, of, [row("1"), row("2")])
    filled = put(store, of, [row("1", chosen=False), row("2"), row("3", chosen=False)])
    assert filled == Filled(read=3, not_chosen=2, refreshed=1, dropped=1)
    one = targets(store, of)["1"]
    assert (one.state, one.why, one.paid_at) == ("excluded", "not_chosen", None)
    assert put(store, of, [row("1"), row("2")]).again == 1
    assert targets(store, of)["1"].state == "waiting"


def test_a_debtor_without_a_number_is_there_as_excluded(store: Store) -> None:
    of = new_campaign(store)
    none = replace(row("1"), numbers=(), refused="number_blocked", refused_detail="abroad")
    some = replace(row("2"), refused="number_invalid", refused_detail="number 2 of 2: too short")
    filled = put(store, of, [none, some])
    assert (filled.added, filled.excluded) == (2, 1)
    found = targets(store, of)
    assert (found["1"].state, found["1"].why) == ("excluded", "number_blocked")
    assert found["2"].state == "waiting"
    assert decisions(store) == [("ended", "number_blocked"), ("held", "number_invalid")]


def test_a_failure_leaves_nothing_of_a_fill(store: Store) -> None:
    of = new_campaign(store)

    def broken() -> Iterator[TargetRow]:
        yield from (row(str(n)) for n in range(2500))
        raise BillingError("gone")

    with pytest.raises(BillingError):
        store.transact(lambda tx: fill_campaign(tx, of, broken(), NOW))
    assert not targets(store, of)
    with pytest.raises(BillingError):
        refill(store, of, broken(), NOW)
    assert len(targets(store, of)) == 2000, "of a refill, whole pages stay"
    rows = [row(str(n)) for n in range(2500)]
    assert refill(store, of, rows, NOW).added == 500
    assert len(targets(store, of)) == 2500


def test_two_campaigns_do_not_touch_each_other(store: Store) -> None:
    first, second = new_campaign(store), new_campaign(store, "other")
    put(store, first, [row("1"), row("2")])
    put(store, second, [row("1")])
    assert put(store, second, [row("3")]).settled == 1
    assert {t.state for t in targets(store, first).values()} == {"waiting"}


def test_the_sample_fills_a_campaign_and_progress_is_told(
    billing: BillingReader, memory_store: Store
) -> None:
    of = new_campaign(memory_store)
    told: list[int] = []
    rows = choose_targets(billing, campaign(overdue_at_least_days=30), PLAN, TODAY)
    filled = put(memory_store, of, list(rows), progress=lambda done, _: told.append(done))
    assert told == [filled.read]
    count = select(func.count()).select_from(tables.targets)
    assert memory_store.read(lambda tx: tx.execute(count).scalar()) == filled.added
    assert filled.added == filled.read - filled.not_chosen > 20
    rows = choose_targets(billing, campaign(overdue_at_least_days=30), PLAN, TODAY)
    again = put(memory_store, of, list(rows))
    assert (again.added, again.refreshed, again.settled) == (0, filled.added, 0)


@pytest.fixture
def memory_store() -> Iterator[Store]:
    made = open_store("sqlite://", now=lambda: NOW)
    yield made
    made.close()


@settings(
    max_examples=40,
    deadline=None,
    # one store for all examples: each makes a campaign of its own in it
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.dictionaries(st.sampled_from("abcdefg"), st.booleans()), min_size=1, max_size=6))
def test_after_any_choices_each_target_says_how_its_account_stands(
    memory_store: Store, choices: list[dict[str, bool]]
) -> None:
    """Each choice says of some accounts that they owe, and whether the campaign wants them."""
    of = new_campaign(memory_store, f"campaign-{next(_NAMES)}")
    ever: set[str] = set()
    for choice in choices:
        rows = [row(account, chosen=wanted) for account, wanted in choice.items()]
        put(memory_store, of, rows)
        ever |= {account for account, wanted in choice.items() if wanted}
        found = {account: t.state for account, t in targets(memory_store, of).items()}
        assert set(found) == ever
        if choice:
            for account, state in found.items():
                _stands(choice.get(account), state)


_NAMES = itertools.count(1)


def _stands(wanted: bool | None, state: str) -> None:
    allowed = {
        True: {"waiting"},
        False: {"excluded", "settled"},  # settled before, and owes again what is not for it
        None: {"settled", "excluded"},  # dropped before it was paid
    }
    assert state in allowed[wanted]


class Says:
    """Billing data that says this of one debtor."""

    def __init__(self, debtor: Debtor) -> None:
        self._debtor = debtor

    def debtors(self, **_: Any) -> Iterator[Debtor]:
        yield self._debtor


@pytest.mark.parametrize(
    ("zone", "refused"), [("Asia/Urumqi", None), ("", None), ("Asia/Nowhere", "zone_unknown")]
)
def test_the_hours_of_a_debtor_are_those_of_their_zone_which_nobody_guesses(
    zone: str, refused: str | None
) -> None:
    debtor = Debtor(Arrears("7", 1000, 1), ("88610001",), zone=zone)
    billing: Any = Says(debtor)
    (row,) = choose_targets(billing, campaign(), PLAN, TODAY)
    assert (row.refused, bool(row.numbers)) == (refused, refused is None)
    assert row.zone == (zone or None)


@pytest.mark.parametrize("said", [True, False, None])
def test_what_the_billing_data_says_of_consent_is_kept_and_kept_up_to_date(
    said: bool | None, store: Store
) -> None:
    debtor = Debtor(Arrears("7", 1000, 1), ("13800138000",), consent=said)
    billing: Any = Says(debtor)
    rows = list(choose_targets(billing, campaign(), PLAN, TODAY))
    assert [row.consent for row in rows] == [said]

    def of_target(tx: Connection) -> bool | None:
        found: bool | None = tx.execute(select(T.consent)).scalar_one()
        return found

    which = new_campaign(store)
    refill(store, which, rows, NOW)
    assert store.read(of_target) is said
    refill(store, which, [replace(rows[0], consent=False)], NOW)
    assert store.read(of_target) is False
