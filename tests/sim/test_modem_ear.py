"""What the far end of an emulated modem understands of ivrd's own voice files."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modem.samples import Coding
from ivrd.cli.modem import vocabulary
from ivrd.commands import Prompt
from ivrd.resources import PROMPTS
from sim.modem_ear import Ear, Vocabulary
from sim.modem_tape import Tape

FILES, BEGINS = vocabulary(PROMPTS)
KNOWN = Vocabulary(FILES, Coding.UNSIGNED_8, begins=BEGINS)
MANDARIN = [prompt for prompt in FILES if prompt.path.parent.parent.name == "zh-CN"]
SPOKEN = [prompt for prompt in MANDARIN if prompt.text]
PAUSES = [prompt for prompt in MANDARIN if not prompt.text]


def heard(stream: bytes, piece: int) -> Ear:
    """Return an ear that has heard a stream, so many samples at a time."""
    ear = Ear(KNOWN)
    for start in range(0, len(stream), piece):
        ear.hear(stream[start : start + piece])
    ear.end()
    return ear


def texts(prompts: Sequence[Prompt]) -> list[str]:
    """Return what is said: two files that sound alike say the same."""
    return [prompt.text for prompt in prompts if prompt.text]


@given(
    st.lists(st.tuples(st.sampled_from(SPOKEN), st.sampled_from([None, *PAUSES])), max_size=12),
    st.sampled_from([37, 160, 800, 5000]),
)
def test_any_row_of_voice_files_is_heard_word_by_word(
    row: list[tuple[Prompt, Prompt | None]], piece: int
) -> None:
    said = [prompt for pair in row for prompt in pair if prompt]
    ear = heard(b"".join(map(KNOWN.coded, said)), piece)
    assert texts([one.prompt for one in ear.found]) == texts(said)
    assert ear.unknown == 0
    assert all(one.whole for one in ear.found)


def test_the_same_file_again_and_again_behind_a_pause_is_heard_as_often() -> None:
    by_id = {prompt.id: prompt for prompt in MANDARIN}
    said = [by_id[name] for name in (*["d_8"] * 4, "pause_short", *["d_9"] * 4, "pause_short")]
    ear = heard(b"".join(map(KNOWN.coded, said)), 160)
    assert texts([one.prompt for one in ear.found]) == ["八"] * 4 + ["九"] * 4


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_is_heard_as_far_as_it_came(share: float) -> None:
    by_id = {prompt.id: prompt for prompt in MANDARIN}
    samples = KNOWN.coded(by_id["enter_month"])
    kept = round(len(samples) * share)
    ear = heard(KNOWN.coded(by_id["welcome"]) + samples[:kept], 160)
    first, cut = ear.found
    assert (first.prompt.id, first.whole) == ("welcome", True)
    assert (cut.prompt.id, cut.samples, cut.whole) == ("enter_month", kept, False)


def test_a_tape_keeps_each_sample_at_its_time() -> None:
    tape = Tape(Coding.UNSIGNED_8, 10.0)
    tape.hear(b"\x81" * 160, 11.0)
    tape.hear(b"\x82" * 160, 11.3)  # later than it should be: the same stream goes on
    tape.pause()
    tape.hear(b"\x83" * 160, 12.0)
    with tempfile.TemporaryDirectory() as folder:
        tape.write_wav(Path(folder) / "heard.wav")
        with wave.open(str(Path(folder) / "heard.wav"), "rb") as file:
            pcm = file.readframes(file.getnframes())
    upper = pcm[1::2]
    assert tape.samples == 2 * 8000
    assert upper.index(b"\x01") == 8000 - 160
    assert upper.index(b"\x02") == 8000
    assert upper.index(b"\x03") == 16000 - 160
