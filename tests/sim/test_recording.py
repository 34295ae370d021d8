"""What a far end heard, to the sample."""

from __future__ import annotations

import gc
import random
import wave
import weakref
from itertools import pairwise
from pathlib import Path

import pytest

from ivrd.commands import Prompt, Utterance
from ivrd.errors import PromptError
from ivrd.events import T_EOF, Event
from sim.party import Leg, Party
from tests.sim.echo_line import Rig


def frames(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return file.readframes(file.getnframes())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def talking_leg(rig: Rig) -> Leg:
    leg = rig.card.call("1", "2", Party())
    assert leg is not None
    # The rig's line answers, and speaks; these tests speak themselves.
    rig.card.channels[0].connect(lambda _: None)
    rig.clock.run_for(0.02)
    return leg


def test_plays_and_silences_are_in_their_true_places(rig: Rig, tmp_path: Path) -> None:
    leg, clock, channel = talking_leg(rig), rig.clock, rig.card.channels[0]
    one, two, three = rig.voice.prompt(8000), rig.voice.prompt(333), rig.voice.prompt(4001)
    clock.run_for(0.25)
    channel.play(1, [Utterance("a", "zh-CN", (one, two)), Utterance("b", "zh-CN", (three,))])
    clock.run_for(1.25)  # 10,000 samples: all of the first two prompts and 1,667 of the third
    channel.stop(1)
    clock.run_for(0.5)
    channel.play(2, [Utterance("c", "zh-CN", (two,))])
    clock.run_for(1.0)
    leg.hang_up()
    clock.run_for(9)  # what comes after the end is not heard

    leg.write_wav(tmp_path / "heard.wav")
    quiet = b"\0\0"
    expected = b"".join(
        (
            quiet * 2000,
            frames(one.path),
            frames(two.path),
            frames(three.path)[: 2 * 1667],
            quiet * 4000,
            frames(two.path),
            quiet * (8000 - 333),
        )
    )
    assert frames(tmp_path / "heard.wav") == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_sound_is_that_of_every_play_up_to_the_sample_where_the_next_cut_it(
    rig: Rig, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    clock, channel, leg = rig.clock, rig.card.channels[0], talking_leg(rig)
    eofs: dict[int | None, Event] = {}
    channel.connect(lambda event: eofs.update({event.id: event}))
    prompts = [rig.voice.prompt(rng.randrange(1, 3000)) for _ in range(6)]
    zero_s = clock.monotonic()
    began: list[tuple[int, bytes]] = []
    for id_ in range(1, 15):
        spoken = rng.choices(prompts, k=rng.randrange(1, 4))
        sound = b"".join(frames(prompt.path) for prompt in spoken)
        began.append((int((clock.monotonic() - zero_s) * 8000 + 0.5), sound))
        channel.play(id_, [Utterance("s", "zh-CN", (prompt,)) for prompt in spoken])
        clock.run_for(rng.random())
    leg.hang_up()
    leg.write_wav(tmp_path / "heard.wav")

    end = int((clock.monotonic() - zero_s) * 8000 + 0.5)
    expected = bytearray()
    for id_, ((at, sound), (until, _)) in enumerate(pairwise([*began, (end, b"")]), start=1):
        assert len(expected) == 2 * at
        expected += sound[: 2 * (until - at)].ljust(2 * (until - at), b"\0")
        samples = min(len(sound) // 2, until - at)
        assert eofs[id_].name == T_EOF
        assert eofs[id_].data["heard_s"] == samples / 8000
    assert frames(tmp_path / "heard.wav") == bytes(expected)


def test_a_leg_that_was_never_answered_heard_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.card.channels[0].connect(lambda _: None)
    leg = rig.card.call("1", "2", Party())
    assert leg is not None
    rig.clock.run_for(3)
    leg.hang_up()
    leg.write_wav(tmp_path / "heard.wav")
    assert frames(tmp_path / "heard.wav") == b""


def test_a_replaced_play_is_heard_up_to_the_moment_of_the_next(rig: Rig, tmp_path: Path) -> None:
    leg, clock, channel = talking_leg(rig), rig.clock, rig.card.channels[0]
    one, two = rig.voice.prompt(8000), rig.voice.prompt(800)
    channel.play(1, [Utterance("a", "zh-CN", (one,))])
    clock.run_for(0.5)
    channel.play(2, [Utterance("b", "zh-CN", (two,))])
    clock.run_for(0.1)
    leg.hang_up()
    leg.write_wav(tmp_path / "heard.wav")
    assert frames(tmp_path / "heard.wav") == frames(one.path)[:8000] + frames(two.path)


def test_a_prompt_file_that_changed_its_length_is_named(rig: Rig, tmp_path: Path) -> None:
    leg, clock, channel = talking_leg(rig), rig.clock, rig.card.channels[0]
    good = rig.voice.prompt(800)
    channel.play(1, [Utterance("a", "zh-CN", (Prompt("p", "", good.path, 900),))])
    clock.run_for(1)
    with pytest.raises(PromptError, match=r"voice_1\.wav: 800 samples; expected 900 samples"):
        leg.write_wav(tmp_path / "heard.wav")
    good.path.write_bytes(b"no sound")
    with pytest.raises(PromptError, match="cannot be read"):
        leg.write_wav(tmp_path / "heard.wav")


def test_a_call_remembers_one_entry_for_each_play_and_no_audio(rig: Rig) -> None:
    leg = rig.card.call("1", "2", Party())
    assert leg is not None
    rig.clock.run_for(1)
    for key in "1#2#3#":
        leg.key(key)
        rig.clock.run_for(1)
    assert len(leg.plays) == 4
    assert rig.lines[0].names.count(T_EOF) == 3


def test_the_card_keeps_nothing_of_a_call_that_is_over(rig: Rig) -> None:
    rig.card.channels[0].connect(lambda _: None)
    leg = talking_leg(rig)
    rig.card.channels[0].play(1, [rig.voice("welcome", 1.0)])
    rig.clock.run_for(0.5)
    leg.hang_up()
    rig.card.channels[0].on_hook(2)
    rig.clock.run_for(1)
    gone = weakref.ref(leg.party)
    del leg
    gc.collect()
    assert gone() is None
