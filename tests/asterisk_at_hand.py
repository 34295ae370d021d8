"""`make asterisk`: a private Asterisk with deploy/asterisk, and ivrd on it, for your softphone.

Everything is on the loopback address and in var/asterisk, or another folder, which is made anew.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from ivrd.cli import main as ivrd
from tests.real.private_asterisk import PrivateAsterisk, missing

TOP = Path(__file__).resolve().parent.parent
SIP_PORT = 5060
"""Where a softphone looks first (RFC 3261 §19.1.2); a free one where it is taken."""

IVRD = (sys.executable, "-c", "from ivrd.cli import main; main(prog_name='ivrd')")


def sample_on(asterisk: PrivateAsterisk, folder: Path) -> Path:
    """Make the sample set-up with a card that dials this Asterisk's endpoints by their number."""
    made = CliRunner().invoke(ivrd, ["sample-data", str(folder), "--accounts", "40"])
    if made.exit_code:
        raise RuntimeError(made.output)
    file = folder / "ivrd.toml"
    text = file.read_text("utf-8")
    options = (
        f'url = "http://127.0.0.1:{asterisk.http_port}", '
        f'password_file = "{asterisk.secret_file}", endpoint = "PJSIP/{{digits}}"'
    )
    for pattern, new in (
        ('driver = "demo"', 'driver = "asterisk"'),
        ("options = .*", f"options = {{ {options} }}"),
        (r'test = \["6001".*', 'test = ["200", "201"]'),
    ):
        text, times = re.subn(pattern, new, text)
        if times != 1:
            raise RuntimeError(f"the sample ivrd.toml has {pattern!r} {times} times")
    file.write_text(text, "utf-8")
    return file


def main(folder: Path) -> int:
    """Run both until ivrd ends; return its exit code."""
    lacks = missing()
    if lacks:
        print(lacks, file=sys.stderr)
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own = folder / "asterisk"
    asterisk = PrivateAsterisk(own, sip_port=SIP_PORT) if _is_free() else PrivateAsterisk(own)
    config = sample_on(asterisk, folder)
    asyncio.run(asterisk.start())
    try:
        print(
            f"softphone: server 127.0.0.1:{asterisk.sip_port} (UDP), user 200, password"
            f" {asterisk.softphone_password}\n"
            "dial 170 and hear the bill of 88610001; in another terminal, ivrd calls you:\n"
            f"  ivrd --config {config} dial --test 200",
            flush=True,
        )
        if sys.stdin.isatty():
            input("Enter starts ivrd's live view, q ends it: ")
        return _run(["--config", str(config), "run", *(["--watch"] if sys.stdin.isatty() else [])])
    finally:
        asterisk.stop()


def _run(words: list[str]) -> int:
    """Run ivrd; what ends this process ends it first."""
    process = subprocess.Popen([*IVRD, *words], cwd=TOP)  # noqa: S603 - our own command
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


def _is_free() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", SIP_PORT))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if sys.argv[1:] else "var/asterisk").absolute()))
