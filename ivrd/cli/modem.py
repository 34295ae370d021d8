"""`ivrd modem`: emulated voice modems, for those who have none at hand."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path

import click

from ivrd.card import MAX_CHANNELS
from ivrd.cli.doctor import DOCTORS, Look
from ivrd.cli.output import EXIT_NO, json_option, print_json
from ivrd.clock import LoopClock
from ivrd.commands import Prompt
from ivrd.errors import CardError
from ivrd.events import Data
from ivrd.prompts import Voices
from ivrd.resources import FLOWS, PROMPTS
from ivrd.speech.templates import Group, Template, load_declared, load_templates
from ivrd.speech.texts import TEXT_LIST
from sim.caller import ScriptedCaller
from sim.modem_demo import EmulatedModems, HangUpSign, Options, profile_names

SENTENCES = FLOWS / "sentences.toml"

BY_ID = Path("/dev/serial/by-id")
"""Where udev gives serial devices names that stay."""

GENERIC = "generic-v253"

_MARKS = {
    True: click.style("ok   ", fg="green"),
    None: click.style("note ", fg="yellow"),
    False: click.style("wrong", fg="red"),
}


@click.group()
def modem() -> None:
    """Voice modems on serial ports."""


@modem.command()
@click.argument("devices", nargs=-1, metavar="[DEVICE]...")
@click.option("--profile", metavar="NAME", help="The profile to try.  [default: each]")
@json_option
@click.pass_context
def check(ctx: click.Context, devices: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Ask serial devices whether they are voice modems that ivrd can use.

    Without devices, all that udev has named in /dev/serial/by-id, of which one should be. Each is
    opened, set up, and let go of; nobody is called. `ivrd doctor` does so for those in ivrd.toml.
    """
    given = bool(devices)
    devices = devices or tuple(sorted(map(str, BY_ID.glob("*"))))
    if not devices:
        raise CardError(f"{BY_ID}: no serial device is there; expected a modem that is plugged in, "
                        "or a device on the command line")  # fmt: skip
    looks = [look for device in devices for look in asyncio.run(_looked_at(device, profile))]
    if as_json:
        print_json([{"ok": ok, "what": what} for ok, what in looks])
    else:
        for ok, what in looks:
            click.echo(f"{_MARKS[ok]}  {what}")
    wrong = [ok is False for ok, _ in looks]
    if any(wrong) if given else all(wrong):
        ctx.exit(EXIT_NO)


async def _looked_at(device: str, profile: str | None) -> Sequence[Look]:
    """Return what the driver's doctor says of one device, with the profile that fits best."""
    (doctor,) = entry_points(group=DOCTORS, name="modem")
    names = (profile,) if profile else (GENERIC, *profile_names())
    first: Sequence[Look] = ()
    for name in names:
        options = {"ports": [device], "profile": name}
        looks: Sequence[Look] = await doctor.load()(LoopClock(), 1, options, ())
        if any(ok for ok, _ in looks):
            return looks
        first = first or looks
    return first


@modem.command()
@click.option("--ports", type=click.IntRange(1, MAX_CHANNELS), default=4, show_default=True,
              help="How many modems.")  # fmt: skip
@click.option("--profile", default=GENERIC, show_default=True, metavar="NAME",
              help=f"Which model: {', '.join(profile_names())}, or a .toml file of one's own."
              )  # fmt: skip
@click.option("--calls-an-hour", type=click.FloatRange(0, 100_000), default=120.0,
              show_default=True, help="How often somebody calls; 0: never.")  # fmt: skip
