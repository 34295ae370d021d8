"""The byte protocol of voice modems: whatever comes, however it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modem.caller_id import CallerIdError, Message, build_message, parse_message
from drivers.modem.encoder import Encoder
from drivers.modem.profile import load_profile, profile_names
from drivers.modem.protocol import (
    CODES,
    LONGEST_LINE,
    Audio,
    CallerId,
    Code,
    Decoder,
    EndOfAudio,
    Heard,
    Key,
    KeyReleased,
    Noise,
    Report,
    Result,
    Ring,
    Text,
    UnknownCode,
    Word,
)
from drivers.modem.samples import Coding, from_modem, to_modem
from ivrd.errors import CardError

OK = b"\r\nOK\r\n"
BLOCK = b"\r\nDATE = 1122\r\n\r\nTIME = 0351\r\n\r\nNMBR = 13900001111\r\n"


def heard(*pieces: bytes, recording: bool = False) -> list[Heard]:
    decoder = Decoder()
    if recording:
        decoder.record_next()
    return joined([event for piece in pieces for event in decoder.feed(piece)])


def joined(events: Sequence[Heard]) -> list[Heard]:
    """Return the events with samples that follow each other in one piece."""
    out: list[Heard] = []
    for event in events:
        if isinstance(event, Audio) and out and isinstance(out[-1], Audio):
            out[-1] = Audio(out[-1].samples + event.samples)
        else:
            out.append(event)
    return out


# How it is cut does not matter ----------------------------------------------------------------

LIKELY = st.sampled_from(
    [
        OK, BLOCK, b"\r\nRING\r\n", b"\r\nCONNECT\r\n", b"\r\nVCON\r\n", b"NAME = A B\r\n",
        b"\r\nMESG = 80 00 80\r\n", b"\x10", b"\x10\x10", b"\x10\x1a", b"\x10\x03", b"\x10/\x105",
        b"\x105", b"\x10~", b"\x10X", b"\x10.", b"\x10R", b"\x10u", b"\r", b"\n", b"\x80\x7f",
    ]
)  # fmt: skip
STREAMS = st.lists(LIKELY | st.binary(max_size=6), max_size=25).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_any_cut_of_any_stream_gives_the_same_events(
    stream: bytes, cuts: list[int], recording: bool
) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    whole = heard(stream, recording=recording)
    assert heard(*pieces, recording=recording) == whole
    assert heard(*(bytes((byte,)) for byte in stream), recording=recording) == whole


@given(st.binary(max_size=400), st.booleans())
def test_garbage_raises_nothing_and_the_next_result_is_understood(
    garbage: bytes, recording: bool
) -> None:
    decoder = Decoder()
    if recording:
        decoder.record_next()
    decoder.feed(garbage)
    # out of any half code, any recording, any line
    decoder.feed(b"\x10\x03\x10\x03\r\n")
    assert decoder.feed(OK) == [Result(Word.OK)]


@given(st.binary(max_size=300))
def test_samples_come_back_as_they_were_shielded(samples: bytes) -> None:
    shielded = Encoder(load_profile("generic-v253")).samples(samples)
    stream = b"\r\nCONNECT\r\n" + shielded + b"\x10\x03\r\nVCON\r\n"
    audio: list[Heard] = [Audio(samples)] if samples else []
    assert heard(stream, recording=True) == [
        Result(Word.CONNECT), *audio, EndOfAudio(), Result(Word.VCON)
    ]  # fmt: skip


# Lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", Word)
def test_each_result_code_is_known(word: Word) -> None:
    assert heard(f"\r\n{word.value}\r\n".encode()) == [Result(word)]


def test_a_rate_after_connect_is_kept() -> None:
    assert heard(b"\r\nCONNECT 57600\r\n") == [Result(Word.CONNECT, "57600")]


def test_other_lines_are_text_and_bytes_that_are_none_are_noise() -> None:
    assert heard(b"\r\nUSR5637\r\n\xff\xfeOK\r\n" + OK) == [
        Text("USR5637"), Noise(b"\xff\xfeOK", "not text"), Result(Word.OK)
    ]  # fmt: skip


def test_a_line_without_end_is_noise_and_not_kept() -> None:
    events = heard(b"x" * (3 * LONGEST_LINE) + b"y\r\n" + OK)
    assert all(isinstance(event, Noise) for event in events[:-1])
    assert events[-1] == Result(Word.OK)


def test_a_code_within_a_line_takes_nothing_from_it() -> None:
    assert heard(b"\r\nO\x10bK\r\n") == [Report(Code.BUSY, "b"), Result(Word.OK)]


def test_an_error_in_place_of_connect_ends_the_wait_for_samples() -> None:
    assert heard(b"\r\nERROR\r\n", b"\r\nCONNECT\r\n", OK, recording=True) == [
        Result(Word.ERROR), Result(Word.CONNECT), Result(Word.OK)
    ]  # fmt: skip


# Codes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("byte", "code"), CODES.items())
def test_each_event_code_is_told_in_text_and_among_samples(byte: str, code: Code) -> None:
    coded = b"\x10" + byte.encode()
    assert heard(coded) == [Report(code, byte)]
    assert heard(b"\r\nCONNECT\r\na" + coded + b"b", recording=True)[1:] == [
        Audio(b"a"), Report(code, byte), Audio(b"b")
    ]  # fmt: skip


def test_a_ring_is_the_same_as_line_and_as_code() -> None:
    assert heard(b"\r\nRING\r\n\x10R") == [Ring(), Ring()]


def test_a_byte_without_meaning_after_dle_is_told() -> None:
    assert heard(b"\x10\xff\x10Z") == [UnknownCode(0xFF), UnknownCode(ord("Z"))]


def test_a_held_key_counts_once_and_two_presses_twice() -> None:
    held = b"\x10/" + b"\x105" * 7 + b"\x10~"
    assert heard(held * 2) == [Key("5"), KeyReleased()] * 2


def test_keys_without_shields_count_each() -> None:
    assert heard(b"\x105\x105\x10#") == [Key("5"), Key("5"), Key("#")]


def test_a_lost_end_of_a_shield_hides_no_other_key() -> None:
    assert heard(b"\x10/\x105\x105\x10/\x105\x10~") == [Key("5"), KeyReleased()] * 2
    assert heard(b"\x10/\x105\x106") == [Key("5"), KeyReleased(), Key("6")]


def test_a_key_whose_end_was_lost_is_let_go() -> None:
    decoder = Decoder()
    decoder.feed(b"\x10/\x105")
    held = [decoder.held]
    decoder.release_key()
    held.append(decoder.held)
    assert held == ["5", None]
    assert decoder.feed(b"\x105") == [Key("5")]


def test_literals_are_samples_while_recording_and_nothing_in_text() -> None:
    assert heard(b"\r\nCONNECT\r\n\x10\x10\x10\x1a", recording=True)[1:] == [Audio(b"\x10" * 3)]
    assert heard(b"\x10\x10\x10\x1aOK\r\n") == [Result(Word.OK)]


def test_an_end_code_with_tripled_dle_ends_the_recording() -> None:
    stream = b"\r\nCONNECT\r\nab\x10\x10\x10\x03" + OK
    assert heard(stream, recording=True)[1:] == [
        Audio(b"ab\x10"), EndOfAudio(), Result(Word.OK)
    ]  # fmt: skip


# Caller id --------------------------------------------------------------------------------------


def test_the_number_is_told_with_its_line_and_again_with_the_name() -> None:
    number = CallerId("13900001111", "", "1122", "0351")
    assert heard(BLOCK) == [number]
    assert heard(BLOCK + b"\r\nNAME = WANG FANG\r\n") == [
        number, CallerId("13900001111", "WANG FANG", "1122", "0351")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "absent"), [("P", "P"), ("O", "O"), ("PRIVATE", "P"), ("OUT OF AREA", "O")]
)
def test_a_number_that_is_not_given_is_no_number(value: str, absent: str) -> None:
    assert heard(f"\r\nNMBR = {value}\r\n".encode()) == [CallerId(absent=absent)]


def test_the_next_call_keeps_nothing_of_the_last() -> None:
    events = heard(b"\r\nRING\r\n" + BLOCK + b"\r\nRING\r\n\r\nRING\r\n\r\nNMBR = 1\r\n")
    assert events[-1] == CallerId("1")


def test_a_complex_report_is_its_lines() -> None:
    report = b"\x10XDATE = 1122\r\nTIME = 0351\r\nNMBR = 5\x10."
    assert heard(report) == [CallerId("5", "", "1122", "0351")]


NUMBERS = st.text("0123456789", max_size=15)
MESSAGES = st.builds(
    lambda number, name, absent: Message(
        "1122", "0351", number, name.strip(), "" if number else absent
    ),
    NUMBERS, st.text("ABC xyz", max_size=15), st.sampled_from(["", "P", "O"]),
)  # fmt: skip


@given(MESSAGES)
def test_a_raw_message_says_what_was_put_into_it(message: Message) -> None:
    raw = build_message(message)
    assert parse_message(raw) == message
    assert heard(f"\r\nMESG = {raw.hex().upper()}\r\n".encode()) == [
        CallerId(message.number, message.name, message.date, message.time, message.absent)
    ]  # fmt: skip


@given(MESSAGES, st.data())
def test_a_raw_message_with_one_wrong_bit_is_noise(message: Message, data: st.DataObject) -> None:
    raw = bytearray(build_message(message))
    at = data.draw(st.integers(2, len(raw) - 1))  # with another length it is another message
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    (event,) = heard(f"\r\nMESG = {raw.hex()}\r\n".encode())
    assert isinstance(event, Noise)
    assert "checksum" in event.why


def test_a_message_of_the_older_form_is_read() -> None:
    # date, time and number without parameters (GR-30-CORE)
    body = b"112203518005551212"
    raw = bytes((0x04, len(body))) + body
    raw += bytes((-sum(raw) % 256,))
    assert parse_message(raw) == Message("1122", "0351", "8005551212")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_an_error_of_ours(raw: bytes) -> None:
    with suppress(CallerIdError):
        assert isinstance(parse_message(raw), Message)


# The host's side --------------------------------------------------------------------------------


def test_the_end_of_a_play_is_as_the_model_wants_it() -> None:
    assert Encoder(load_profile("usr5637")).end_of_play == b"\x10\x03"
    assert Encoder(load_profile("conexant-cx930xx")).end_of_play == b"\x10\x10\x10\x03"
    assert Encoder(load_profile("usr5637")).abort_play == b"\x10\x18\x10\x03"


@pytest.mark.parametrize("wrong", ["", "AT\rATD999", "AT+VLS=1\n", "ATД", "A" * 251])
def test_a_command_that_is_none_or_two_is_not_sent(wrong: str) -> None:
    with pytest.raises(ValueError, match="no command line"):
        Encoder.command(wrong)


def test_a_number_is_dialled_without_its_plus_and_nothing_else_is_dialled() -> None:
    encoder = Encoder(load_profile("usr5637"))
    assert encoder.dial("+8613900001111") == b"ATDT8613900001111\r"
    for wrong in ("", "+", "12;H", "12\r", "1 2", "++86"):
        with pytest.raises(ValueError, match="no number"):
            encoder.dial(wrong)


@given(st.binary(max_size=200).map(lambda data: data[: len(data) // 2 * 2]))
def test_eight_bits_of_every_sample_go_there_and_back(pcm: bytes) -> None:
    for coding in Coding:
        back = from_modem(to_modem(pcm, coding), coding)
        assert back[1::2] == pcm[1::2]
        assert not any(back[::2])


def test_silence_and_the_loudest_samples_are_coded_right() -> None:
    pcm = b"".join(n.to_bytes(2, "little", signed=True) for n in (0, 32767, -32768))
    assert to_modem(pcm, Coding.UNSIGNED_8) == b"\x80\xff\x00"
    assert to_modem(pcm, Coding.SIGNED_8) == b"\x00\x7f\x80"


# Profiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", profile_names())
def test_each_profile_that_comes_along_is_sound(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.vsm.startswith(f"{profile.method},8000")
    for line in (*profile.init, profile.set_vsm):
        assert Encoder.command(line)


def test_the_four_models_are_there() -> None:
    assert profile_names() == ("conexant-cx930xx", "generic-v253", "mt9234mu", "usr5637")


def test_an_unknown_profile_is_told_with_the_nearest_name() -> None:
    with pytest.raises(CardError, match="did you mean 'usr5637'"):
        load_profile("usr5673")


def test_a_profile_of_ones_own_is_checked_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\ninit = ["ATZ", "Z"]\n[identity]\nmodel = "M"\n'
        '[voice]\nmethod = 1\ncoding = "unsigned9"\n[quirks]\nshield = true\n'
    )
    with pytest.raises(CardError) as caught:
        load_profile(str(file))
    for part in ("mine.toml", "init[1]", "voice.coding", "unsigned8", "quirks.shield", "shields"):
        assert part in str(caught.value)
