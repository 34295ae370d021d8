"""Debtors behind a software card: who they are, what they key, and the file that says so."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.card import DialPermit
from ivrd.commands import Prompt, Utterance
from ivrd.errors import CardError, ConfigError
from ivrd.events import T_DIGIT, T_EOF, T_LCON, T_LCTERM, T_MACHINE, T_ONH, Event
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.debtor import UNANSWERED, Debtor, Does, Manner, outcome
from sim.debtors import (
    CalledDebtors,
    Dials,
    Drawn,
    Known,
    Numbers,
    Population,
    Rates,
    load_debtors,
)
from sim.demo import DemoCard
from sim.phone import Answering, Fails, Rings

NUMBER = "+8657188610001"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "campaigns" / "debtors.toml"

QUESTION = ("neutral_greeting", "are_you_holder")
OWED = ("you_owe", "months_owed", "due_date", "how_to_pay")
TWO_S = Prompt("two", "两秒", Path("two.wav"), 16000)


def permit(number: str = NUMBER) -> DialPermit:
    values: dict[str, Any] = {"number": number, "caller_id": "170", "attempt": "a"}
    if "until" in DialPermit.__dataclass_fields__:
        values["until"] = NOON
    return DialPermit(**values)


class Call:
    """One call to a debtor: what is said is given sentence by sentence, two seconds each."""

    def __init__(self, answering: Answering) -> None:
        self.clock = VirtualClock(NOON)
        self.card = SoftwareCard(self.clock, channels=1)
        self.channel = self.card.open_now()[0]
        self.card.parties[NUMBER] = answering
        self.events: list[Event] = []
        self.channel.connect(self.events.append)
        self.channel.dial(1, permit(), 60.0)
        self.clock.run_for(59.0)
        self._id = 1

    def say(self, *sentences: str, listen_s: float = 30.0) -> str:
        """Say it, wait, and return what was keyed upon it; "hung up" where they did."""
        before = len(self.events)
        self._id += 1
        self.channel.play(self._id, [Utterance(name, "zh-CN", (TWO_S,)) for name in sentences])
        self.clock.run_for(listen_s)
        after = self.events[before:]
        if any(event.name == T_LCTERM for event in after):
            return "hung up"
        return "".join(str(event.data["key"]) for event in after if event.name == T_DIGIT)

    def heard_s(self) -> float:
        heard = next(event for event in reversed(self.events) if event.name == T_EOF)
        return float(heard.data["heard_s"])  # type: ignore[arg-type]  # the card's own number


def call(does: Does, **manner: Any) -> Call:
    return Call(outcome(does, Manner(**manner)))


@pytest.mark.parametrize("does", sorted(UNANSWERED))
def test_dial_that_nobody_answers_ends_by_the_networks_word(does: Does) -> None:
    made = call(does)
    expected = UNANSWERED[does]
    name = expected.event if isinstance(expected, Fails) else "T_NOANS"
    assert [event.name for event in made.events][:1] in ([name], [])
    made.clock.run_for(5.0)
    assert [event.name for event in made.events] == [name]


@pytest.mark.parametrize("does", sorted(set(Does) - set(UNANSWERED)))
def test_every_other_debtor_answers_after_so_many_rings(does: Does) -> None:
    made = call(does, rings=3)
    assert made.events[0].name == T_LCON
    assert made.card.channels[0].leg is not None
    assert made.card.channels[0].leg.answered_s == pytest.approx(1.0 + 3 * 5.0)


@pytest.mark.parametrize(
    ("does", "upon_question"),
    [
        (Does.LISTENS, "1"), (Does.PROMISES, "1"), (Does.DENIES, "2"), (Does.WRONG_NUMBER, "5"),
        (Does.SILENT, ""), (Does.MACHINE, ""), (Does.HANGS_UP_AT_GREETING, "hung up"),
    ],
)  # fmt: skip
def test_question_for_the_holder_is_answered_as_the_profile_says(
    does: Does, upon_question: str
) -> None:
    assert call(does).say(*QUESTION) == upon_question


@pytest.mark.parametrize(
    ("does", "upon_choices"),
    [
        (Does.LISTENS, "hung up"), (Does.PROMISES, "3"), (Does.SAYS_PAID, "4"),
        (Does.DISPUTES, "6"), (Does.ASKS_TO_STOP, "9"), (Does.ASKS_FOR_PERSON, "0"),
    ],
)  # fmt: skip
def test_choice_after_the_message_is_that_of_the_profile(does: Does, upon_choices: str) -> None:
    made = call(does)
    assert made.say(*QUESTION) == "1"
    assert made.say(*OWED) == "", "the message is heard out"
    assert made.say("choices", "choice_transfer") == upon_choices


def test_promise_is_keyed_with_its_date_and_confirmed() -> None:
    made = call(Does.PROMISES, pay_in_days=9)
    assert made.say("enter_date") == "1202", "nine days after 23 November"
    assert made.say("you_promise") == "1"


def test_one_who_wants_it_again_hears_message_and_items_before_hanging_up() -> None:
    made = call(Does.LISTENS_AGAIN)
    assert [made.say("choices") for _ in range(3)] == ["1", "2", "hung up"]


def test_hanging_up_in_the_message_cuts_it_where_the_manner_says() -> None:
    made = call(Does.HANGS_UP_IN_MESSAGE, hears=0.25)
    made.say(*QUESTION)
    assert made.say(*OWED) == "hung up"
    assert made.heard_s() == pytest.approx(2.0)


def test_holder_proves_it_by_digits_and_another_keys_wrong_ones() -> None:
    assert call(Does.LISTENS, proof="1234").say("enter_last_digits") == "1234#"
    assert call(Does.DENIES, proof="1234").say("enter_last_digits") == "0000#"
    assert call(Does.LISTENS).say("enter_last_digits") == "", "nobody told them"


def test_debtor_leaves_no_timer_behind() -> None:
    made = call(Does.PROMISES)
    made.channel.play(7, [Utterance("choices", "zh-CN", (TWO_S,))])
    made.channel.on_hook(8)
    made.clock.run_for(1.0)
    assert made.clock.pending == 0


def drawn(rates: Rates, people: int = 4000, seed: int = 1, at: datetime = NOON) -> Counter[Does]:
    population = Population(rates, seed)
    return Counter(population.draw(f"+86571{n:08}", 0, at).does for n in range(people))


def test_shares_of_the_file_are_the_shares_of_the_calls() -> None:
    met = drawn(Rates(spread=0), people=20_000)
    assert met[Does.UNALLOCATED] / 20_000 == pytest.approx(0.02, abs=0.004)
    others = 20_000 - sum(met[Does(n)] for n in ("unallocated", "out_of_service")) - 20_000 * 0.03
    assert met[Does.NO_ANSWER] / others == pytest.approx(0.30, abs=0.015)
    assert met[Does.BUSY] / others == pytest.approx(0.08, abs=0.008)
    assert met[Does.PROMISES] / others == pytest.approx(0.525 * 0.14, abs=0.008)


def test_same_seed_draws_the_same_people_and_another_draws_others() -> None:
    assert drawn(Rates(), seed=3) == drawn(Rates(), seed=3)
    first = [Population(Rates(), 3).draw(f"{n}", 0, NOON) for n in range(50)]
    other = [Population(Rates(), 4).draw(f"{n}", 0, NOON) for n in range(50)]
    assert first != other


def test_hour_of_the_day_moves_the_odds_of_an_answer() -> None:
    rates = Rates(hours={"12:00-13:00": 0.1, "19:00-20:00": 10})
    noon, evening = drawn(rates), drawn(rates, at=NOON.replace(hour=19))
    assert noon[Does.NO_ANSWER] > 2 * evening[Does.NO_ANSWER]


def test_people_differ_so_that_who_did_not_answer_is_less_likely_to() -> None:
    def again(spread: float) -> float:
        """Return how many of those who did not answer the first dial answer the second."""
        people = Population(
            Rates(spread=spread, numbers=Numbers(unallocated=0, out_of_service=0, wrong_number=0,
                                                 machine=0)), 5,
        )  # fmt: skip
        missed = [f"{n}" for n in range(6000) if people.draw(f"{n}", 0, NOON).does in UNANSWERED]
        answered = [n for n in missed if people.draw(n, 1, NOON).does not in UNANSWERED]
        return len(answered) / len(missed)

    assert again(2.0) < again(0.0) - 0.1


def test_number_that_is_not_in_use_never_is() -> None:
    people = Population(Rates(numbers=Numbers(unallocated=0.3)), 2)
    dead = [f"{n}" for n in range(200) if people.draw(f"{n}", 0, NOON).does is Does.UNALLOCATED]
    assert len(dead) > 30
    assert {people.draw(n, d, NOON).does for n in dead for d in range(1, 9)} == {Does.UNALLOCATED}


@given(st.integers(0, 10**6), st.text("0123456789+", min_size=1, max_size=16), st.integers(0, 50))
def test_every_draw_is_within_its_ranges(seed: int, number: str, dial: int) -> None:
    manner = Population(Rates(), seed).draw(number, dial, NOON).manner
    assert 1 <= manner.rings <= 5
    assert 1 <= manner.pay_in_days <= 7
    assert 0.1 <= manner.hears <= 0.9
    assert 0.5 <= manner.think_s <= 2.5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_or_everybody_answers_where_the_shares_say_so(share: float) -> None:
    for_good = Numbers(unallocated=0, out_of_service=0, wrong_number=0, machine=0)
    dials = Dials(no_answer=share, busy=0, switched_off=0, rejects=0, network=0)
    met = drawn(Rates(numbers=for_good, dials=dials), people=500)
    assert (set(met) == {Does.NO_ANSWER}) == (share == 1)
    assert not set(met) & (set(UNANSWERED) - {Does.NO_ANSWER})


def test_named_debtor_does_what_the_file_says_at_every_dial() -> None:
    known = Known(number=NUMBER, does=Does.SAYS_PAID, rings=4)
    people = Population(Rates(debtor=[known]))
    assert [people.draw(NUMBER, n, NOON) for n in range(3)] == [
        Drawn(Does.SAYS_PAID, Manner(4))
    ] * 3


def test_card_asks_the_population_for_every_number_that_it_does_not_know() -> None:
    clock = VirtualClock(NOON)
    others = CalledDebtors(Population(Rates()), clock, proof_of=lambda number: number[-4:])
    assert isinstance(others(permit("+8657100000000")), Rings | Fails)
    assert others.dials == {"+8657100000000": 1}
    assert others.met.total() == 1
    card = SoftwareCard(clock, channels=1)
    card.others = others
    channel = card.open_now()[0]
    channel.dial(1, permit(), 60.0)
    assert others.dials[NUMBER] == 1


def test_proof_reaches_the_debtor_who_is_called() -> None:
    others = CalledDebtors(
        Population(Rates(debtor=[Known(number=NUMBER, does=Does.LISTENS)])), VirtualClock(NOON),
        proof_of=lambda number: number[-4:],
    )  # fmt: skip
    rings = others(permit())
    assert isinstance(rings, Rings)
    assert rings.party is not None
    debtor = rings.party()
    assert isinstance(debtor, Debtor)
    assert debtor.manner.proof == "0001"


def test_hundred_thousand_debtors_need_no_object_each() -> None:
    others = CalledDebtors(Population(Rates()), VirtualClock(NOON))
    tracemalloc.start()
    for n in range(2000):
        others(permit(f"+86571{n:08}"))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 2000 < 400, "a count for each number, and the number"


def test_example_file_says_what_is_so_without_it() -> None:
    example = load_debtors(EXAMPLE)
    hours = {"09:00-12:00": 0.7, "18:00-20:00": 1.6}
    assert example == Rates(hours=hours)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[dials]\nbusi = 0.1\n", ["dials.busi", "did you mean 'busy'?"]),
        ("[dials]\nbusy = 1.5\n", ["dials.busy", "1.5"]),
        ("[dials]\nbusy = 0.9\nno_answer = 0.9\n", ["dials", "come to 1.8"]),
        ('[hours]\n"9-12" = 1\n', ["9-12", "09:00-12:00"]),
        ('[hours]\n"12:00-09:00" = 1\n', ["12:00-09:00"]),
        ("[manners]\nrings = [5, 1]\n", ["manners.rings", "from 5 to 1"]),
        ('[[debtor]]\nnumber = "1"\ndoes = "promisses"\n', ["debtor[0].does", "'promises'"]),
        ('[[debtor]]\nnumber = "abc"\ndoes = "busy"\n', ["debtor[0].number", "'abc'"]),
        ('[[debtor]]\nnumber = "1"\ndoes = "busy"\n' * 2, ["debtor[1].number", "twice"]),
        ("spread = -1\n", ["spread"]),
    ],
)
def test_wrong_file_is_told_by_key_and_expectation(
    tmp_path: Path, text: str, told: Sequence[str]
) -> None:
    file = tmp_path / "debtors.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_debtors(file)
    assert len(caught.value.problems) == 1
    for part in (str(file), *told):
        assert part in str(caught.value)


def test_demo_card_has_a_debtor_behind_any_number(tmp_path: Path) -> None:
    demo = DemoCard(VirtualClock(NOON), channels=1)
    assert isinstance(demo.others, CalledDebtors)
    file = tmp_path / "mine.toml"
    file.write_text("spread = 0\n", encoding="utf-8")
    own = DemoCard(VirtualClock(NOON), channels=1, debtors=str(file))
    assert isinstance(own.others, CalledDebtors)
    assert own.others.population.rates == Rates(spread=0)
    with pytest.raises(CardError, match="no such file"):
        DemoCard(VirtualClock(NOON), channels=1, debtors=str(tmp_path / "none.toml"))


def test_card_tells_a_machine_from_a_person() -> None:
    made = call(Does.MACHINE)
    assert [event.name for event in made.events] == [T_LCON, T_MACHINE]
    made = call(Does.LISTENS)
    assert [event.name for event in made.events] == [T_LCON]


def test_machine_that_is_hung_up_on_in_time_is_not_told() -> None:
    clock = VirtualClock(NOON)
    card = SoftwareCard(clock, channels=1)
    channel = card.open_now()[0]
    card.parties[NUMBER] = outcome(Does.MACHINE, Manner(rings=0))
    events: list[str] = []
    channel.connect(lambda event: events.append(event.name))
    channel.dial(1, permit(), 60.0)
    clock.run_for(2.0)
    channel.on_hook(2)
    clock.run_for(20.0)
    assert events == [T_LCON, T_ONH]
    assert clock.pending == 0
