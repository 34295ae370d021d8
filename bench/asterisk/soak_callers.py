"""Callers of the soak: each has a number of its own, by which every trace of its call is found.

SIPp carries their SIP and logs what becomes of each; one UDP port takes the speech of all and
presses their keys.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.asterisk.callers import Callers, Heard

ANSWER_S = 14.0
"""How long a caller waits for an answer: until SIPp would give up sending the INVITE again."""

BYE_S = 6.0
"""How long a caller waits for the answer to a BYE."""

APART_S = 0.05
"""Keys closer together are told twice or not at all: Asterisk's own least is 45 ms."""

LAST_STEP = 3
"""The step of a key that lets it go."""

REFUSALS = (404, 480, 486, 500, 503, 603)

_SIDES = """Via: SIP/2.0/UDP [local_ip]:[local_port];branch={branch}
    From: <sip:[field1]@[local_ip]>;tag=[call_number]-[pid]
    To: <sip:[field0]@[remote_ip]:[remote_port]>{tag}
    Call-ID: [call_id]
    CSeq: {cseq}
    Contact: <sip:[local_ip]:[local_port]>
    Max-Forwards: 70"""

_SDP = """
    v=0
    o=- 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [local_ip]
    t=0 0
    m=audio [voice] RTP/AVP 0 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
"""

_LOG = re.compile(r"(\d+\.\d+): (\w[\w-]*) (\d+)(?: (\d+))?$")


def _send(
    method: str, uri: str, cseq: str, *, branch: str = "[branch]", tag: str = "", sdp: bool = False
) -> str:
    body = "Content-Type: application/sdp\n    " if sdp else ""
    sides = _SIDES.format(branch=branch, tag=tag, cseq=f"{cseq} {method}")
    retrans = "" if method == "ACK" else ' retrans="500"'
    return (
        f"<send{retrans}><![CDATA[\n\n    {method} {uri} SIP/2.0\n    "
        f"{sides}\n    {body}Content-Length: "
        f"{'[len]' if sdp else '0'}\n{_SDP if sdp else ''}\n]]></send>\n"
    )


def _log(word: str, more: str = "") -> str:
    return f'<log message="[timestamp]: {word} [field1]{more}"/>'


def scenario() -> str:
    """Return the scenario of one caller; every way out of it leaves a word."""
    uri, tag = "sip:[field0]@[remote_ip]:[remote_port]", "[peer_tag_param]"
    first = "z9hG4bK-[call_number]-[pid]"  # also of the ACK of a refusal: RFC 3261 §17.1.1.3
    hang_up, refused, silent, gone, unanswered, end = 1, 2, 3, 4, 5, 9
    refusals = "".join(
        f'<recv response="{code}" optional="true" next="{refused}"><action>'
        f"{_log(f'refused-{code}')}</action></recv>\n"
        for code in REFUSALS
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<scenario name="soak">
<nop><action>{_log("calls")}</action></nop>
{_send("INVITE", uri, "1", branch=first, sdp=True)}
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
{refusals}
<recv response="200" rrs="true" timeout="{ANSWER_S * 1000:.0f}" ontimeout="{silent}"><action>
  <ereg regexp="m=audio ([0-9]+)" search_in="body" assign_to="line,media"/>
  {_log("answered", " [$media]")}</action></recv>
{_send("ACK", "[next_url]", "1", tag=tag)}
<recv request="BYE" timeout="[talk_ms]" ontimeout="{hang_up}"><action>{_log("cut")}</action></recv>
<send next="{end}"><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

]]></send>
<label id="{hang_up}"/>
{_send("BYE", "[next_url]", "2", tag=tag)}
<recv response="481" optional="true" next="{gone}"/>
<recv response="200" timeout="{BYE_S * 1000:.0f}" ontimeout="{unanswered}" next="{end}">
<action>{_log("over")}</action></recv>
<label id="{refused}"/>
{_send("ACK", uri, "1", branch=first, tag=tag)}
<nop next="{end}"/>
<label id="{silent}"/><nop next="{end}"><action>{_log("silence")}</action></nop>
<label id="{gone}"/><nop next="{end}"><action>{_log("gone")}</action></nop>
<label id="{unanswered}"/><nop><action>{_log("unanswered")}</action></nop>
<label id="{end}"/><nop/>
<Reference variables="line"/>
</scenario>
"""


@dataclass
class Caller:
    """One caller: what its telephone did, and what it heard."""

    number: str
    words: list[tuple[float, str]] = field(default_factory=list)
    """Instants, and what became of the call: calls, answered, over …"""
    port: int = 0
    """Asterisk's RTP port."""
    heard: bool = False
    packets: int = 0
    """How many it heard after its last key."""
    gaps: list[float] = field(default_factory=list)
    """At which second of the bill a packet came over 40 ms after the one before it."""
    answer_s: float | None = None
    """How long after the last key the bill began."""
    crowded: bool = False
    """Whether two of its keys came closer than Asterisk can tell apart: this host was busy."""

    def at_s(self, word: str) -> float | None:
        """Return when a word was logged that begins so."""
        return next((at_s for at_s, found in self.words if found.startswith(word)), None)

    @property
    def last(self) -> str:
        """What became of it last."""
        return self.words[-1][1] if self.words else "never called"


