"""What is to be done after `ivrd billing check`: names for items, and lines for ivrd.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ivrd.billing.check import Check
from ivrd.cli.billing_settings import Place
from ivrd.cli.settings import command_with
from ivrd.config import Config
from ivrd.errors import Problem

OTHER = "other_charges"
"""The item that anything may be spoken under."""


def how_to_name(unnamed: Sequence[Problem], config: Config) -> Iterator[str]:
    """Yield what to do about items that the voice files cannot name."""
    if not unnamed:
        return
    yield "An item without a prompt cannot be spoken, and `ivrd run` does not start. Either"
    yield f"  - give its columns or codes in [bill.items] to an item that has one, such as {OTHER};"
    yield "  - or try the words of another trade: --trade, as named above;"
    yield '  - or name it: add item_<its code> = "…" below [prompts] in the prompts.toml of each'
    yield f"    language in {config.trade or config.prompts},"
    yield "    then `ivrd prompts make --only-missing`, or record it."


def merged(unnamed: Sequence[Problem]) -> list[Problem]:
    """Return one problem for each item, whatever the languages in which it has no prompt."""
    found: dict[str | None, Problem] = {}
    for problem in unnamed:
        known = found.get(problem.expected)
        if known is not None:
            lang = problem.what.rpartition(" ")[2]
            problem = replace(known, what=f"{known.what} and {lang}")  # noqa: PLW2901 - as a whole
        found[problem.expected] = problem
    return list(found.values())


def next_lines(
    config: Config, mapping_file: Path | None, place: Place, found: Check
) -> Iterator[str]:
    """Yield what to put into ivrd.toml so that it runs as it was tried, and how to hear it."""
    new = not config.path.exists()
    tables = _changed(config, mapping_file, place)
    if not any(tables.values()):
        return
    yield f"next: write {config.path}:" if new else f"next: in {config.path}:"
    if new:
        tables["node"] = {"languages": list(config.node.languages), **tables["node"]}
        tables["enquiry"] = {"disclosure": config.enquiry.disclosure}
        tables["[card]"] = {"name": config.card[0].name, "driver": config.card[0].driver}
    for table in ("node", "enquiry", "billing", "[card]"):
        if tables.get(table):
            yield f"  [{table}]"
        for key, said in tables.get(table, {}).items():
            why = f"   # {_WHY[key]}" if new and key in _WHY else ""
            yield f"  {key} = {json.dumps(said, ensure_ascii=False)}{why}"
    if found.sample and config.enquiry.disclosure == "open":
        yield f"then hear a bill: {_how_to_hear(config, found)}"


_WHY = {
    "disclosure": 'for trying: anybody hears any bill; then "own-line" or "checked"',
    "driver": "for trying: `ivrd call` is its telephone",
}


def _changed(
    config: Config, mapping_file: Path | None, place: Place
) -> dict[str, dict[str, str | list[str]]]:
    """Return what ivrd.toml does not say yet, by table; files as seen from its folder."""
    beside = config.path.parent.absolute() == Path.cwd()
    file = place.password_file
    billing = {
        "mapping": _seen(mapping_file, beside=beside),
        "url": place.url if beside else place.url and config.billing.url,
        "password_env": place.password_env,
        "password_file": _seen(file, beside=beside),
    }
    return {
        "node": {"trade": place.trade} if place.trade else {},
        "billing": {key: said for key, said in billing.items() if said},
    }


def _seen(file: Path | None, *, beside: bool) -> str | None:
    return None if file is None else str(file if beside else file.absolute())


def _how_to_hear(config: Config, found: Check) -> str:
    choose = "1 " if len(config.node.languages) > 1 else ""
    month = found.sample.month.replace("-", "") if found.sample else "MONTH"
    by = 1 if found.account and found.account.phone else 2
    keys = f"{choose}{month}# {by} NUMBER#"
    return f'{command_with(config)} call --fast --keys "{keys}"'
