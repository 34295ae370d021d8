"""[import] of ivrd.toml: where billing data is imported from in stand-alone mode (product B2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ivrd.errors import Problem
from ivrd.toml_file import TomlFile

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; write it as 02:30")
    return text


Mode: TypeAlias = Literal["network", "stand-alone"]
Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ImportTable(BaseModel):
    """[import]: one source, a database (`url`) or `files`: a folder of CSV, a CSV, an XLSX.

    `mapping` describes the source. `at` are times of day in the node's zone, on `days`; without
    them only `ivrd import` imports. `months` before the present one are kept besides it. With
    more than `refused` (0 to 1) of the rows of any part refused, the data in use stays. `limit_s`
    is how long one statement on the source may take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mapping: str
    url: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    files: Path | None = None
    at: list[Annotated[str, AfterValidator(_time)]] = Field(default_factory=list)
    days: list[Day] = Field(list(DAYS), min_length=1)
    months: int = Field(12, ge=1, le=120)
    refused: float = Field(0.01, ge=0, le=1)
    limit_s: float = Field(1800, ge=10, le=86_400)


def import_problems(
    mode: Mode, billing: dict[str, Any], table: ImportTable | None, told: int, file: TomlFile
) -> Iterator[Problem]:
    """Return what is wrong between [billing], as it stands in the file, and [import].

    `told` is how many months back callers are told of.
    """
    if mode == "network":
        for key in ("mapping", "url"):
            if not billing.get(key):
                yield file.problem(("billing", key), "missing", rule="missing")
        if table is not None:
            yield file.problem(("import",), "is used in stand-alone mode only",
                               expected='billing.mode = "stand-alone"', rule="no-use")  # fmt: skip
        return
    for key in ("mapping", "url", "password_env", "password_file"):
        if key in billing:
            yield file.problem(("billing", key), "is not used in stand-alone mode",
                               expected=f"import.{key}", rule="no-use")  # fmt: skip
    if table is None:
        yield file.problem(("billing", "mode"), "is stand-alone without a table [import]",
                           expected="an [import] with mapping, and url or files",
                           rule="missing")  # fmt: skip
        return
    if (table.url is None) == (table.files is None):
        what = "names both url and files" if table.url else "names no source"
        yield file.problem(("import",), what, expected="url or files", rule="source")
    if table.months < told:
        what = f"is {table.months}, but callers may ask for {told}: older bills would not be there"
        yield file.problem(("import", "months"), what, rule="count",
                           expected=f"{told} or more, or less of enquiry.months_back")  # fmt: skip
    for key in ("password_env", "password_file"):
        if table.url is None and getattr(table, key):
            yield file.problem(("import", key), "a password without a url", expected="import.url",
                               rule="no-use")  # fmt: skip
