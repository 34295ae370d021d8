"""A softphone on this network: baresip, registered as the example of pjsip.conf has it."""

from __future__ import annotations

import asyncio
import subprocess
import time
import wave
from pathlib import Path

import numpy as np

from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import Pcm

MODULES = "/usr/lib/baresip/modules"

_CONFIG = """
sip_listen 127.0.0.1:0
module_path {modules}
module stdio.so
module g711.so
module aufile.so
module sndfile.so
module_tmp account.so
module_app menu.so
audio_player aufile,{folder}/player.wav
audio_source aufile,{folder}/silence.wav
audio_alert aufile,{folder}/alert.wav
audio_level no
snd_path {folder}
"""


class Softphone:
    """One baresip; what it hears is recorded as it plays it, jitter buffer and all."""

    def __init__(self, asterisk: PrivateAsterisk, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        at = f"127.0.0.1:{asterisk.sip_port}"
        (folder / "config").write_text(_CONFIG.format(modules=MODULES, folder=folder))
        (folder / "accounts").write_text(
            f"<sip:200@{at}>;auth_pass={asterisk.softphone_password};regint=60;"
            "audio_codecs=PCMA/8000/1;answermode=auto;dtmfmode=rtpevent\n"
        )
        (folder / "contacts").write_text("")
        with wave.open(str(folder / "silence.wav"), "wb") as silence:
            silence.setnchannels(1)
            silence.setsampwidth(2)
            silence.setframerate(8000)
            silence.writeframes(bytes(16000 * 120))
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                ["/usr/bin/baresip", "-f", str(folder)],
                stdin=subprocess.PIPE, stdout=output, stderr=output,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def type(self, text: str) -> None:
        """Type at its console: `/dial 170`, or single keys in a call."""
        assert self.process.stdin
        self.process.stdin.write(text.encode() + (b"\n" if text.startswith("/") else b""))
        self.process.stdin.flush()

    async def says(self, what: str, within_s: float = 5) -> None:
        until_s = time.monotonic() + within_s
        while what not in self.output:
            assert time.monotonic() < until_s, f"no {what!r} within {within_s} s:\n{self.output}"
            await asyncio.sleep(0.02)

    async def registered(self) -> None:
        await self.says("200 OK")

    def recording(self) -> Pcm:
        """Return all that it has heard."""
        parts = []
        for file in sorted(self.folder.glob("dump-*-dec.wav")):
            with wave.open(str(file), "rb") as dump:
                parts.append(np.frombuffer(dump.readframes(dump.getnframes()), "<i2"))
        assert parts, f"no recording:\n{self.output}"
        return np.concatenate(parts).astype(np.int16)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
