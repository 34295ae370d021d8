"""A daemon that answers enquiries on the private Asterisk, and the same call on software."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

from ivrd.cli import main
from ivrd.commands import Prompt, Utterance
from ivrd.config import Config, load_config
from ivrd.daemon import Daemon
from ivrd.records import Status
from ivrd.simulation import Office
from sim.caller import ScriptedCaller
from sim.script import parse_script
from tests.real.asterisk_bench import options
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import until

CALLER, CALLED = "88610001", "170"


def enquiry_config(folder: Path, asterisk: PrivateAsterisk, lines: int) -> Config:
    """Make a sample set-up whose lines are on the Asterisk."""
    made = CliRunner().invoke(main, ["sample-data", str(folder), "--accounts", "40"])
    assert made.exit_code == 0, made.output
    text = (folder / "ivrd.toml").read_text(encoding="utf-8")
    before, after = text[: text.index("[[card]]")], text[text.index("[[lines]]") :]
    given = ", ".join(f'{name} = "{value}"' for name, value in options(asterisk).items())
    card = f'[[card]]\nname = "sip"\ndriver = "asterisk"\nchannels = {lines}\n'
    card += f"options = {{ {given} }}\n\n"
    after = f'[[lines]]\nnumbers = "1-{lines}"\ncard = "sip"\nchannels = "1-{lines}"\n'
    file = folder / "asterisk.toml"
    file.write_text(before + card + after, encoding="utf-8")
    return load_config(file)


@asynccontextmanager
async def open_office(config: Config) -> AsyncIterator[Daemon]:
    """Run the daemon in this process, from its start till its stop."""
    daemon = Daemon(config)
    await daemon.start()
    try:
        ready = await until(lambda: bool(daemon.lines) and all_idle(daemon), 20)
        assert ready, [state.reason for state in daemon.cards.values()]
        yield daemon
    finally:
        await daemon.stop()


def all_idle(daemon: Daemon) -> bool:
    """Whether every line waits for a caller."""
    return all(line.status is Status.IDLE for line in daemon.lines.values())


class Listener(ScriptedCaller):
    """A scripted caller of the software card who remembers every play."""

    plays: list[list[Prompt]]

    def playing(self, utterances: Sequence[Utterance]) -> None:
        self.plays.append([prompt for utterance in utterances for prompt in utterance.prompts])
        super().playing(utterances)


def heard_on_software(config: Config, now: datetime, keys: Sequence[str]) -> list[list[Prompt]]:
    """Return what a caller hears who keys so, on the software card, play by play."""
    steps = "\n".join(f"listen\nkey {word} after 1.0" for word in keys)
    script = parse_script(f"caller {CALLER}\ncalled {CALLED}\n{steps}\nfinish")
    office = Office(config, now, lines=1)
    caller = Listener(script)
    caller.plays = []
    try:
        caller.call(office.card)
        office.clock.run_while(lambda: not caller.finished, 1200)
        assert caller.passed, caller.report()
    finally:
        office.close()
    return [play for play in caller.plays if play]
