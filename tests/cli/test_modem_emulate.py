"""`ivrd modem emulate`: a program of its own opens the port of another."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import serial
from click.testing import CliRunner

from drivers.modem.encoder import Encoder
from drivers.modem.profile import load_profile
from drivers.modem.protocol import Decoder, Heard, Key, Result, Ring, Text, Word
from drivers.modem.samples import to_modem
from ivrd.cli.app import main
from ivrd.cli.modem import vocabulary
from ivrd.resources import PROMPTS
from sim.party import read_pcm


def until(port: serial.Serial, decoder: Decoder, wanted: Heard) -> list[Heard]:
    """Read up to an event; return all that came. The port's time-out is the limit."""
    heard: list[Heard] = []
    while wanted not in heard:
        data = port.read(1)
        assert data, f"no {wanted} after {heard}"
        heard += decoder.feed(data + port.read(port.in_waiting))
    return heard


def test_a_host_answers_a_call_and_the_caller_understands_and_keys(tmp_path: Path) -> None:
    profile = load_profile("usr5637")
    encoder, decoder = Encoder(profile), Decoder()
    links = tmp_path / "ports"
    command = ["modem", "emulate", "--ports", "1", "--profile", "usr5637", "--json",
               "--calls-an-hour", "30000", "--link", str(links)]  # fmt: skip
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", "from ivrd.cli import main; main()", *command],
        stdout=subprocess.PIPE,
        text=True,
    ) as emulator:
        assert emulator.stdout
        ports = json.loads(emulator.stdout.readline())
        assert ports["devices"] == [str(links / "modem1")]
        with serial.Serial(ports["devices"][0], 115200, timeout=20) as port:
            for line in (*profile.init, profile.set_vsm, "AT+GMM"):
                port.write(encoder.command(line))
                heard = until(port, decoder, Result(Word.OK))
            assert Text("USR5637") in heard
            until(port, decoder, Ring())
            port.write(encoder.command("AT+VLS=1"))
            until(port, decoder, Result(Word.OK))
            prompts, begins = vocabulary(PROMPTS)
            question = next(prompt for prompt in prompts if begins.get(prompt) == "choose_mandarin")
            port.write(encoder.command("AT+VTX"))
            until(port, decoder, Result(Word.CONNECT))
            samples = to_modem(read_pcm(question), profile.coding)
            port.write(encoder.samples(samples) + encoder.end_of_play)
            until(port, decoder, Key("1"))
        emulator.send_signal(signal.SIGINT)
        told = [json.loads(line) for line in emulator.stdout]
        assert emulator.wait(20) == 0
    assert [said["sentence"] for said in told if said["event"] == "hears"] == ["choose_mandarin"]
    assert {"rings", "answered", "ended"} <= {said["event"] for said in told}
    assert not list(links.iterdir())


def test_an_unknown_profile_is_refused_with_the_nearest_name() -> None:
    result = CliRunner().invoke(main, ["modem", "emulate", "--profile", "usr5673"])
    assert result.exit_code == 2
    assert "did you mean 'usr5637'" in result.output


def test_a_link_that_cannot_be_made_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "modem2").write_text("mine")
    result = CliRunner().invoke(main, ["modem", "emulate", "--link", str(tmp_path)])
    assert result.exit_code == 2
    assert "modem2" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["modem2"]


def test_every_language_names_the_sentences_that_its_files_begin() -> None:
    prompts, begins = vocabulary(PROMPTS)
    langs = {prompt.path.parent.parent.name for prompt in prompts}
    assert langs == {"zh-CN", "en-US"}
    for lang in langs:
        named = {name for prompt, name in begins.items() if lang in prompt.path.parts}
        assert {"enter_month", "welcome", "are_you_holder", "choose_lookup"} <= named
