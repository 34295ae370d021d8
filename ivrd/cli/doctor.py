"""`ivrd doctor`: this machine and the set-up, checked one by one."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import click

from ivrd.assembly import load_voices
from ivrd.billing.imports.embedded import read_about
from ivrd.cli.doctor_outside import broker_look, metrics_look
from ivrd.cli.doctor_service import clock_look, log_look, service_look, user_look
from ivrd.cli.output import EXIT_NO, duration, json_option, print_json
from ivrd.cli.service import billing_reader, enquiry_flow
from ivrd.cli.settings import settings
from ivrd.clock import LoopClock
from ivrd.commands import Prompt
from ivrd.config import CardTable, Config
from ivrd.daemon import CARDS
from ivrd.errors import IvrdError, PromptError
from ivrd.import_times import too_old
from ivrd.prompts import check_prompts
from ivrd.stand_alone import check_data, read_mapping
from ivrd.synthesised import outdated

DOCTORS = "ivrd.doctors"
"""Entry point group of what examines cards: by the driver's name, an asynchronous function of
clock, channels, options and prompts that returns a `Look` for each thing it looked at."""

OLDEST_PYTHON = (3, 11)
FILES_A_LINE = 4
"""Descriptors that a busy line may hold: its log, a voice file, a far end, a lookup."""
FILES_ASIDE = 128
LONGEST_SOCKET = 107
"""Bytes of a socket's path (sun_path of Linux's unix(7), its end aside)."""
VOICE_PACKAGES = ("numpy", "pydub", "pypinyin", "soundfile", "soxr")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `ok` None is advice, False has to be put right."""

    check: str
    ok: bool | None
    what: str


