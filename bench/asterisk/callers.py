"""The callers: SIPp for their SIP, one UDP port for the speech of all and for their keys.

A call is known by Asterisk's own RTP port, and begins with the first packet from there. Instants
are the kernel's: when a packet came, not when it was read here.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import select
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEYS = "0123456789*#"
KEY_S, GAP_S = 0.08, 0.07
"""Not under the 80 ms that Asterisk takes for the shortest key: a shorter one it draws out, and
under load may then count twice."""
RAMP_S = 5.0
"""Over how long the calls of one round begin."""

LATE_S = 0.04
"""A packet that comes so long after the one before it is heard as a gap."""

_PCMU, _EVENT = 0, 101
_SO_TIMESTAMPNS = 35
_BUFFER = 4_000_000

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="enquiry">
<send retrans="500"><![CDATA[

    INVITE sip:[field0]@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
    From: <sip:88610001@[local_ip]>;tag=[call_number]-[pid]
    To: <sip:[field0]@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:[local_ip]:[local_port]>
    Max-Forwards: 70
    Content-Type: application/sdp
    Content-Length: [len]

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

]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[

    ACK [next_url] SIP/2.0
    Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
    From: <sip:88610001@[local_ip]>;tag=[call_number]-[pid]
    To: <sip:[field0]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Max-Forwards: 70
    Content-Length: 0

]]></send>
<pause/>
<send retrans="500"><![CDATA[

    BYE [next_url] SIP/2.0
    Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
    From: <sip:88610001@[local_ip]>;tag=[call_number]-[pid]
    To: <sip:[field0]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 2 BYE
    Max-Forwards: 70
    Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


@dataclass
class Heard:
    """One call at the caller's end."""

    port: int
    source: int
    sequence: int = field(default_factory=lambda: random.randrange(1 << 15))
    keyed_s: float = 0.0
    """When the last key was let go."""
    answer_s: float | None = None
    """How long after the last key speech began."""
    last_s: float = 0.0
    packets: int = 0
    """How many came after the last key."""
    gaps: list[float] = field(default_factory=list)
    """How many seconds after speech began each gap was."""


class Callers:
    """Makes rounds of calls, all of which press the same keys at the same moments."""

    def __init__(
        self, folder: Path, host: str, to_port: int, keys: Sequence[tuple[float, str]]
    ) -> None:
        self._folder, self._host, self._to_port = folder, host, to_port
        self._presses = [
            (at_s + n * (KEY_S + GAP_S), KEYS.index(key))
            for at_s, word in keys
            for n, key in enumerate(word)
        ]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((host, 0))
        self._due: list[tuple[float, int, int, int]] = []
        self._calls: dict[int, Heard] = {}
        (folder / "caller.xml").write_text(_SCENARIO, encoding="utf-8")

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()

    def round(self, numbers: Sequence[str], calls: int, talk_s: float) -> list[Heard]:
        """Make calls to the numbers in turn, and return what was heard when all are over."""
        self._due, self._calls = [], {}
        (self._folder / "numbers.csv").write_text(
            "SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers), encoding="utf-8"
        )
        command = [
            "sipp", "-sf", "caller.xml", "-inf", "numbers.csv", "-i", self._host, "-nostdin",
            "-r", str(calls), "-rp", str(round(RAMP_S * 1000)), "-m", str(calls), "-l", str(calls),
            "-key", "voice", str(self._socket.getsockname()[1]), "-d",
            str(round(talk_s * 1000)), "-trace_err", "-error_file", "errors",
            f"127.0.0.1:{self._to_port}",
        ]  # fmt: skip
        with (self._folder / "sipp.out").open("ab") as out:
            sipp = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            until_s = time.time() + RAMP_S + talk_s + 20
            while sipp.poll() is None and time.time() < until_s:
                self._listen()
        finally:
            if sipp.poll() is None:
                sipp.kill()
                sipp.wait()
        return [*self._calls.values()]

    def _listen(self) -> None:
        wait_s = min(0.1, max(0.0, self._due[0][0] - time.time())) if self._due else 0.1
        select.select([self._socket], [], [], wait_s)
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):
                self._take(*self._socket.recvmsg(2048, 64))
                if self._due and self._due[0][0] <= time.time():
                    break
        while self._due and self._due[0][0] <= time.time():
            self._send(*heapq.heappop(self._due)[1:])

    def _take(
        self, data: bytes, about: list[tuple[int, int, bytes]], _: int, peer: tuple[str, int]
    ) -> None:
        if data[1] & 0x7F != _PCMU:
            return
        seconds, nanoseconds = struct.unpack("=qq", about[0][2][:16])
        at_s = seconds + nanoseconds / 1e9
        heard = self._calls.get(peer[1])
        if heard is None:
            heard = self._calls[peer[1]] = Heard(peer[1], random.randrange(1 << 32))
            self._plan(heard, at_s)
        if heard.keyed_s:
            if heard.answer_s is None:
                heard.answer_s = at_s - heard.keyed_s
            elif at_s - heard.last_s > LATE_S:
                heard.gaps.append(heard.last_s - heard.keyed_s - heard.answer_s)
            heard.packets += 1
        heard.last_s = at_s

    def _plan(self, heard: Heard, from_s: float) -> None:
        for n, (at_s, _) in enumerate(self._presses):
            for step, off_s in enumerate((0.0, 0.02, 0.04, KEY_S)):
                heapq.heappush(self._due, (from_s + at_s + off_s, heard.port, n, step))

    def _send(self, port: int, press: int, step: int) -> None:
        """Send one step of a key by RFC 4733; the last step is its end, three times."""
        heard = self._calls[port]
        ends = step == 3
        length = round(KEY_S * 8000) if ends else 160 * (step + 1)
        if ends and press == len(self._presses) - 1:
            heard.keyed_s = time.time()
        for _ in range(3 if ends else 1):
            heard.sequence = (heard.sequence + 1) & 0xFFFF
            head = struct.pack("!BBHII", 0x80, _EVENT | (0 if step else 0x80), heard.sequence,
                               8000 + 4000 * press, heard.source)  # fmt: skip
            body = struct.pack("!BBH", self._presses[press][1], 0x80 * ends | 10, length)
            self._socket.sendto(head + body, ("127.0.0.1", port))
