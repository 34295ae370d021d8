"""Scripted calls: what `sim.script` reads, and around it the office they are made to.

A ``.call`` file is a caller's script with four more words, each at the beginning of a line::

    office disclosure checked             ; how the service is set up
    office profile water                  ; whose bills: a ready profile, with its trade's words
    billing down during read_bill         ; what the lookups of an action meet
    operator stops when menu_repeat       ; what happens besides, and when
    secret 139999                         ; must not stand in the log
    expect left_in menu                   ; how the call must have gone

With `debtor` there is a campaign and one of its debtors, by the telephone number in the billing
data. With `dials` the call is ivrd's, and the script is what the person called does; without it
the debtor rings back::

    debtor 88610005
    campaign confirm digits               ; how the campaign is set up
    campaign notice supply 2026-11-25     ; or a notice, of that prompt and day
    fact rings_back                       ; what else the flow is told
    dials machine                         ; who answers, or what the network says
    transfer refuses                      ; what comes of a transfer
    expect kept promise 2026-12-24 764.20 ; all that then stands in the store

The first comment says what the call shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ivrd.config import Config
from sim.script import Script, parse_script

TRACES = Path(__file__).parent / "traces"

_OFFICE = {
    "disclosure", "proof", "languages", "rings", "when_stopped", "closed", "role", "lookup_s",
    "zero_items", "bill_run", "calls_before", "months_back", "profile",
}  # fmt: skip
_MEETS = {"slow", "down", "locked", "wrong", "gone", "settled", "fault", "late"}
_DOES = {"stops", "shuts", "reloads", "closes", "loses_loop", "rings_off", "hangs_up", "is_machine"}
_EXPECTS = {"ended_by", "left_in", "notes", "lang", "status", "remark", "counter", "kept"}
_CAMPAIGN = {
    "confirm", "times", "notice", "to_holder", "list", "speaks", "groups", "stale_after",
}  # fmt: skip
_DIALS = {
    "person", "machine", "busy", "nobody", "switched_off", "unallocated", "trunk_down",
}  # fmt: skip
_TRANSFERS = {"moves", "refuses", "silence"}
MANY = {"remark", "counter", "kept"}
"""What is expected line by line."""


@dataclass(frozen=True)
class Meets:
    """What an action's lookups meet, from the `skip`-th on."""

    what: str
    late_s: float = 0.0
    skip: int = 0


@dataclass(frozen=True)
class Besides:
    """What happens when a sentence begins, in a state, or so long after the call was placed."""

    what: str
    sentence: str | None = None
    state: str | None = None
    at_s: float = 0.0


@dataclass
class CallFile:
    """One scripted call; `expected` holds the words after each `expect`."""

    path: Path
    shows: str
    script: Script
    office: dict[str, str] = field(default_factory=dict)
    meets: dict[str, Meets] = field(default_factory=dict)
    too_long_in: str = ""
    """A state in which the call's time shall be up, by a shorter limit on its length."""
    base: CallFile | None = None
    """The scripted call that this one is made of, in families of calls."""
    debtor: str = ""
    """The number of a debtor whom a campaign is to reach."""
    campaign: dict[str, str] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    dials: str = ""
    """What comes of the dial; "" where the call is a caller's."""
    transfer: str = ""
    besides: list[Besides] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    expected: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem


def every_call_file(service: str = "enquiry") -> list[CallFile]:
    """Return all scripted calls of a service, by name."""
    return [load_call(path) for path in sorted((TRACES / service).glob("*.call"))]


def load_call(path: Path, sentences: frozenset[str] | None = None) -> CallFile:
    """Read one file; a mistake in it raises `ValueError` or `sim.script.ScriptError`."""
    text = path.read_text(encoding="utf-8")
    call = CallFile(path, text.splitlines()[0].removeprefix(";").strip(), Script(()))
    left = [line if not _taken(call, line) else "" for line in text.splitlines()]
    call.script = parse_script("\n".join(left), path, sentences)
    return call