Look: TypeAlias = "tuple[bool | None, str]"


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine and the set-up; say what to do about what is wrong."""
    findings = []
    for finding in examine(ctx.obj):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.ok is False for finding in findings):
        ctx.exit(EXIT_NO)


def examine(config_file: Path) -> Iterator[Finding]:
    """Yield each finding as soon as it is there."""
    found = sys.version_info[:3]
    told = ".".join(str(part) for part in found)
    good = found >= OLDEST_PYTHON
    yield Finding("python", good, told if good else f"{told}; ivrd needs 3.11 or newer")
    yield Finding("voice tools", *_voice_tools())
    try:
        config = settings(config_file)
    except IvrdError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, str(config.path))
    for check, look in _LOOKS.items():
        try:
            yield Finding(check, *look(config))
        except IvrdError as error:
            yield Finding(check, False, str(error))
    yield from _each_card(config)


def _line(finding: Finding) -> str:
    word, colour = {True: ("ok", "green"), None: ("note", "yellow"), False: ("wrong", "red")}[
        finding.ok
    ]
    text = finding.what.replace("\n", "\n" + " " * 21)
    return f"{click.style(f'{word:5}', fg=colour)}  {finding.check:12}  {text}"


def _voice_tools() -> Look:
    missing = [name for name in VOICE_PACKAGES if find_spec(name) is None]
    missing += [] if shutil.which("espeak-ng") else ["espeak-ng"]
    if missing:
        told = f"without {', '.join(missing)}; only `ivrd prompts make` needs them"
        return None, f"{told}: pip install 'ivrd[voice]', apt install espeak-ng"
    return True, "espeak-ng and ivrd[voice]"


def _flow(config: Config) -> Look:
    try:
        flow = enquiry_flow(config)
    except PromptError:
        return None, f"{config.flow_file}: not proved while voice files are wrong"
    return True, f"{config.flow_file}, {len(flow.states)} states, {flow.hash}"


def _prompts(config: Config) -> Look:
    problems = check_prompts(
        config.prompts, config.node.languages, config.flows / "sentences.toml", config.trade
    )
    problems += outdated(config.prompts, config.node.languages)
    if problems:
        return False, "\n".join(str(problem) for problem in problems)
    return True, f"{config.prompts}: {', '.join(config.node.languages)}"


def _billing(config: Config) -> Look:
    with billing_reader(config) as reader:
        check = check_data(config, read_mapping(config), reader.database.engine)
    told = "\n".join(str(problem) for problem in (*check.problems, *check.warnings))
    if check.problems:
        return False, told
    return (None, told) if check.warnings else (True, f"{config.mapping.stem} fits the database")


def _imports(config: Config) -> Look:
    if config.import_ is None or config.billing_file is None:
        return True, "none: billing data is read where it is"
    about, now = read_about(config.billing_file), datetime.now(config.zone)
    if about is None:
        return False, "nothing was imported yet; `ivrd import` does"
    age = duration((now - about.as_of).total_seconds())
    told = f"{config.billing_file}, {age} old, {about.rows['accounts']:,} accounts"
    if too_old(config.import_, about.as_of, now):
        return None, f"{told}: older than it should be; `ivrd status` and the log say why"
    return True, told


def _cards(config: Config) -> Look:
    known = entry_points(group=CARDS).names
    missing = sorted({card.driver for card in config.card} - known)
    if missing:
        return False, f"no driver {', '.join(missing)}; there are {', '.join(sorted(known))}"
    return True, ", ".join(f"{card.name} ({card.driver})" for card in config.card)


def _each_card(config: Config) -> Iterator[Finding]:
    """Ask the doctor of each card whose driver has one."""
    doctors = {point.name: point for point in entry_points(group=DOCTORS)}
    for card in config.card:
        if card.driver not in doctors:
            continue
        check = f"card {card.name}"
        try:
            prompts = load_voices(config, read_mapping(config)).prompts()
            looks = asyncio.run(_examined(doctors[card.driver].load(), config, card, prompts))
        except IvrdError as error:
            looks = [(False, str(error))]
        for look in looks:
            yield Finding(check, *look)


async def _examined(
    doctor: Any, config: Config, card: CardTable, prompts: Sequence[Prompt]
) -> list[Look]:
    clock = LoopClock(config.zone)
    return list(await doctor(clock, card.channels, card.options, prompts))


def _data(config: Config) -> Look:
    folder = config.data
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return False, f"cannot write into {folder}: {error.strerror}"
    return True, str(config.data)


def _disk(config: Config) -> Look:
    folder = config.data
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free / 1e6
    lines = len(list(config.every_line()))
    if config.log.rotation == "outside":
        return True, f"{free_mb:,.0f} MB free; logrotate says how far logs grow"
    logs = lines + (config.log.daemon is not None)
    most_mb = logs * config.log.max_mb * (config.log.keep + 1)
    told = f"{free_mb:,.0f} MB free, logs can grow to {most_mb:,.0f} MB"
    if free_mb < most_mb:
        return None, f"{told}; lower log.keep or log.max_mb, or make room"
    return True, told


def _files(config: Config) -> Look:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_ASIDE + FILES_A_LINE * len(list(config.every_line()))
    if limit != resource.RLIM_INFINITY and limit < needed:
        return False, f"{limit} open files allowed, {needed} needed; raise it with ulimit -n"
    return True, f"{limit} open files allowed"


def _socket(config: Config) -> Look:
    path = config.socket.absolute()
    if len(str(path).encode()) > LONGEST_SOCKET:
        return False, f"{path} is longer than {LONGEST_SOCKET} bytes; set places.socket"
    if not path.exists():
        return True, f"{path} is free; `ivrd run` starts the daemon"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except OSError:
            return None, f"{path} is left over; `ivrd run` takes it away"
    return True, f"a daemon answers on {path}"


_LOOKS: dict[str, Callable[[Config], Look]] = {
    "flow": _flow,
    "prompts": _prompts,
    "billing": _billing,
    "imports": _imports,
    "cards": _cards,
    "data folder": _data,
    "disk": _disk,
    "open files": _files,
    "socket": _socket,
    "logs": log_look,
    "user": user_look,
    "clock": clock_look,
    "service": service_look,
    "broker": broker_look,
    "metrics": metrics_look,
}