@click.option("--link", "links", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Names that stay: links DIR/modem1, DIR/modem2, … to the devices.")  # fmt: skip
@click.option("--hang-up", "sign", type=click.Choice([sign.value for sign in HangUpSign]),
              help="How the exchange shows that the far end hung up.  [default: as the model"
              " can tell]")  # fmt: skip
@click.option("--debtors", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="How called people behave.  [default: as most do]")  # fmt: skip
@click.option("--voices", type=click.Path(file_okay=False, path_type=Path), default=PROMPTS,
              metavar="DIR", help="The voice files that callers understand.  [default: those that"
              " come with ivrd]")  # fmt: skip
@click.option("--script", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="One caller, who does what the script says as soon as a modem is ready; then"
              " all ends, with 1 where the script failed.")  # fmt: skip
@click.option("--wav", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              metavar="FILE", help="With --script: write what that caller heard.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True,
              help="The same seed brings the same people.")  # fmt: skip
@click.option("--lose", type=click.FloatRange(0, 1), default=0.0, metavar="CHANCE",
              help="Chance of each byte to be lost.")  # fmt: skip
@click.option("--garble", type=click.FloatRange(0, 1), default=0.0, metavar="CHANCE",
              help="Chance of each byte to be another one.")  # fmt: skip
@click.option("--bytes-a-second", type=click.FloatRange(100), metavar="N",
              help="A slow port; 8000 are what speech needs.")  # fmt: skip
@click.option("--unplugs-an-hour", type=click.FloatRange(0, 3600), default=0.0, metavar="N",
              help="How often a modem is pulled out for some seconds.")  # fmt: skip
@json_option
@click.pass_context
def emulate(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: click.Context, ports: int, profile: str, calls_an_hour: float, links: Path | None,
    sign: str | None, debtors: Path | None, voices: Path, script: Path | None, wav: Path | None,
    seed: int, lose: float, garble: float, bytes_a_second: float | None, unplugs_an_hour: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Emulate voice modems, until Ctrl-C: any program can open them as serial ports.

    People call in and are called, hear what is played and press keys, as on ivrd's software
    card. Numbers 6001 answers, 6002 is busy, 6003 only rings; any other is somebody.
    """
    options = Options(
        profile=profile, ports=ports, calls_an_hour=calls_an_hour, seed=seed,
        sign=HangUpSign(sign) if sign else None, links=links, debtors=debtors, lose=lose,
        garble=garble, bytes_a_s=bytes_a_second, unplugs_an_hour=unplugs_an_hour, script=script,
        wav=wav,
    )  # fmt: skip
    if wav and not script:
        raise click.UsageError("--wav needs --script: whose call shall be written?")
    if not asyncio.run(_emulate(options, voices, Display(as_json=as_json))):
        ctx.exit(EXIT_NO)


async def _emulate(options: Options, voices: Path, display: Display) -> bool:
    """Emulate until Ctrl-C, or till the script's end; return whether that went as it says."""
    prompts, begins = vocabulary(voices)
    modems = EmulatedModems(LoopClock(), options, prompts, begins, display.told)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        modems.start()
    except OSError as error:
        place = error.filename2 or error.filename  # of a link, the second is its name
        where = f"{place}: " if place else ""
        raise CardError(f"{where}no emulated port: {error.strerror}") from None
    try:
        display.ports([port.name for port in modems.ports], options.profile)
        if modems.scripted is None:
            await stopped.wait()
            return True
        await _first(stopped, modems.scripted.done)
        display.script(modems.scripted)
        return modems.scripted.passed
    finally:
        modems.stop()


async def _first(*events: asyncio.Event) -> None:
    """Wait for whichever comes first."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def vocabulary(voices: Path) -> tuple[list[Prompt], dict[Prompt, str]]:
    """Return the voice files of all languages in a folder, and the sentences they begin.

    Where several sentences begin with the same file, the first is meant: samples alone do not
    tell more. Raises `PromptError`.
    """
    folders = sorted(path.parent for path in voices.glob(f"*/{TEXT_LIST}"))
    library = Voices(voices, [folder.name for folder in folders], SENTENCES)
    declared = load_declared(SENTENCES)
    begins: dict[Prompt, str] = {}
    for folder in folders:
        templates, _ = load_templates(folder, declared, library.ids(folder.name))
        for name, template in templates.items():
            for first in _first_files(template):
                prompt = library.prompt(folder.name, first)
                if prompt.text:  # a pause begins any sentence, and ends any
                    if first == name:
                        begins[prompt] = name
                    else:
                        begins.setdefault(prompt, name)
                    break
    return library.prompts(), begins


def _first_files(template: Template) -> Iterator[str]:
    """Yield the voice files with which a sentence can begin."""
    for part in template:
        if isinstance(part, Group):
            yield from (inner for inner in part.parts[:1] if isinstance(inner, str))
        elif isinstance(part, str):
            yield part
        else:
            return


@dataclass(frozen=True, slots=True)
class Display:
    """Prints what the people on the lines do."""

    as_json: bool

    def ports(self, names: list[str], profile: str) -> None:
        """Print what can be opened."""
        if self.as_json:
            print_json({"event": "ports", "profile": profile, "devices": names})
        else:
            for number, name in enumerate(names, start=1):
                click.echo(f"modem {number}: {name}  ({profile})")
        sys.stdout.flush()

    def script(self, caller: ScriptedCaller) -> None:
        """Print how the script came out."""
        if self.as_json:
            print_json({"event": "script", "passed": caller.passed, "failure": caller.failure})
        else:
            click.echo(caller.report().splitlines()[-1])

    def told(self, number: int, event: str, data: Data) -> None:
        """Print one thing that happened."""
        if self.as_json:
            print_json({"event": event, "modem": number, **data})
        else:
            at = click.style(f"{datetime.now().astimezone():%H:%M:%S}", dim=True)
            click.echo(f"{at}  {number:2}  {_words(event, data)}")
        sys.stdout.flush()


def _words(event: str, data: Data) -> str:
    match event:
        case "rings":
            return click.style(f"rings: {data['caller'] or 'number withheld'}", fg="yellow")
        case "dials":
            return click.style(f"dials {data['number']}", fg="yellow")
        case "hears":
            return f"  {data['text'] or data['sentence']}"
        case "key":
            return click.style(f"▸ {data['key']}", fg="cyan")
        case "ended":
            return click.style(f"ended by {data['by']}", fg="yellow")
        case "plugged in":
            return f"plugged in: {data['device']}"
    return event
