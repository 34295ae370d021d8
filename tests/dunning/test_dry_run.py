"""The dry run against the real one: same rules, same people, same end; and an honest interval."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivrd.assembly import open_billing
from ivrd.billing.mapping import load_mapping
from ivrd.billing.sample_tables import write_sample
from ivrd.cli import main
from ivrd.config import Config, load_config
from ivrd.dunning.campaign import Campaign, load_campaign
from ivrd.dunning.case import OpenPromise
from ivrd.dunning.choose import choose_targets
from ivrd.dunning.dry_run import Plan, Run, Runner
from ivrd.dunning.dry_run_debtors import Known, owing, undiallable
from ivrd.dunning.dry_run_forecast import forecast, runs_for
from ivrd.dunning.dry_run_interval import STEP, OpenAxis, ends_between, tolerance
from ivrd.dunning.dry_run_rates import Dial, rates_of
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning_settings import campaign_defaults, number_plan
from ivrd.errors import IvrdError
from ivrd.rehearsal import plan_of, real_run
from ivrd.store import do_not_call
from ivrd.store.do_not_call import WhyListed
from ivrd.store.engine import open_store
from ivrd.store.states import COSTS_NOTHING, Outcome
from sim.debtor import UNANSWERED, Does
from sim.debtors import Dials, Population, Rates

SETTINGS = """
[node]
languages = ["zh-CN", "en-US"]
area_code = "010"
[enquiry]
disclosure = "open"
[billing]
mapping = "telecom"
url = "sqlite:///sample.db"
[dunning]
caller_id = "+861088617000"
[[card]]
name = "soft"
driver = "software"
channels = 4
[[lines]]
numbers = "1-4"
card = "soft"
channels = "1-4"
role = "both"
"""
CAMPAIGN = """
name = "arrears"
[choose]
amount_at_least = "1.00"
"""
RATES = Rates(hours={"18:00-20:00": 1.6})
LINES = ("soft", "soft", "soft", "soft")


@dataclass(frozen=True)
class Setting:
    """A node with a campaign that has not begun, on a Monday morning."""

    file: Path
    config: Config
    campaign: Campaign
    rows: Sequence[TargetRow]
    start: datetime
    plan: Plan


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("dry-run")
    (folder / "ivrd.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "arrears.toml").write_text(CAMPAIGN, encoding="utf-8")
    config = load_config(folder / "ivrd.toml")
    assert config.dunning is not None
    start = datetime(2026, 11, 23, 9, 0, tzinfo=config.zone)
    write_sample(folder / "sample.db", start.date())
    campaign = load_campaign(
        folder / "arrears.toml", campaign_defaults(config, config.dunning), start
    )
    reader = open_billing(config, load_mapping(config.mapping))
    chosen = choose_targets(reader, campaign, number_plan(config), start.date())
    rows = [row for row in chosen if row.chosen and row.numbers][:30]
    reader.database.engine.dispose()
    plan = plan_of(config, campaign, rows, RATES, start, lines=LINES)
    return Setting(folder / "ivrd.toml", config, campaign, rows, start, plan)


def run(plan: Plan, seed: int) -> Run:
    return Runner(plan, seed, lambda _: None).go()


def real_end(setting: Setting, seed: int) -> datetime:
    return real_run(
        setting.config, setting.campaign, setting.rows, RATES, setting.start,
        lines=len(LINES), seed=seed,
    )  # fmt: skip


# -- against the real one ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [501, 502])
def test_with_the_same_people_the_real_run_ends_when_the_dry_one_does(
    setting: Setting, seed: int
) -> None:
    assert abs(real_end(setting, seed) - run(setting.plan, seed).end) < timedelta(minutes=15)


def test_real_runs_with_people_unknown_to_it_end_within_the_interval(setting: Setting) -> None:
    ends = forecast(setting.plan, 1, runs=60).ends
    assert ends is not None
    assert ends.latest - ends.earliest < timedelta(days=21), "an interval that says something"
    real = [real_end(setting, seed) for seed in range(901, 905)]
    within = [ends.earliest <= end <= ends.latest for end in real]
    assert sum(within) >= 3, f"{real} not within {ends}"


def test_calls_are_measured_on_the_flow(setting: Setting) -> None:
    calls = setting.plan.calls
    assert set(calls) == {does.value for does in Does}
    came_to = {kind: {tried.outcome for tried in some} for kind, some in calls.items()}
    assert came_to[Does.LISTENS] == came_to[Does.PROMISES] == {Outcome.TOLD}
    assert came_to[Does.HANGS_UP_IN_MESSAGE] == {Outcome.TOLD_IN_PART}
    assert came_to[Does.MACHINE] == {Outcome.MACHINE}
    assert came_to[Does.DENIES] == came_to[Does.SILENT] == {Outcome.NOT_CONFIRMED}
    assert came_to[Does.SWITCHED_OFF] == {Outcome.OUT_OF_SERVICE}
    assert came_to[Does.LINE_FAULT] == {Outcome.LINE_FAULT}
    assert all("promise" in tried.notes for tried in calls[Does.PROMISES])
    mean_s = {k: sum(tried.lasted_s for tried in some) / len(some) for k, some in calls.items()}
    assert mean_s[Does.BUSY] < mean_s[Does.DENIES] < mean_s[Does.LISTENS] < mean_s[Does.PROMISES]


# -- what it says --------------------------------------------------------------------------------


def test_same_seed_says_the_same_and_another_something_else(setting: Setting) -> None:
    first, again, other = (forecast(setting.plan, seed, runs=3) for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_everybody_ends_and_every_call_has_a_day_and_an_outcome(setting: Setting) -> None:
    done = run(setting.plan, 9)
    assert sum(done.ended.values()) == len(setting.plan.owing)
    assert sum(done.outcomes.values()) == done.calls == sum(d.calls for d in done.days.values())
    assert done.calls > len(setting.plan.owing), "some are called again"
    assert not done.stuck


def test_no_call_is_outside_the_hours_nor_beyond_the_limits(setting: Setting) -> None:
    runner = Runner(setting.plan, 9, lambda _: None)
    runner.go()
    opening = setting.plan.running.opening(setting.config.zone)
    for debtor in runner.debtors:
        counted = [past for past in debtor.past if past.outcome not in COSTS_NOTHING]
        assert len(counted) <= setting.campaign.retry.total
        assert all(opening(past.began_at) == past.began_at for past in debtor.past)
        days = [past.began_at.astimezone(setting.config.zone).date() for past in counted]
        assert max(map(days.count, days), default=0) <= 3


def test_fewer_lines_take_longer(setting: Setting) -> None:
    slow = replace(setting.plan, lines=("soft",), care=replace(setting.plan.care, guard_s=900.0))
    first_day = date(2026, 11, 23)
    assert run(slow, 3).days[first_day].calls < run(setting.plan, 3).days[first_day].calls


def test_who_is_held_at_the_start_is_counted_by_reason(setting: Setting) -> None:
    store = open_store("sqlite://", now=lambda: setting.start)
    number = setting.rows[0].numbers[0]
    store.transact(
        lambda tx: do_not_call.add(tx, setting.start, number, WhyListed.ASKED, "operator")
    )
    known = store.read(lambda tx: Known.read(tx, setting.start - timedelta(days=30)))
    store.close()
    promise = OpenPromise(date(2026, 12, 20), setting.start - timedelta(days=1))
    known.promises[setting.rows[1].account] = promise
    plan = replace(setting.plan, owing=owing(setting.rows, known))
    found = forecast(plan, 1, runs=2)
    assert found.held_at_start == {"do_not_call": 1, "promised": 1}
    assert found.results["excluded: do_not_call"] >= 1
    assert found.ends is not None
    assert found.ends.latest >= datetime(2026, 12, 19, tzinfo=UTC), "the promise is waited for"


def test_debtor_without_a_number_is_counted_and_not_called(setting: Setting) -> None:
    rows = [*setting.rows, replace(setting.rows[0], account="none", numbers=())]
    assert undiallable(rows) == {"number_invalid": 1}
    assert len(owing(rows, Known())) == len(setting.rows)


def test_campaign_that_something_else_holds_has_no_end(setting: Setting) -> None:
    late = datetime(2027, 1, 4, 9, 0, tzinfo=setting.config.zone)
    found = forecast(replace(setting.plan, start=late), 1, runs=2)
    assert found.ends is None
    assert found.stuck == {"calendar_unknown": len(setting.rows)}


def test_nobody_to_call_is_said(setting: Setting) -> None:
    with pytest.raises(IvrdError, match="nobody to call"):
        plan_of(setting.config, setting.campaign, [], RATES, setting.start, lines=LINES)


# -- the interval --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "factor"),
    # NIST/SEMATECH e-Handbook, and ISO 16269-6: two-sided, 95 % content, 95 % confidence
    [(5, 5.079), (10, 3.379), (20, 2.752), (60, 2.333)],
)
def test_tolerance_factors_are_those_of_the_tables(runs: int, factor: float) -> None:
    assert tolerance(runs) == pytest.approx(factor, rel=0.02)


def test_interval_is_made_on_open_time_and_holds_every_end(setting: Setting) -> None:
    zone = setting.config.zone
    opening = setting.plan.running.opening(zone)
    monday = datetime(2026, 11, 23, 19, 50, tzinfo=zone)
    tuesday = datetime(2026, 11, 24, 9, 40, tzinfo=zone)
    axis = OpenAxis(setting.start, tuesday, opening)
    assert axis.place(tuesday) - axis.place(monday) == pytest.approx(4.0), "no night between them"
    ends = ends_between([monday, tuesday, tuesday], axis, timedelta(minutes=2))
    assert ends.earliest <= monday
    assert ends.latest >= tuesday
    for end in (ends.earliest, ends.latest - timedelta(minutes=2) - STEP):
        assert opening(end) == end, "nobody is told of an end at night"


def test_small_campaigns_have_many_runs_and_large_ones_few() -> None:
    assert [runs_for(n) for n in (1, 1000, 10_000, 100_000, 1_000_000)] == [60, 60, 15, 3, 3]


# -- rates of history ----------------------------------------------------------------------------


def test_rates_are_found_again_in_what_people_of_such_rates_did() -> None:
    truth = Rates(spread=1.2, dials=Dials(no_answer=0.4, busy=0.1, switched_off=0.05))
    people = Population(truth, 11)
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    dials: list[Dial] = []
    for n in range(6000):
        for nth in range(2):
            does = people.draw(f"+86571{n:08}", nth, noon).does
            answered = does not in UNANSWERED
            outcome = _OUTCOMES.get(does, Outcome.TOLD if answered else Outcome.NO_ANSWER)
            notes = {"wrong_number"} if does is Does.WRONG_NUMBER else set()
            dials.append(Dial(outcome, frozenset(notes), answered, 12, nth))
            if answered or does is Does.UNALLOCATED:
                break
    found = Rates.model_validate(rates_of(dials))
    assert found.numbers.unallocated == pytest.approx(0.02, abs=0.005)
    assert found.numbers.wrong_number == pytest.approx(0.02, abs=0.006)
    assert found.spread == pytest.approx(1.2, abs=0.4)
    assert found.dials.no_answer == pytest.approx(0.4, abs=0.03)
    assert found.dials.busy == pytest.approx(0.1, abs=0.02)


_OUTCOMES = {
    Does.UNALLOCATED: Outcome.UNALLOCATED,
    Does.BUSY: Outcome.BUSY,
    Does.SWITCHED_OFF: Outcome.OUT_OF_SERVICE,
    Does.OUT_OF_SERVICE: Outcome.OUT_OF_SERVICE,
    Does.NETWORK: Outcome.NETWORK,
    Does.REJECTS: Outcome.REJECTED,
    Does.WRONG_NUMBER: Outcome.NOT_CONFIRMED,
    Does.MACHINE: Outcome.MACHINE,
}


# -- the command ---------------------------------------------------------------------------------


def simulate(setting: Setting, *words: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(setting.file), "simulate", *words])


def test_command_says_calls_end_load_and_who_is_held(setting: Setting, tmp_path: Path) -> None:
    rates = tmp_path / "rates.toml"
    rates.write_text("spread = 0\n", encoding="utf-8")
    few = setting.file.parent / "few.toml"
    few.write_text(CAMPAIGN.replace("1.00", "1000.00"), encoding="utf-8")
    file = str(few)
    words = ("--campaign", file, "--rates", str(rates), "--lines", "2", "--at", "10:00", "--json")
    first, again = simulate(setting, *words), simulate(setting, *words)
    assert first.exit_code == 0, first.output
    said = json.loads(first.stdout)
    assert said == json.loads(again.stdout)
    assert (said["lines"], said["rates"]) == (2, str(rates))
    assert said["ends"]["earliest"] < said["ends"]["latest"]
    assert sum(day["calls"] for day in said["days"]) == pytest.approx(said["calls"])
    human = simulate(setting, "--campaign", file)
    assert human.exit_code == 0, human.output
    for part in ("arrears, ", "ends ", "between ", "95 %", "lines busy", "assumed: too few"):
        assert part in human.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rates", "x.toml"], "--rates belongs to --campaign"),
        (["--campaign", "x.toml", "--hours", "3"], "--hours has no use with --campaign"),
        (["--lines", "33"], "at most 32 lines"),
        (["--campaign", "none.toml"], "no such file"),
    ],
)
def test_command_refuses_what_does_not_go_together(
    setting: Setting, words: list[str], told: str
) -> None:
    result = simulate(setting, *words)
    assert result.exit_code == 2
    assert told in result.output
