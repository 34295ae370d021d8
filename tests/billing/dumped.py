"""Dumps of billing databases as other vendors make them, loaded into the servers they are for."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tomllib
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ivrd import resources
from ivrd.prompts import Voices
from tests.billing.places import BillingServer, change

DUMPS = Path(__file__).with_name("dumps")

KIND = {
    "jfxt_county": "mariadb",
    "bss97": "mariadb",
    "wuye": "postgresql",
    "shuiwu": "sqlite",
    "catv": "sqlite",
}
"""What each dump was taken from."""


@dataclass
class Caller:
    """One who rings, what they key and must hear; without an account they are unknown."""

    account: str
    phone: str | None = None
    agreement: str | None = None
    language: str | None = None
    owes_fen: int = 0
    hears: dict[str, str] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Expected:
    """What was worked out by hand from a dump."""

    today: date
    callers: list[Caller]
    debtors: list[list[Any]]
    items: dict[str, str]


def expected_of(name: str) -> Expected:
    """Return what is expected of a dump."""
    said = tomllib.loads((DUMPS / f"{name}.expected.toml").read_text("utf-8"))
    callers = [Caller(**caller) for caller in said["caller"]]
    return Expected(said["today"], callers, said["debtors"], said.get("items", {}))


def load_into(url: str, name: str) -> None:
    """Load a dump into a new database, as its owner."""
    text = (DUMPS / f"{name}.sql").read_text("utf-8")
    if KIND[name] == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.executescript(text)
        return
    plain = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    statements = [one for one in re.split(r";\s*$", plain, flags=re.MULTILINE) if one.strip()]
    change(url, *(one.replace("%", "%%") for one in statements))


def dumped(name: str, server: BillingServer | None, folder: Path) -> str:
    """Load a dump into a database of its own; return the URL by which ivrd reads it."""
    url = server.new() if server else f"sqlite:///{folder / name}.db"
    load_into(url, name)
    if KIND[name] == "postgresql":
        change(url, 'GRANT USAGE ON SCHEMA "WuYe" TO reader',
               'GRANT SELECT ON ALL TABLES IN SCHEMA "WuYe" TO reader')  # fmt: skip
    return server.reader_url(url) if server else url


def voices_with(items: dict[str, str], folder: Path) -> Voices:
    """Return the Mandarin voice with names for more items; each speaks as some other item does."""
    made = folder / "zh-CN"
    shutil.copytree(resources.PROMPTS / "zh-CN", made)
    file = made / "prompts.toml"
    known = {f"item_{code}" for code in items}
    kept = [
        line for line in file.read_text("utf-8").splitlines()
        if line.partition("=")[0].strip() not in known
    ]  # fmt: skip
    audio = made / "audio"
    for code, text in items.items():
        kept.append(f'item_{code} = "{text}"')
        shutil.copyfile(audio / "item_data.wav", audio / f"item_{code}.wav")
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return Voices(folder, ["zh-CN"], resources.FLOWS / "sentences.toml")
