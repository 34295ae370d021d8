"""Emulated modems on ptys with people who call and are called: what `ivrd modem emulate` runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.modem.profile import load_profile, profile_names
from ivrd.clock import Clock, Timer
from ivrd.commands import Prompt
from ivrd.events import Data
from sim.crowd import Crowd, months_before
from sim.debtors import CalledDebtors, Population, Rates, load_debtors
from sim.demo import KNOWN, Colleague
from sim.modem_bank import ModemBank, PtyPort
from sim.modem_caller import ScriptedModemCaller
from sim.modem_ear import Vocabulary
from sim.modem_line import HangUpSign
from sim.modem_wire import Trouble
from sim.phone import BUSY, NO_ANSWER, Rings
from sim.script import load_script
from sim.subscriber import Subscriber

__all__ = ["EmulatedModems", "HangUpSign", "Options", "profile_names"]

AWAY_S = 5.0
"""How long a modem that was unplugged stays away."""

Tell = Callable[[int, str, Data], None]
"""Is told what happens: the number of the modem, a word, and what belongs to it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is emulated, and what is wrong with it."""

    profile: str = "generic-v253"
    ports: int = 4
    calls_an_hour: float = 120.0
    """Callers to all modems together; 0: nobody calls."""
    seed: int = 7
    sign: HangUpSign | None = None
    """How the exchange shows a hang-up; None: by the loop where the model tells that, else busy."""
    links: Path | None = None
    """The folder of the links modem1, modem2, …; it is made where it is missing."""
    debtors: Path | None = None
    """How those behave who are called; None: as most do."""
    lose: float = 0.0
    garble: float = 0.0
    bytes_a_s: float | None = None
    unplugs_an_hour: float = 0.0
    script: Path | None = None
    """What one caller does who calls as soon as a modem is ready, in place of all others."""
    wav: Path | None = None
    """Where the sound is written that the caller of `script` heard."""


class EmulatedModems:
    """Modems that are plugged in by `start` and pulled out by `stop`, on the running loop.

    Raises `CardError` for a profile that is wrong, `ConfigError` for such a file of debtors,
    `ScriptError` for such a script, `PromptError` for voice files that cannot be read.
    """

    def __init__(
        self,
        clock: Clock,
        options: Options,
        prompts: Iterable[Prompt],
        begins: Mapping[Prompt, str],
        tell: Tell,
    ) -> None:
        profile = load_profile(options.profile)
        vocabulary = Vocabulary(prompts, profile.coding, begins=begins)
        rates = load_debtors(options.debtors) if options.debtors else Rates()
        bank = ModemBank(clock, profile, options.ports, vocabulary=vocabulary, sign=options.sign)
        bank.parties |= {"6001": Rings(Colleague, rings=1), "6002": BUSY, "6003": NO_ANSWER}
        bank.others = CalledDebtors(Population(rates, options.seed), clock)
        self.ports = [
            PtyPort(modem, clock, options.links / f"modem{modem.number}" if options.links else None)
            for modem in bank.modems
        ]
        for modem in bank.modems:
            modem.line.watch = _watch(tell, modem.number)
        self.scripted: ScriptedModemCaller | None = None
        if options.script:
            script = load_script(options.script)
            self.scripted = ScriptedModemCaller(clock, bank, script, options.wav)
        self._bank = bank
        self._clock = clock
        self._options = options
        self._tell = tell
        self._random = random.Random(options.seed)
        months = months_before(clock.now(), 3)
        callers = [Subscriber(number) for number in KNOWN]
        self._crowd = Crowd(clock, bank.call, callers, months, seed=options.seed, calls_a_day=1)
        self._timers: dict[str, Timer] = {}

    def start(self) -> None:
        """Plug all modems in, and let the first caller come. Raises `OSError` where none can be."""
        if self._options.links:
            self._options.links.mkdir(parents=True, exist_ok=True)
        try:
            for port in self.ports:
                self._plug_in(port)
        except OSError:
            self.stop()
            raise
        if self.scripted:
            self.scripted.start()
        elif self._options.calls_an_hour:
            self._again("call", self._options.calls_an_hour, self._crowd_sends)
        if self._options.unplugs_an_hour:
            self._again("unplug", self._options.unplugs_an_hour, self._unplug_one)

    def stop(self) -> None:
        """Pull all modems out; their devices and links go away. Safe to repeat."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self.scripted:
            self.scripted.stop()
        for port in self.ports:
            port.unplug()

    def _crowd_sends(self) -> None:
        self._crowd.send_one()

    def _unplug_one(self) -> None:
        port = self._random.choice(self.ports)
        if port.device:
            port.unplug()
            self._tell(port.modem.number, "unplugged", {})
            name = f"plug {port.modem.number}"
            self._timers[name] = self._clock.call_later(AWAY_S, lambda: self._back(port))

    def _back(self, port: PtyPort) -> None:
        self._plug_in(port)
        self._tell(port.modem.number, "plugged in", {"device": port.name})

    def _plug_in(self, port: PtyPort) -> None:
        options = self._options
        if not (options.lose or options.garble or options.bytes_a_s):
            port.plug_in()
            return
        seed = 2 * (options.seed * 1000 + port.modem.number)
        trouble = (options.lose, options.garble)
        port.plug_in(
            to_host=Trouble(0.0, 0, options.bytes_a_s, *trouble, seed=seed),
            to_modem=Trouble(0.0, 0, options.bytes_a_s, *trouble, seed=seed + 1),
        )

    def _again(self, name: str, an_hour: float, then: Callable[[], None]) -> None:
        """Do something every now and then, from now on."""

        def due() -> None:
            self._again(name, an_hour, then)
            then()

        pause_s = self._random.expovariate(an_hour / 3600)
        self._timers[name] = self._clock.call_later(pause_s, due)


def _watch(tell: Tell, number: int) -> Callable[[str, Data], None]:
    return lambda what, data: tell(number, what, data)
