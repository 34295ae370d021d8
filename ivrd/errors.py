"""The exception tree, and how a problem is told.

::

    IvrdError
    ├── ProblemsError      what a person wrote is wrong; carries every Problem found
    │   ├── ConfigError        ivrd.toml
    │   ├── FlowError          fsm_specs/
    │   ├── MappingError       a billing mapping, or the schema it points at
    │   ├── PromptError        voice_prompts/
    │   ├── CampaignError      a campaign file
    │   └── ListError          a list of debtors, or a cell of it
    ├── SpeechError        a value that no grammar can speak
    ├── TraceError         a line log that does not parse
    ├── CardError          a card that cannot be opened or has gone away
    ├── BillingError       a lookup that brought no answer
    │   ├── BillingSlow        no answer within the time limit
    │   └── BillingDown        not reachable, or the breaker is open
    ├── StoreError         ivrd's own store refused
    │   ├── StoreBusy          held by others for too long; nothing was changed
    │   └── StoreDown          not reachable, or its disk or server failed
    └── ControlError       the daemon is not running, or refused

Foreign exceptions are translated into these at the edge where they arise, once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that a person who wrote `name` most likely meant, if any."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def arose_at(error: BaseException) -> str:
    """Return file, line and function where `error` arose: what is safe to log of any error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in what a person wrote: what, where, what was expected, nearest name.

    `rule` is a short stable word for the kind of problem, for tests and for `--json`.
    """

    what: str
    file: Path | None = None
    line: int | None = None
    key: str | None = None
    expected: str | None = None
    nearest: str | None = None
    rule: str = ""

    def __str__(self) -> str:
        place = str(self.file) if self.file else ""
        if place and self.line:
            place += f":{self.line}"
        text = ": ".join(part for part in (place, self.key, self.what) if part)
        if self.expected:
            text += f"; expected {self.expected}"
        if self.nearest:
            text += f"; did you mean {self.nearest!r}?"
        return text


class IvrdError(Exception):
    """Everything that ivrd raises on purpose."""


class ProblemsError(IvrdError):
    """What a person wrote is wrong; `problems` holds all that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class ConfigError(ProblemsError):
    """ivrd.toml is wrong."""


class FlowError(ProblemsError):
    """A flow file is wrong."""


class MappingError(ProblemsError):
    """A billing mapping is wrong, or the schema is not as it says."""


class PromptError(ProblemsError):
    """The voice files of a language are wrong or not complete."""


class CampaignError(ProblemsError):
    """A campaign file is wrong, or its hours can never be called in."""


class ListError(ProblemsError):
    """A list of debtors is wrong; each problem names row and column, never what stands there."""


class SpeechError(IvrdError):
    """A value that no grammar can speak. Carries the sentence's name, never the value."""


class TraceError(IvrdError):
    """A line log that does not parse; names file and line."""


class CardError(IvrdError):
    """A card cannot be opened, or has gone away."""


class BillingError(IvrdError):
    """A billing lookup brought no answer."""


class BillingSlow(BillingError):  # noqa: N818 - the name is the answer the caller hears
    """The billing database did not answer within the time limit."""


class BillingDown(BillingError):  # noqa: N818 - as above
    """The billing database cannot be reached, or the breaker is open after repeated failures."""


class StoreError(IvrdError):
    """ivrd's own store refused; the text never holds a person's data."""


class StoreBusy(StoreError):  # noqa: N818 - as above
    """Others held the store for too long; nothing was changed."""


class StoreDown(StoreError):  # noqa: N818 - as above
    """The store cannot be reached, or its disk or server failed."""


class ControlError(IvrdError):
    """The daemon is not running, does not answer, or refused a request."""
