"""The contract of a card as a suite that every driver inherits.

A driver's tests subclass `CardContract` and give it a `Bench`: the card, a clock, and a real
far end that can call, key, hang up and be dialled. Each test is one sentence of `ivrd.card`.
What a far end cannot do is said by `Bench.number` returning None; that test is skipped.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ivrd.card import MAX_CHANNELS, Ability
from ivrd.commands import Utterance
from ivrd.errors import CardError
from ivrd.events import (
    T_BUSY,
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_NOANS,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    T_RING,
    T_RINGOFF,
    Event,
)
from tests.contract.card_bench import (
    DIAL_ANSWERS,
    Bench,
    FarEnd,
    Number,
    Orders,
    Wire,
    answers,
    assert_well_formed,
    tone,
)
from tests.permits import a_permit

BACK_S = 2.0
"""Within this a card notices that what it hangs on is there again."""


class CardContract:
    """Subclass this, and return a `Bench` from `make_bench`."""

    wires: list[Wire]

    def make_bench(self, tmp_path: Path) -> Bench:
        raise NotImplementedError

    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
        bench = self.make_bench(tmp_path)
        self.tmp_path = tmp_path
        self.ids = itertools.count(1)
        self.card = bench.make_card()
        self.wires = [Wire(channel, bench.now_s) for channel in await self.card.open()]
        yield bench
        await self.card.close()
        await self.card.close()
        # The runner of the tests may tear a fixture down in a task of its own.
        left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        assert not left, "tasks left over"
        assert set(threading.enumerate()) <= threads, "threads left over"
        for wire in self.wires:
            assert_well_formed(wire.events)

    # Steps that tests share -------------------------------------------------------------

    def speech(self, *lengths_s: float) -> list[Utterance]:
        """Return one sentence for each length, each of one audio file."""
        return [tone(self.tmp_path, length_s) for length_s in lengths_s]

    async def wait(self, bench: Bench, wire: Wire, name: str, within_s: float = 5.0) -> Event:
        seen = len(wire.named(name))
        assert await bench.until(lambda: len(wire.named(name)) > seen, within_s), (
            f"no {name} within {within_s} s; got {wire.events}"
        )
        return wire.named(name)[seen]

    async def answer(
        self, bench: Bench, caller: str = "88610001", called: str = "170"
    ) -> tuple[Wire, FarEnd]:
        """Let a telephone call and be answered, on the first channel."""
        far = await bench.call(self.card, caller, called)
        wire = self.wires[0]
        assert await bench.until(lambda: bool(wire.named(T_RING)), 5.0), "no ring"
        wire.channel.off_hook(next(self.ids))
        assert await bench.until(lambda: bool(wire.named(T_OFFH)), 5.0), "not off hook"
        return wire, far

    async def go_on_hook(self, bench: Bench, wire: Wire) -> int:
        id_ = next(self.ids)
        wire.channel.on_hook(id_)
        assert await bench.until(lambda: bool(answers(wire, T_ONH, id_)), 5.0), wire.events
        return id_

    async def dial(self, bench: Bench, number: str, timeout_s: float) -> tuple[int, Event]:
        """Dial and return the id and the answer."""
        wire, id_ = self.wires[0], next(self.ids)
        permit = a_permit(number, "01012345678", "attempt")
        wire.channel.dial(id_, permit, timeout_s)
        found = await bench.until(lambda: bool(wire.named(*DIAL_ANSWERS)), timeout_s + 1)
        assert found, f"the dial got no answer: {wire.events}"
        return id_, wire.named(*DIAL_ANSWERS)[0]

    # The card ---------------------------------------------------------------------------

    async def test_channels_are_numbered_from_1_and_at_most_32(self, bench: Bench) -> None:
        numbers = [wire.channel.number for wire in self.wires]
        assert numbers == list(range(1, bench.channels + 1))
        assert len(numbers) <= MAX_CHANNELS

    async def test_abilities_are_of_the_contract_and_do_not_change(self, bench: Bench) -> None:
        before = [wire.channel.abilities for wire in self.wires]
        assert all(isinstance(ability, Ability) for found in before for ability in found)
        await self.answer(bench)
        assert [wire.channel.abilities for wire in self.wires] == before

    async def test_a_wrong_option_raises_card_error_with_its_name(self, bench: Bench) -> None:
        with pytest.raises(CardError) as error:
            bench.make_wrong_card()
        assert bench.wrong_option in str(error.value)
        assert "expected" in str(error.value)

    async def test_close_ends_all_calls_and_is_safe_to_repeat(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(next(self.ids), self.speech(2.0))
        await self.card.close()
        await self.card.close()
        assert await bench.until(lambda: far.over, 5.0)

    async def test_a_closed_card_sends_nothing_and_its_channels_take_orders_in_peace(
        self, bench: Bench
    ) -> None:
        wire, _ = await self.answer(bench)
        await self.card.close()
        sent = len(wire.events)
        wire.channel.play(next(self.ids), self.speech(0.1))
        wire.channel.on_hook(next(self.ids))
        await bench.pass_s(0.5)
        assert len(wire.events) == sent

    async def test_a_card_opens_again_after_close(self, bench: Bench) -> None:
        await self.card.close()
        self.wires = [Wire(channel, bench.now_s) for channel in await self.card.open()]
        wire, _ = await self.answer(bench)
        await self.go_on_hook(bench, wire)

    async def test_every_order_returns_at_once(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        channel, before_s = wire.channel, bench.now_s()
        channel.play(next(self.ids), self.speech(1.0, 1.0))
        channel.stop(99)
        channel.on_hook(next(self.ids))
        channel.dial(next(self.ids), a_permit("1", "2", "a"), 1.0)
        assert bench.now_s() - before_s <= max(0.05, bench.slack_s)

    async def test_voice_files_that_can_be_played_are_prepared(self, bench: Bench) -> None:
        await self.card.prepare(self.speech(0.1)[0].prompts)
        wire, _ = await self.answer(bench)
        wire.channel.play(7, self.speech(0.1))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), 2.0)
        assert wire.named(T_EOF)[0].data["whole"] is True

    @pytest.mark.usefixtures("bench")
    async def test_every_voice_file_that_cannot_be_played_is_named(self) -> None:
        good = self.speech(0.1)[0].prompts[0]
        missing = replace(good, path=self.tmp_path / "missing.wav")
        no_sound = replace(good, path=self.tmp_path / "no_sound.wav")
        no_sound.path.write_bytes(b"no sound")
        with pytest.raises(CardError) as error:
            await self.card.prepare([missing, good, no_sound])
        assert "missing.wav" in str(error.value)
        assert "no_sound.wav" in str(error.value)
        assert good.path.name not in str(error.value)

    # When the card goes away ------------------------------------------------------------

    async def unplug(self, bench: Bench) -> None:
        if not await bench.unplug(self.card):
            pytest.skip("this card cannot be made to go away")

    async def test_a_card_that_goes_away_says_so_once_on_every_channel(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(2.0))
        await bench.pass_s(0.1)
        await self.unplug(bench)
        assert await bench.until(lambda: all(w.named(T_LC) for w in self.wires), 10.0)
        await bench.pass_s(0.5)
        assert [len(w.named(T_LC)) for w in self.wires] == [1] * len(self.wires)
        assert wire.events[-1].name == T_LC, "T_LC takes the place of every answer still due"
        assert not wire.named(T_EOF)
        assert await bench.until(lambda: far.over, 10.0)

    async def test_on_hook_that_finds_the_card_away_is_answered_once_it_is_back(
        self, bench: Bench
    ) -> None:
        wire, _ = await self.answer(bench)
        await self.unplug(bench)
        assert await bench.until(lambda: bool(wire.named(T_LC)), 10.0)
        for each in self.wires:
            each.channel.on_hook(7)
            each.channel.on_hook(8)
        await bench.pass_s(0.3)
        assert not any(w.named(T_ONH) for w in self.wires)
        await bench.plug_in(self.card)
        # the last order is answered, in a call or not, with no further one
        assert await bench.until(lambda: all(w.named(T_ONH) for w in self.wires), BACK_S)
        assert [[e.id for e in w.named(T_ONH)] for w in self.wires] == [[8]] * len(self.wires)
        wire.channel.on_hook(9)
        assert await bench.until(lambda: bool(answers(wire, T_ONH, 9)), 1.0)
        rings = len(wire.named(T_RING))
        await bench.call(self.card, "88610002", "170")
        assert await bench.until(lambda: len(wire.named(T_RING)) > rings, 5.0)

    # Incoming ---------------------------------------------------------------------------

    async def test_a_ring_carries_caller_and_called(self, bench: Bench) -> None:
        await bench.call(self.card, "88610001", "170")
        ring = await self.wait(bench, self.wires[0], T_RING)
        assert ring.data["caller"] == "88610001"
        assert ring.data["called"] == "170"
        assert ring.id is None

    async def test_a_ring_comes_for_every_ring(self, bench: Bench) -> None:
        wire = self.wires[0]
        await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: len(wire.named(T_RING)) == 3, 3 * bench.ring_period_s)
        times = [at_s for at_s, event in wire.sent if event.name == T_RING]
        for earlier_s, later_s in itertools.pairwise(times):
            gap_s = later_s - earlier_s
            assert gap_s == pytest.approx(bench.ring_period_s, abs=bench.slack_s + 1e-6)

    async def test_no_ring_comes_after_off_hook(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        rings = len(wire.named(T_RING))
        await bench.pass_s(1.5 * bench.ring_period_s)
        assert len(wire.named(T_RING)) == rings

    async def test_ringing_stops_with_ringoff_when_the_caller_gives_up(self, bench: Bench) -> None:
        wire = self.wires[0]
        far = await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: bool(wire.named(T_RING)), 5.0)
        await far.hang_up()
        assert await bench.until(lambda: bool(wire.named(T_RINGOFF)), 5.0)
        rings = len(wire.named(T_RING))
        await bench.pass_s(1.5 * bench.ring_period_s)
        assert len(wire.named(T_RING)) == rings
        assert not wire.named(T_LCTERM)

    async def test_off_hook_is_answered_with_its_id(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        assert [event.id for event in wire.named(T_OFFH)] == [1]

    async def test_keys_come_one_by_one_in_their_order(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        await far.keys("1234567890*#")
        assert await bench.until(lambda: len(wire.named(T_DIGIT)) == 12, 10.0), wire.events
        assert "".join(str(e.data["key"]) for e in wire.named(T_DIGIT)) == "1234567890*#"

    async def test_a_caller_for_whom_no_channel_is_free_gets_busy(self, bench: Bench) -> None:
        for _ in self.wires:
            await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: all(w.named(T_RING) for w in self.wires), 5.0)
        late = await bench.call(self.card, "88610009", "170")
        assert await bench.until(lambda: late.over, 5.0)
        assert late.busy

    async def test_two_calls_at_once_have_a_channel_each(self, bench: Bench) -> None:
        first = await bench.call(self.card, "88610001", "170")
        await bench.call(self.card, "88610002", "170")
        assert await bench.until(lambda: all(w.named(T_RING) for w in self.wires[:2]), 5.0)
        for wire in self.wires[:2]:
            wire.channel.off_hook(next(self.ids))
        assert await bench.until(lambda: all(w.named(T_OFFH) for w in self.wires[:2]), 5.0)
        await first.keys("5")
        assert await bench.until(lambda: bool(self.wires[0].named(T_DIGIT)), 5.0)
        assert not self.wires[1].named(T_DIGIT)

    # Playing ----------------------------------------------------------------------------

    async def test_a_play_ends_after_its_last_prompt_with_all_heard(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        speech = self.speech(0.2, 0.3, 0.1)
        began_s, id_ = bench.now_s(), next(self.ids)
        wire.channel.play(id_, speech)
        eof = await self.wait(bench, wire, T_EOF)
        assert eof.id == id_
        assert eof.data["whole"] is True
        assert eof.data["heard_s"] == pytest.approx(0.6, abs=bench.slack_s + 1e-6)
        assert wire.at_s(eof) - began_s == pytest.approx(0.6, abs=bench.slack_s + 1e-6)
        assert far.heard_s == pytest.approx(0.6, abs=bench.slack_s + 1e-6)

    async def test_a_play_of_nothing_ends_too(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        wire.channel.play(7, [])
        assert await bench.until(lambda: len(answers(wire, T_EOF, 7)) == 1, 1.0)
        assert wire.named(T_EOF)[0].data["heard_s"] == 0

    async def test_stop_ends_the_play_with_how_much_was_heard(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(1.0, 1.0))
        await bench.pass_s(0.5)
        wire.channel.stop(7)
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), 1.0)
        assert wire.named(T_EOF)[0].data["heard_s"] == pytest.approx(0.5, abs=bench.slack_s + 1e-4)
        assert wire.named(T_EOF)[0].data["whole"] is False
        await bench.pass_s(0.3)
        assert far.heard_s == pytest.approx(0.5, abs=bench.slack_s + 1e-4)
        assert len(wire.named(T_EOF)) == 1

    async def test_stop_of_a_play_that_ended_or_never_was_does_nothing(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        wire.channel.stop(5)
        wire.channel.play(7, self.speech(0.1))
        await self.wait(bench, wire, T_EOF)
        wire.channel.play(8, self.speech(0.3))
        wire.channel.stop(7)
        await bench.pass_s(0.1)
        assert not answers(wire, T_EOF, 8)
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 8)), 2.0)
        assert len(wire.named(T_EOF)) == 2

    async def test_a_second_play_replaces_the_first(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(1.0))
        await bench.pass_s(0.25)
        wire.channel.play(8, self.speech(0.2))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 8)), 3.0)
        first, second = wire.named(T_EOF)
        assert (first.id, second.id) == (7, 8)
        assert (first.data["whole"], second.data["whole"]) == (False, True)
        assert first.data["heard_s"] == pytest.approx(0.25, abs=bench.slack_s + 1e-4)
        assert second.data["heard_s"] == pytest.approx(0.2, abs=bench.slack_s + 1e-4)
        assert far.heard_s == pytest.approx(0.45, abs=2 * bench.slack_s + 1e-4)

    async def test_a_play_with_no_call_ends_at_once_with_nothing_heard(self, bench: Bench) -> None:
        wire = self.wires[0]
        wire.channel.play(7, self.speech(1.0))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), bench.slack_s)
        assert wire.named(T_EOF)[0].data["heard_s"] == 0

    async def test_a_play_while_it_rings_is_heard_by_nobody(self, bench: Bench) -> None:
        wire = self.wires[0]
        far = await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: bool(wire.named(T_RING)), 5.0)
        wire.channel.play(7, self.speech(1.0))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), bench.slack_s)
        assert (wire.named(T_EOF)[0].data["heard_s"], far.heard_s) == (0, 0)

    async def test_a_play_after_the_far_end_hung_up_ends_at_once(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        await far.hang_up()
        assert await bench.until(lambda: bool(wire.named(T_LCTERM)), 5.0)
        wire.channel.play(7, self.speech(1.0))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), bench.slack_s)
        assert wire.named(T_EOF)[0].data["heard_s"] == 0

    async def test_keys_do_not_stop_a_play_by_themselves(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(0.5))
        await bench.pass_s(0.1)
        await far.keys("1")
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 7)), 2.0)
        assert wire.named(T_EOF)[0].data["heard_s"] == pytest.approx(0.5, abs=bench.slack_s)

    # The end of a call ------------------------------------------------------------------

    async def test_the_far_ends_hang_up_comes_before_the_end_of_the_play_it_cut(
        self, bench: Bench
    ) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(2.0))
        await bench.pass_s(0.25)
        await far.hang_up()
        assert await bench.until(lambda: bool(wire.named(T_EOF)), 5.0)
        assert [e.name for e in wire.named(T_LCTERM, T_EOF)] == [T_LCTERM, T_EOF]
        assert wire.named(T_EOF)[0].data["heard_s"] == pytest.approx(0.25, abs=bench.slack_s + 1e-4)

    async def test_on_hook_ends_the_call_for_the_far_end(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        id_ = await self.go_on_hook(bench, wire)
        assert [event.id for event in wire.named(T_ONH)] == [id_]
        assert await bench.until(lambda: far.over, 5.0)
        assert not wire.named(T_LCTERM)

    async def test_on_hook_is_the_last_event_of_a_call(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        wire.channel.play(7, self.speech(2.0))
        await bench.pass_s(0.1)
        wire.channel.on_hook(8)
        await far.keys("12")
        await far.hang_up()
        await bench.pass_s(1.0)
        assert wire.events[-1].name == T_ONH
        assert [e.name for e in wire.named(T_EOF, T_ONH)] == [T_EOF, T_ONH]

    async def test_on_hook_of_an_idle_channel_is_answered_at_once(self, bench: Bench) -> None:
        wire = self.wires[0]
        wire.channel.on_hook(7)
        assert await bench.until(lambda: bool(answers(wire, T_ONH, 7)), bench.slack_s)

    async def test_on_hook_is_safe_to_repeat_and_each_is_answered_once(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        for id_ in (7, 8, 9):
            wire.channel.on_hook(id_)
        assert await bench.until(lambda: len(wire.named(T_ONH)) >= 3, 5.0)
        await bench.pass_s(0.2)
        assert sorted(e.id for e in wire.named(T_ONH) if e.id is not None) == [7, 8, 9]

    async def test_on_hook_while_ringing_refuses_the_call_as_busy(self, bench: Bench) -> None:
        wire = self.wires[0]
        far = await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: bool(wire.named(T_RING)), 5.0)
        await self.go_on_hook(bench, wire)
        assert await bench.until(lambda: far.over, 5.0)
        assert far.busy
        assert not wire.named(T_RINGOFF)

    async def test_after_on_hook_the_channel_takes_the_next_call(self, bench: Bench) -> None:
        wire, _ = await self.answer(bench)
        await self.go_on_hook(bench, wire)
        rings = len(wire.named(T_RING))
        await bench.call(self.card, "88610002", "170")
        assert await bench.until(lambda: len(wire.named(T_RING)) > rings, 5.0)
        assert wire.named(T_RING)[-1].data["caller"] == "88610002"

    async def test_a_channel_is_not_free_before_it_is_on_hook(self, bench: Bench) -> None:
        wire, far = await self.answer(bench)
        await far.hang_up()
        assert await bench.until(lambda: bool(wire.named(T_LCTERM)), 5.0)
        sent = len(wire.events)
        await bench.call(self.card, "88610002", "170")
        assert await bench.until(lambda: bool(self.wires[1].named(T_RING)), 5.0)
        assert len(wire.events) == sent

    # Outgoing ---------------------------------------------------------------------------

    async def number(self, bench: Bench, behaviour: Number) -> str:
        if Ability.DIAL not in self.wires[0].channel.abilities:
            pytest.skip("this card does not dial")
        number = await bench.number(self.card, behaviour)
        if number is None:
            pytest.skip(f"this far end has no number that is {behaviour.value}")
        return number

    async def test_a_dial_that_is_answered_gives_loop_signal(self, bench: Bench) -> None:
        number = await self.number(bench, Number.ANSWERS)
        id_, answer = await self.dial(bench, number, 20.0)
        assert (answer.name, answer.id) == (T_LCON, id_)
        self.wires[0].channel.play(99, self.speech(0.2))
        assert await bench.until(lambda: bool(answers(self.wires[0], T_EOF, 99)), 2.0)
        assert bench.dialled().heard_s == pytest.approx(0.2, abs=bench.slack_s + 1e-4)

    async def test_a_called_party_that_hangs_up_breaks_the_loop(self, bench: Bench) -> None:
        await self.dial(bench, await self.number(bench, Number.ANSWERS), 20.0)
        await bench.dialled().keys("9")
        await bench.dialled().hang_up()
        assert await bench.until(lambda: bool(self.wires[0].named(T_LCTERM)), 5.0)
        assert self.wires[0].named(T_DIGIT)

    async def test_a_busy_number_is_told_as_busy(self, bench: Bench) -> None:
        id_, answer = await self.dial(bench, await self.number(bench, Number.BUSY), 20.0)
        assert (answer.name, answer.id) == (T_BUSY, id_)

    async def test_an_unallocated_number_is_refused_with_the_reason(self, bench: Bench) -> None:
        id_, answer = await self.dial(bench, await self.number(bench, Number.UNALLOCATED), 20.0)
        assert (answer.name, answer.id) == (T_REFUSED, id_)
        assert answer.data["reason"] == "unallocated"

    async def test_no_answer_comes_at_the_latest_after_the_time_given(self, bench: Bench) -> None:
        number = await self.number(bench, Number.RINGS)
        timeout_s, began_s = bench.ring_period_s + 1.5, bench.now_s()
        id_, answer = await self.dial(bench, number, timeout_s)
        assert (answer.name, answer.id) == (T_NOANS, id_)
        assert answer.data["rang"] is True
        assert self.wires[0].at_s(answer) - began_s <= timeout_s + bench.slack_s + 1e-6
        assert await bench.until(lambda: bench.dialled().over, 5.0)

    async def test_a_dial_gives_up_on_hook_and_nothing_follows(self, bench: Bench) -> None:
        wire = self.wires[0]
        number = await self.number(bench, Number.ANSWERS)
        wire.channel.dial(7, a_permit(number, "01012345678", "attempt"), 20.0)
        await bench.pass_s(0.1)
        await self.go_on_hook(bench, wire)
        await bench.pass_s(3 * bench.ring_period_s + 0.5)
        assert wire.events[-1].name == T_ONH
        assert not wire.named(T_LCON)

    async def test_a_dial_on_a_channel_in_a_call_is_a_fault_of_ours(self, bench: Bench) -> None:
        number = await self.number(bench, Number.ANSWERS)
        wire, far = await self.answer(bench)
        wire.channel.dial(7, a_permit(number, "01012345678", "attempt"), 20.0)
        assert await bench.until(lambda: bool(answers(wire, T_FAULT, 7)), 5.0)
        assert not far.over
        wire.channel.play(8, self.speech(0.1))
        assert await bench.until(lambda: bool(answers(wire, T_EOF, 8)), 2.0)
        assert wire.named(T_EOF)[-1].data["heard_s"] > 0  # type: ignore[operator] # a float here

    async def test_a_dial_on_a_channel_that_rings_is_a_fault_of_ours(self, bench: Bench) -> None:
        number = await self.number(bench, Number.ANSWERS)
        wire = self.wires[0]
        far = await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: bool(wire.named(T_RING)), 5.0)
        wire.channel.dial(7, a_permit(number, "01012345678", "attempt"), 20.0)
        assert await bench.until(lambda: bool(answers(wire, T_FAULT, 7)), bench.slack_s)
        assert not far.over
        wire.channel.off_hook(8)
        assert await bench.until(lambda: bool(answers(wire, T_OFFH, 8)), 5.0)

    async def test_no_caller_is_put_on_a_channel_that_dialled_before_it_is_on_hook(
        self, bench: Bench
    ) -> None:
        await self.dial(bench, await self.number(bench, Number.BUSY), 20.0)
        await bench.call(self.card, "88610002", "170")
        assert await bench.until(lambda: bool(self.wires[1].named(T_RING)), 5.0)
        assert not self.wires[0].named(T_RING)

    async def test_after_a_failed_dial_the_channel_goes_on_hook_and_dials_again(
        self, bench: Bench
    ) -> None:
        number = await self.number(bench, Number.BUSY)
        await self.dial(bench, number, 20.0)
        await self.go_on_hook(bench, self.wires[0])
        self.wires[0].sent.clear()
        id_, answer = await self.dial(bench, number, 20.0)
        assert (answer.name, answer.id) == (T_BUSY, id_)

    # Anything, in any order -------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    async def test_orders_in_any_order_are_each_answered_once(
        self, bench: Bench, seed: int
    ) -> None:
        rng = random.Random(seed)
        numbers = [await bench.number(self.card, behaviour) for behaviour in Number]
        orders = Orders(self.wires[0], self.speech(0.05, 0.3), [n for n in numbers if n])
        far_ends: list[FarEnd] = []
        for _ in range(25):
            match rng.randrange(8):
                case 0:
                    far_ends.append(await bench.call(self.card, "88610001", "170"))
                case 1 if far_ends:
                    await rng.choice(far_ends).hang_up()
                case 2 if far_ends:
                    await rng.choice(far_ends).keys("1")
                case _:
                    orders.give(rng)
            await bench.pass_s(rng.choice([0.0, 0.01, 0.1]))
        orders.on_hook()
        await bench.pass_s(0.5)
        orders.check()