class SoakCallers(Callers):
    """Makes rounds of calls, each from a number of its own."""

    def __init__(
        self, folder: Path, host: str, to_port: int, keys: Sequence[tuple[float, str]],
        ramp_s: float,
    ) -> None:  # fmt: skip
        super().__init__(folder, host, to_port, keys)
        self._made = 0
        self._ramp_s = ramp_s
        self._released: dict[int, float] = {}
        self._crowded: set[int] = set()

    def calls(
        self, numbers: Sequence[str], calls: int, talk_s: float, boots: Callable[[], int]
    ) -> list[Caller]:
        """Make calls to the numbers in turn; `boots` counts how often Asterisk was started."""
        self._due, self._calls, self._crowded = [], {}, set()
        callers = [Caller(f"2{self._made + n:07d}") for n in range(calls)]
        self._made += calls
        lines = "".join(f"{numbers[n % len(numbers)]};{c.number};\n" for n, c in enumerate(callers))
        (self._folder / "callers.csv").write_text("SEQUENTIAL\n" + lines, encoding="utf-8")
        text = scenario().replace("[talk_ms]", str(round(talk_s * 1000)))
        (self._folder / "soak.xml").write_text(text, encoding="utf-8")
        log = self._folder / "callers.log"
        log.unlink(missing_ok=True)
        heard: dict[tuple[int, int], Heard] = {}
        limit_s = self._ramp_s + max(talk_s, ANSWER_S) + BYE_S + 10
        self._run(self._command(calls), limit_s, boots, heard)
        _read(log, {caller.number: caller for caller in callers})
        for caller in callers:
            _hears(caller, heard)
            caller.crowded = caller.port in self._crowded
        return callers

    def _send(self, port: int, press: int, step: int) -> None:
        """Send one step of a key, and note one that came too soon after the one before it."""
        now_s = time.time()
        if step == 0 and press and now_s - self._released.get(port, 0.0) < APART_S:
            self._crowded.add(port)
        elif step == LAST_STEP:
            self._released[port] = now_s
        super()._send(port, press, step)

    def _command(self, calls: int) -> list[str]:
        return [
            "sipp", "-sf", "soak.xml", "-inf", "callers.csv", "-i", self._host, "-nostdin",
            "-r", str(calls), "-rp", str(round(self._ramp_s * 1000)), "-m", str(calls),
            "-l", str(calls),
            "-key", "voice", str(self._socket.getsockname()[1]), "-trace_logs", "-log_file",
            "callers.log", "-trace_err", "-error_file", "soak.errors", "-default_behaviors",
            "all,-bye", f"127.0.0.1:{self._to_port}",
        ]  # fmt: skip

    def _run(
        self, command: list[str], limit_s: float, boots: Callable[[], int],
        heard: dict[tuple[int, int], Heard],
    ) -> None:  # fmt: skip
        """Let SIPp make its calls, and listen to all that is said meanwhile."""
        with (self._folder / "sipp.out").open("ab") as out:
            sipp = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        boot, until_s = boots(), time.time() + limit_s
        try:
            while sipp.poll() is None and time.time() < until_s:
                self._listen()
                if boots() != boot:  # ports of the dead one mean other calls now
                    heard |= {(boot, port): found for port, found in self._calls.items()}
                    self._calls, self._due, boot = {}, [], boots()
        finally:
            if sipp.poll() is None:
                sipp.kill()
            sipp.wait()
        heard |= {(boot, port): found for port, found in self._calls.items()}


def _read(log: Path, callers: dict[str, Caller]) -> None:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    for line in text.splitlines():
        found = _LOG.search(line)
        if found is None:
            continue
        at, word, number, port = found.groups()
        with contextlib.suppress(KeyError):
            caller = callers[number]
            caller.words.append((float(at), word))
            if port:
                caller.port = int(port)


def _hears(caller: Caller, heard: dict[tuple[int, int], Heard]) -> None:
    """Give a caller what came from the port that answered it, while it was answered."""
    answered_s = caller.at_s("answered")
    if answered_s is None:
        return
    for (_, port), found in sorted(heard.items()):
        if port == caller.port and found.last_s >= answered_s:
            caller.heard, caller.packets = True, found.packets
            caller.gaps, caller.answer_s = found.gaps, found.answer_s
            return
