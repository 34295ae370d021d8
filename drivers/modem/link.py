"""The conversation with one modem: a command at a time, each with its answer; streams between them.

Nothing waits here: what came of a command is given to a callback in the loop's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.modem.encoder import Encoder
from drivers.modem.port import Port
from drivers.modem.profile import Profile
from drivers.modem.protocol import Code, Decoder, Heard, Report, Result, Text, Word
from drivers.modem.stream import Stream
from ivrd.clock import Clock, Timer

REPLY_S = 1.5
"""How long a modem may take to answer a command."""

KEY_LOST_S = 0.35
"""So long after its last sign of life a held key counts as released: five repeats missed."""

TRIES = 2
"""How often a command is sent that may be sent twice."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command: the last word, None where none came, and the lines before it."""

    word: Word | None
    lines: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether it was carried out; at the end of some, VCON stands for OK."""
        return self.word in {Word.OK, Word.VCON}

    def __str__(self) -> str:
        words = [*self.lines, *([self.word.value] if self.word else [])]
        return repr(" ".join(words)) if words else "nothing"


Done = Callable[[Answer], None]


class _Job:
    def __init__(
        self, line: bytes, done: Done, limit_s: float, stream: Stream | None = None
    ) -> None:
        self.line = line
        self.done = done
        self.limit_s = limit_s
        self.stream = stream
        self.tries = 0
        self.lines: list[str] = []


class Link:
    """One modem on one port.

    `heard` gets all that answers no command, `failed` why the modem can no longer be talked to.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        heard: Callable[[Heard], None],
        failed: Callable[[str], None],
    ) -> None:
        self.port: Port | None = None
        self.underruns = 0
        """Times that a modem ran out of samples, since the port was opened."""
        self._clock = clock
        self._profile = profile
        self._encoder = Encoder(profile)
        self._decoder = Decoder()
        self._heard = heard
        self._failed = failed
        self._jobs: deque[_Job] = deque()
        self._job: _Job | None = None
        self._stream: Stream | None = None
        self._timer: Timer | None = None
        self._key_timer: Timer | None = None

    def attach(self, port: Port) -> None:
        """Talk through this port from now on."""
        self.detach()
        self.port = port
        self._decoder = Decoder()
        self.underruns = 0

    def detach(self) -> None:
        """Forget all that is under way, and let go of the port; safe to repeat."""
        port, self.port = self.port, None
        for timer in (self._timer, self._key_timer):
            if timer:
                timer.cancel()
        for stream in [self._stream, *[job.stream for job in self._jobs]]:
            if stream:
                stream.forget()
        if self._job and self._job.stream:
            self._job.stream.forget()
        self._jobs.clear()
        self._job = self._stream = self._timer = self._key_timer = None
        if port:
            port.close()

    def ask(self, line: str, done: Done, limit_s: float = REPLY_S) -> None:
        """Send a command when those before it have been answered; one more try where it is lost."""
        self._add(_Job(self._encoder.command(line), done, limit_s))

    def dial(self, number: str, done: Done, limit_s: float) -> None:
        """Dial; raises `ValueError` for what is no number. It is never tried twice."""
        job = _Job(self._encoder.dial(number), done, limit_s)
        job.tries = TRIES
        self._add(job)

    def give_up_dial(self) -> None:
        """End a dial that goes on: any byte does (V.250 §6.3.1). Its answer is told soon."""
        if self._job and self._job.line.startswith(b"ATD"):
            self._write(b"\r")
            self._set(REPLY_S, self._late)

    def play(self, samples: bytes, ended: Callable[[Stream, int], None]) -> Stream:
        """Play samples after what was ordered before; `ended` gets how many were heard."""
        stream = Stream(
            self._clock, self._profile, samples, self._write, ended,
            lambda: self._failed("the modem does not end a play"),
        )  # fmt: skip
        self._add(
            _Job(b"AT+VTX\r", lambda answer: self._connected(stream, answer), REPLY_S, stream)
        )
        return stream

    def feed(self, data: bytes) -> None:
        """Take what came from the port."""
        for heard in self._decoder.feed(data):
            if self.port is None:
                return
            self._take(heard)
        if self._key_timer:
            self._key_timer.cancel()
            self._key_timer = None
        if self._decoder.held is not None:
            self._key_timer = self._clock.call_later(KEY_LOST_S, self._decoder.release_key)

    def _take(self, heard: Heard) -> None:
        match heard:
            case Result():
                self._result(heard)
            case Text(line=line):
                if self._job and not line.startswith("AT"):  # its own echo
                    self._job.lines.append(line)
            case Report(code=Code.UNDERRUN):
                if self._stream:
                    self.underruns += 1
                    self._stream.underrun()
            case _:
                self._heard(heard)

    def _result(self, result: Result) -> None:
        stream, job = self._stream, self._job
        if stream:
            if result.word is not Word.CONNECT:
                self._stream = None
                stream.over()
                if result.word in {Word.NO_CARRIER, Word.BUSY}:
                    self._heard(result)
                self._next()
        elif job:
            self._set(None)
            self._job = None
            job.done(Answer(result.word, tuple(job.lines)))
            self._next()
        else:
            self._heard(result)

    def _connected(self, stream: Stream, answer: Answer) -> None:
        if answer.word is Word.CONNECT:
            self._stream = stream
            stream.begin()
        elif answer.word is None:  # told alone: the play had no fault of its own
            stream.forget()
            self._failed("the modem does not begin a play")
        else:
            stream.cut()  # nothing of it was heard
            stream.over()

    def _add(self, job: _Job) -> None:
        if self.port is None:
            return
        self._jobs.append(job)
        self._next()

    def _next(self) -> None:
        while self._jobs and self._job is None and self._stream is None:
            job = self._jobs.popleft()
            if job.stream and job.stream.stopped:
                job.stream.over()
                continue
            self._job = job
            self._send(job)

    def _send(self, job: _Job) -> None:
        job.tries += 1
        self._set(job.limit_s, self._late)
        self._write(job.line)

    def _late(self) -> None:
        job = self._job
        if job is None:
            return
        if job.tries < TRIES:
            job.lines.clear()
            self._write(b"\r")  # ends what came of it, if anything did
            self._send(job)
            return
        self._job = None
        job.done(Answer(None, tuple(job.lines)))
        self._next()

    def _write(self, data: bytes) -> None:
        if self.port:
            self.port.write(data)

    def _set(self, delay_s: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = (
            self._clock.call_later(delay_s, then) if delay_s is not None and then else None
        )
