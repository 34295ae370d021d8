"""An emulated voice modem: ITU-T V.253 on one side, an analogue line with people on the other.

It answers AT commands as the model of its profile does, with that model's quirks, and in the time
that a real one takes. On the real clock its port is a pty, on a virtual one a wire in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from drivers.modem.caller_id import Message, build_message
from drivers.modem.profile import Profile
from drivers.modem.protocol import CODES, DLE, ETX, Code, Word
from drivers.modem.samples import SILENCE, Coding
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE
from sim.modem_buffer import PlayBuffer
from sim.modem_commands import Refused, Settings, split_line
from sim.modem_line import HangUpSign, Hook, LineTiming, ModemLine
from sim.modem_wire import Wire
from sim.phone import Dialled, Outcome

_BYTES = {code: byte for byte, code in reversed(CODES.items())}


_END_RECORDING = b"!\x1b\x03\x18"
"""What ends a recording, after DLE; models differ, and this one takes them all."""


class Doing(Enum):
    """What a modem is doing."""

    COMMAND = "command"
    BUSY = "busy"
    """Carrying out a command: nothing is answered until it is done."""
    DIALLING = "dialling"
    """Any byte of the host ends it (V.250 §6.3.1)."""
    PLAYING = "playing"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class ModemTiming:
    """How long the modem itself takes, in seconds."""

    reply_s: float = 0.015
    hook_s: float = 0.08
    """For the relay."""
    digit_s: float = 0.17
    """For each digit that it dials: tone and pause."""
    repeat_s: float = 0.07
    """From report to report of a key that is held (V.253 §7.5)."""


class Modem:
    """One modem on one line; `wire` is its port, which may be unplugged and plugged in anew."""

    def __init__(
        self,
        number: int,
        clock: Clock,
        profile: Profile,
        directory: Callable[[Dialled], Outcome],
        *,
        sign: HangUpSign | None = None,
        timing: ModemTiming = ModemTiming(),
        line_timing: LineTiming | None = None,
    ) -> None:
        default = HangUpSign.LOOP if profile.tells_loop else HangUpSign.BUSY
        self.number = number
        self.profile = profile
        self.line = ModemLine(
            number, clock, self, directory, sign=sign or default, timing=line_timing or LineTiming()
        )
        self.wire: Wire | None = None
        self.settings = Settings(profile)
        self.doing = Doing.COMMAND
        self.buffer: PlayBuffer | None = None
        self.underruns = 0
        self._clock = clock
        self._timing = timing
        self._after_dle = False
        self._command = bytearray()
        self._to_do: deque[str] = deque()
        self._timers: list[Timer] = []
        self._presumed: Timer | None = None  # when a dial will be taken for answered

    # The port ----------------------------------------------------------------------------

    def plug_in(self, wire: Wire) -> None:
        """Be connected and powered: every setting is as in the factory."""
        self.unplug()
        self.settings = Settings(self.profile)
        self.wire = wire
        wire.received = self._received

    def unplug(self) -> None:
        """Be pulled out: the port closes, and the line falls on hook. Safe to repeat."""
        wire, self.wire = self.wire, None
        self._stop()
        if wire:
            wire.close()
        self.line.cut()

    def _received(self, data: bytes) -> None:
        """Take bytes of the host."""
        if self.doing is Doing.DIALLING:
            if data.strip(b"\n"):
                self._dial_ends(Word.OK)  # and the bytes are lost, as in any modem
            return
        if self.doing is Doing.RECORDING:
            for byte in data:
                if self._after_dle and byte in _END_RECORDING:
                    self._end_recording()
                    return
                self._after_dle = byte == DLE
            return
        if self.buffer:
            data = self.buffer.take(data)
        if data:
            self._text(data)

    def _text(self, data: bytes) -> None:
        if self.settings.echo:
            self._send(data)
        for byte in data:
            if byte == 0x0D:
                line = self._command.decode("latin-1")
                self._command.clear()
                start = line.upper().find("AT")
                if start >= 0:
                    self._to_do.append(line[start + 2 :])
            elif byte != 0x0A and len(self._command) < 400:
                self._command.append(byte)
        self._next_line()

    def _send(self, data: bytes) -> None:
        if self.wire:
            self.wire.send(data)

    def _say(self, line: str) -> None:
        self._send(f"\r\n{line}\r\n".encode("ascii") if self.settings.verbose else
                   f"{line}\r".encode("ascii"))  # fmt: skip

    def _tell(self, byte: str) -> None:
        self._send(bytes((DLE, ord(byte))))

    # Commands ----------------------------------------------------------------------------

    def _next_line(self) -> None:
        if self._to_do and self.doing is Doing.COMMAND:
            line = self._to_do.popleft()
            self.doing = Doing.BUSY
            self._after(self._timing.reply_s, lambda: self._carry_out(split_line(line)))

    def _carry_out(self, commands: list[str]) -> None:
        """Carry out the commands of one line, up to the first that is refused."""
        try:
            while commands:
                done = self._do(commands.pop(0), commands)
                if done:
                    return  # it answers by itself
        except Refused:
            self._result(Word.ERROR)
        else:
            self._result(Word.OK)

    def _result(self, word: Word) -> None:
        self.doing = Doing.COMMAND
        if not self.settings.quiet:
            self._say(word.value)
        self._next_line()

    def _do(self, command: str, rest: list[str]) -> bool:
        """Do one command; return whether it goes on, and answers later. Raises `Refused`."""
        if command.startswith("D"):
            return self._dial(command[1:])
        match command:
            case "Z" | "Z0" | "&F" | "&F0":
                self._on_hook()
                self.settings = Settings(self.profile)
            case "H" | "H0" | "+VLS=0":
                self._on_hook()
                return self._later(self._timing.hook_s, rest)
            case "H1" | "A" | "+VLS=1":
                self._off_hook()
                return self._later(self._timing.hook_s, rest)
            case "+VTX":
                self._play()
                return True
            case "+VRX":
                self._record()
                return True
            case _:
                for line in self.settings.apply(command):
                    self._say(line)
        return False

    def _later(self, delay_s: float, rest: list[str]) -> bool:
        self._after(delay_s, lambda: self._carry_out(rest))
        return True

    # The line ----------------------------------------------------------------------------

    @property
    def off_hook(self) -> bool:
        """Whether the loop is closed."""
        return self.line.hook not in {Hook.IDLE, Hook.RINGING}

    def _off_hook(self) -> None:
        was = self.off_hook
        self.line.off_hook()
        if not was and self.profile.hears_own_answer and self.settings.voice:
            self._tell("H")

    def _on_hook(self) -> None:
        self.line.on_hook()

    def _dial(self, rest: str) -> bool:
        digits = "".join(char for char in rest.upper().removeprefix("T") if char in "0123456789*#")
        if not digits or self.line.hook not in {Hook.IDLE, Hook.OFF_HOOK}:
            raise Refused
        self.doing = Doing.DIALLING
        wait_s = self.line.timing.dial_tone_s
        if not self.line.dial_tone(digits):
            self._after(wait_s + 4.0, lambda: self._dial_ends(Word.NO_DIALTONE))
            return True
        self._after(wait_s + len(digits) * self._timing.digit_s, self._dialled)
        return True

    def _dialled(self) -> None:
        settings = self.settings
        self._after(settings.s7_s, lambda: self._dial_ends(Word.NO_ANSWER))
        if settings.voice:
            self._presume_after(settings.no_ringback_s)
        self.line.dialled()

    def _presume_after(self, delay_s: float | None) -> None:
        """Take the call for answered after a while, or not at all."""
        if self._presumed:
            self._presumed.cancel()
        self._presumed = (
            None if delay_s is None else self._clock.call_later(delay_s, self._answered)
        )

    def _answered(self) -> None:
        """Take the call for answered: ringback has ceased, or never came (V.253 +VRA, +VRN)."""
        if self.doing is Doing.DIALLING:
            self._cancel()
            self._result(Word.VCON)

    def _dial_ends(self, word: Word) -> None:
        if self.doing is Doing.DIALLING:
            self._cancel()
            self._on_hook()
            self._result(word)

    # What happens on the line ---------------------------------------------------------------

    def on_ring(self) -> None:
        """Tell a ring: as a line, or as a code where the model does so in voice mode."""
        if self.settings.voice and self.profile.ring_code:
            self._tell("R")
        else:
            self._say("RING")

    def on_caller_id(self, number: str, when: str) -> None:
        """Tell the caller id, as +VCID has it: formatted, raw, or not at all."""
        absent = "" if number else "P"
        if self.settings.caller_id == 1:
            for name, value in (
                ("DATE", when[:4]), ("TIME", when[4:]), ("NMBR", number or absent)
            ):  # fmt: skip
                self._say(f"{name} = {value}")
        elif self.settings.caller_id == 2:
            message = build_message(Message(when[:4], when[4:], number, "", absent))
            self._say(f"MESG = {message.hex().upper()}")

    def on_tone(self, code: Code) -> None:
        """Tell a tone by its code; a dial has its own words for some."""
        if code is Code.LOOP_BROKEN and not self.profile.tells_loop:
            return
        dialling = self.doing is Doing.DIALLING
        if code is Code.DIAL_TONE and dialling:
            return
        if self.settings.voice:
            self._tell(_BYTES[code])
        if not dialling:
            return
        if code in {Code.BUSY, Code.FAST_BUSY}:
            self._dial_ends(Word.BUSY)
        elif code is Code.RINGBACK and self.settings.voice:
            self._presume_after(self.line.timing.ring_s + self.settings.ringback_goes_s)
        elif code is Code.SIT:
            self._presume_after(None)  # a voice follows, and then a tone

    def on_answer(self) -> None:
        """Notice nothing: ringback comes no more, and that takes its time to be sure of."""

    def on_key(self, key: str, held_s: float) -> None:
        """Tell a key: once, or between shields and again and again while it is held."""
        if not self.settings.voice:
            return
        if not self.profile.shields:
            self._tell(key)
            return
        self._tell("/")
        self._tell(key)
        repeat_s = self._timing.repeat_s
        for number in range(1, int(held_s / repeat_s) + 1):
            self._clock.call_later(number * repeat_s, lambda: self._tell(key))
        self._clock.call_later(held_s, lambda: self._tell("~"))

    # Streams -----------------------------------------------------------------------------

    def _play(self) -> None:
        if not (self.settings.voice and self.off_hook):
            raise Refused
        self.buffer = PlayBuffer(
            self._clock,
            self.profile.buffer_bytes,
            heard=self._heard,
            underrun=self._underrun,
            ended=self._play_ends,
            hold=self._hold,
            tripled=self.profile.tripled_dle,
        )
        self.doing = Doing.PLAYING
        self._say(Word.CONNECT.value)

    def _heard(self, samples: bytes) -> None:
        self.line.hears(samples)

    def _hold(self, held: bool) -> None:
        if self.wire:
            self.wire.hold(held)

    def _underrun(self) -> None:
        self.underruns += 1
        self.line.stream_pauses()
        self._tell("u")

    def _play_ends(self) -> None:
        self.buffer = None
        self._result(self.profile.ends_with)
        self.line.stream_ends()

    def _record(self) -> None:
        if not (self.settings.voice and self.off_hook):
            raise Refused
        self.doing = Doing.RECORDING
        self._after_dle = False
        self._say(Word.CONNECT.value)
        self._after(0.02, self._silence)

    def _silence(self) -> None:
        """Record 20 ms of what the far end says: nothing, people here have keys alone."""
        coding: Coding = self.profile.coding
        self._send(bytes((SILENCE[coding],)) * (SAMPLE_RATE // 50))
        self._after(0.02, self._silence)

    def _end_recording(self) -> None:
        self._cancel()
        self._send(bytes((DLE, ETX)))
        self._result(self.profile.ends_with)

    # Small parts -------------------------------------------------------------------------

    def _stop(self) -> None:
        self._cancel()
        if self.buffer:
            self.buffer.close()
            self.buffer = None
        self._command.clear()
        self._to_do.clear()
        self.doing = Doing.COMMAND

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.remove(timer)
            then()

        timer = self._clock.call_later(delay_s, due)
        self._timers.append(timer)

    def _cancel(self) -> None:
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
        self._presume_after(None)