def _taken(call: CallFile, line: str) -> bool:
    """Take a line that is for the office; False for the script's own."""
    words = line.split(";", 1)[0].split()
    takers: dict[str, Callable[[CallFile, list[str]], None]] = {
        "office": _office, "billing": _billing, "operator": _besides, "secret": _secret,
        "expect": _expect, "debtor": _debtor, "campaign": _campaign, "fact": _fact,
        "dials": _dials, "transfer": _transfer,
    }  # fmt: skip
    if not words or words[0] not in takers:
        return False
    try:
        takers[words[0]](call, words[1:])
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{call.path.name}: {line!r}: {error}") from None
    return True


def _known(word: str, words: set[str]) -> str:
    if word not in words:
        raise ValueError(f"{word!r} is none of {', '.join(sorted(words))}")
    return word


def _office(call: CallFile, words: list[str]) -> None:
    call.office[_known(words[0], _OFFICE)] = " ".join(words[1:])


def _billing(call: CallFile, words: list[str]) -> None:
    what, late_s = _known(words[0], _MEETS), 0.0
    if what == "late":
        late_s = float(words.pop(1))
    if words[1] != "during":
        raise ValueError("expected 'during' and the action")
    skip = int(words[4]) if words[3:4] == ["after"] else 0
    call.meets[words[2]] = Meets(what, late_s, skip)


def _besides(call: CallFile, words: list[str]) -> None:
    what = _known(words[0], _DOES)
    if words[1] == "when":
        call.besides.append(Besides(what, sentence=words[2]))
    elif words[1] == "at":
        call.besides.append(Besides(what, at_s=float(words[2])))
    else:
        raise ValueError("expected 'when' and a sentence, or 'at' and seconds")


def _secret(call: CallFile, words: list[str]) -> None:
    call.secrets += words


def _debtor(call: CallFile, words: list[str]) -> None:
    call.debtor = words[0]
    call.secrets += words


def _campaign(call: CallFile, words: list[str]) -> None:
    call.campaign[_known(words[0], _CAMPAIGN)] = " ".join(words[1:])


def _fact(call: CallFile, words: list[str]) -> None:
    call.facts += words


def _dials(call: CallFile, words: list[str]) -> None:
    call.dials = _known(words[0], _DIALS)


def _transfer(call: CallFile, words: list[str]) -> None:
    call.transfer = _known(words[0], _TRANSFERS)


def _expect(call: CallFile, words: list[str]) -> None:
    what = _known(words[0], _EXPECTS)
    if what in MANY:
        call.expected.setdefault(what, []).append(" ".join(words[1:]))
    else:
        call.expected[what] = words[1:]


def config_for(call: CallFile, database: Path) -> Config:
    """Return the settings of ivrd.toml that the call's `office` lines stand for."""
    office = call.office
    enquiry: dict[str, object] = {
        "disclosure": office.get("disclosure", "open"),
        "when_stopped": office.get("when_stopped", "sentence"),
        "speak_zero_items": "zero_items" in office,
        "months_back": int(office.get("months_back", "12")),
    }
    if "proof" in office:
        enquiry["proof"] = office["proof"]
    node: dict[str, object] = {"languages": office.get("languages", "zh-CN en-US").split()}
    if "profile" in office:
        node["trade"] = office["profile"]
    settings: dict[str, object] = {
        "node": node,
        "enquiry": enquiry,
        "billing": {"mapping": office.get("profile", "telecom"), "url": f"sqlite:///{database}"},
        "card": [{"name": "soft", "driver": "software", "channels": 1}],
    }
    if call.debtor:
        node["area_code"] = "0571"
        settings["dunning"] = {"caller_id": "+8657188617000", "ring_back_days": 7} | (
            {"transfer": "+8657188618000"} if call.transfer else {}
        )
    return Config.model_validate(settings)
