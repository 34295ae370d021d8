"""`ivrd prompts`: the voice files, checked, listed, made and copied."""

from __future__ import annotations

import importlib
import sys
import wave
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from ivrd.cli.output import EXIT_NO, json_option, print_json, print_problems, problem_json
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.errors import ConfigError, Problem, PromptError, nearest
from ivrd.prompt_copies import copy_prompts
from ivrd.prompts import AUDIO, check_prompts
from ivrd.speech.trades import Layer, layers
from ivrd.synthesised import outdated

_lang = click.option("--lang", "langs", multiple=True, metavar="TAG",
                     help="Only this language, such as zh-CN; may be repeated.")  # fmt: skip
_trade = click.option("--trade", metavar="NAME|./DIR",
                      help="The words of this trade.  [default: as in ivrd.toml]")  # fmt: skip


@click.group()
def prompts() -> None:
    """Check, list, make and copy voice files."""


@prompts.command()
@_lang
@_trade
@json_option
@click.pass_context
def check(ctx: click.Context, langs: tuple[str, ...], trade: str | None, as_json: bool) -> None:
    """Find voice files that are missing, clipped, silent, of a wrong format, or not of their text.

    Synthesised ones are held against their text; a recording by a person is not.
    """
    config = _settings(ctx.obj, trade)
    languages = _languages(config, langs)
    sentences = config.flows / "sentences.toml"
    problems = check_prompts(config.prompts, languages, sentences, config.trade)
    problems += outdated(config.prompts, languages, config.trade)
    if as_json:
        print_json({"languages": languages, "ok": not problems,
                    "problems": [problem_json(problem) for problem in problems]})  # fmt: skip
    else:
        print_problems(problems)
        if not problems:
            over = f", the trade in {config.trade}" if config.trade else ""
            click.echo(f"ok: {', '.join(languages)} in {config.prompts}{over}")
    if problems:
        ctx.exit(EXIT_NO)


@prompts.command("list")
@_lang
@_trade
@json_option
@click.pass_obj
def list_texts(config_file: Path, langs: tuple[str, ...], trade: str | None, as_json: bool) -> None:
    """List what a person reads aloud, and how long each voice file is."""
    config = _settings(config_file, trade)
    rows = []
    for lang in _languages(config, langs):
        said: dict[str, tuple[str, Path]] = {}
        for layer in _layers(config, lang):
            if layer.listed.problems:
                raise PromptError(layer.listed.problems)
            for id_, text in layer.listed.texts.items():
                said[id_] = (text.text, layer.folder / AUDIO / f"{id_}.wav")
        rows += [(lang, id_, text, _seconds(file)) for id_, (text, file) in said.items()]
    if as_json:
        print_json([dict(zip(("lang", "id", "text", "seconds"), row, strict=True)) for row in rows])
    else:
        print_table(("lang", "id", "text", "seconds"), rows)


@prompts.command()
@_lang
@_trade
@click.option("--force", is_flag=True, help="Make all anew, recordings by people included.")
@click.option("--only-missing", is_flag=True, help="Leave every file that exists.")
@json_option
@click.pass_obj
def make(
    config_file: Path, langs: tuple[str, ...], trade: str | None, force: bool,
    only_missing: bool, as_json: bool,
) -> None:  # fmt: skip
    """Synthesise voice files that are missing, or whose text has changed (espeak-ng)."""
    synthesis = _synthesis()
    config = _settings(config_file, trade)
    languages = _languages(config, langs)
    total = sum(len(one.listed.texts) for lang in languages for one in _layers(config, lang))
    with Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        bar = progress.add_task("Making voice files", total=total)
        report = synthesis.make_prompts(
            config.prompts, languages, trade=config.trade, force=force, only_missing=only_missing,
            progress=lambda _lang, _prompt, _what: progress.advance(bar),
        )  # fmt: skip
    if as_json:
        print_json({"made": report.made, "kept": report.kept, "recorded": report.recorded})
        return
    for name in report.made:
        click.echo(f"made {name}")
    click.echo(f"{len(report.made)} made, {len(report.kept)} kept, "
               f"{len(report.recorded)} recordings left alone")  # fmt: skip


@prompts.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@_lang
@_trade
@json_option
@click.pass_obj
def deploy(
    config_file: Path, folder: Path, langs: tuple[str, ...], trade: str | None, as_json: bool
) -> None:
    """Copy the voice files to DIR, where Asterisk reads them: new and changed ones.

    Nothing there is taken away.
    """
    config = _settings(config_file, trade)
    copied = copy_prompts(config.prompts, _languages(config, langs), folder, config.trade)
    here, there = config.prompts.absolute(), folder.absolute()
    if as_json:
        print_json(asdict(copied) | {"prompts_here": here, "prompts_there": there})
        return
    for word, names in (("new", copied.new), ("changed", copied.changed)):
        for name in names:
            click.echo(f"{word:7}  {name}")
    click.echo(
        f"{len(copied.new)} new, {len(copied.changed)} changed, {len(copied.same)} as before"
    )
    click.echo(f'the card\'s options: prompts_here = "{here}", prompts_there = "{there}"')


def _settings(config_file: Path, trade: str | None) -> Config:
    """Return the settings, with another trade where one is named."""
    config = settings(config_file)
    if trade is None:
        return config
    return config.model_copy(update={"node": config.node.model_copy(update={"trade": trade})})


def _layers(config: Config, lang: str) -> list[Layer]:
    return layers(config.prompts, lang, config.trade)


def _languages(config: Config, langs: tuple[str, ...]) -> list[str]:
    """Return the languages asked for, or all enabled ones."""
    there = sorted(
        path.name for path in config.prompts.glob("*") if (path / "prompts.toml").exists()
    )
    unknown = [lang for lang in langs if lang not in there]
    if unknown:
        raise ConfigError([
            Problem(f"no language {lang!r}", file=config.prompts, rule="unknown-language",
                    expected=f"one of {', '.join(there)}", nearest=nearest(lang, there))
            for lang in unknown
        ])  # fmt: skip
    return list(langs) or list(config.node.languages)


def _seconds(file: Path) -> float | None:
    """Return the length of a voice file; None where there is none that can be read."""
    try:
        with wave.open(str(file), "rb") as audio:
            return round(audio.getnframes() / audio.getframerate(), 2)
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return None


def _synthesis() -> Any:
    """Return `ivrd.synthesis`, which needs packages that calls do not."""
    try:
        return importlib.import_module("ivrd.synthesis")
    except ImportError as error:
        what = f"{error.name} is not installed; making voice files needs ivrd[voice]"
        raise PromptError(
            [Problem(what, expected="pip install 'ivrd[voice]'", rule="synthesis")]
        ) from None
