"""Callers as scripts: a small language that a telephone person reads without a manual.

::

    caller 88610001              ; numbers as the network gives them; `withheld` for none
    called 170
    fault lose T_EOF times 1     ; what the card does wrong during this call
    never bill_total             ; must not be heard in the whole call
    hear enter_month             ; wait until this sentence begins
    key 202610# gap 0.2          ; wait until ivrd is silent, then key
    hear bill_total 一百二十三元  ; its text must contain this
    interrupt 1 after 0.5        ; key 0.5 s from here, whatever is being said
    listen                       ; wait until ivrd has spoken since the last key, and is silent
    wait 20                      ; stay silent
    hang up after 1.0
    ended ivrd                   ; or caller, or busy

A comment begins with ";". Every script ends with `hang up`, `finish` (let ivrd say all it has
to say, then hang up) or `ended`. A sentence counts for `hear` from the last key on, or from
the sentence last waited for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from ivrd.errors import Problem, ProblemsError, nearest
from ivrd.events import FROM_CARD, KEYS
from sim.faults import Dead, Double, Endless, Fault, Late, Lose, Rule, Swap
from sim.steps import (
    ENDED_WITHIN_S,
    ENDINGS,
    FINISH_SILENT_S,
    HEAR_WITHIN_S,
    KEY_AFTER_S,
    KEY_GAP_S,
    SPEAKS_WITHIN_S,
    Ended,
    Finish,
    HangUp,
    Hear,
    Interrupt,
    Key,
    Listen,
    Script,
    Step,
    Wait,
)

__all__ = ["Script", "ScriptError", "keys_script", "load_script", "parse_script"]

LONGEST_S = 7200.0

_TOKEN = re.compile(r'"[^"]*"|\S+')
_NUMBER = re.compile(r"\+?[0-9*#]+")
_SENTENCE = re.compile(r"[a-z][a-z0-9_]*")
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")


class ScriptError(ProblemsError):
    """A caller's script is wrong."""


def load_script(path: Path, sentences: Collection[str] | None = None) -> Script:
    """Read a script; as `parse_script`, and `ScriptError` where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ScriptError([Problem(f"cannot be read: {exc}", file=path, rule="no-file")]) from None
    return parse_script(text, path, sentences)


def parse_script(
    text: str, file: Path | None = None, sentences: Collection[str] | None = None
) -> Script:
    """Parse a script. With `sentences`, every sentence must be one of them.

    Raises `ScriptError` with all that is wrong, each with its line.
    """
    parser = _Parser(file, sentences)
    for number, line in enumerate(text.splitlines(), start=1):
        parser.take(number, line)
    return parser.script()


def keys_script(keys: str, caller: str = "", called: str = "") -> Script:
    """Return the script of a caller who answers question after question with `keys`.

    A space means: wait until ivrd has spoken and stopped. A word that begins with "!" is keyed
    at once, into whatever is being said. At the end the caller listens and hangs up.
    Raises `ScriptError` for what is no key.
    """
    parser = _Parser(None, None, unit="word")
    number = 0
    for number, word in enumerate(keys.split(), start=1):
        if word.startswith("!"):
            parser.take(number, f"interrupt {word[1:]}")
        else:
            parser.take(number, "listen")
            parser.take(number, f"key {word} after 0")
    parser.take(number + 1, "finish")
    script = parser.script()
    return Script(script.steps, caller, called)


class _Bad(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, what: str, expected: str | None = None, near: str | None = None) -> None:
        self.what, self.expected, self.near = what, expected, near


class _Parser:
    """Takes line after line, and remembers what is wrong with each."""

    def __init__(
        self, file: Path | None, sentences: Collection[str] | None, unit: str = "line"
    ) -> None:
        self._unit = unit
        self._file = file
        self._sentences = sentences
        self._problems: list[Problem] = []
        self._steps: list[Step] = []
        self._head: dict[str, str] = {}
        self._never: set[str] = set()
        self._faults: list[Fault] = []
        self._last = 0

    def take(self, number: int, line: str) -> None:
        words = _words(line)
        if not words:
            return
        self._last = number
        verb, rest = words[0], words[1:]
        if verb == "hang" and rest[:1] == ["up"]:
            verb, rest = "hang up", rest[1:]
        try:
            self._take_words(verb, rest, number)
        except _Bad as bad:
            problem = Problem(
                bad.what,
                file=self._file,
                line=number,
                # Without a file the line would not be told.
                key=None if self._file else f"{self._unit} {number}",
                expected=bad.expected,
                nearest=bad.near,
                rule="script",
            )
            self._problems.append(problem)

    def _take_words(self, verb: str, rest: list[str], number: int) -> None:
        if verb in _STEPS:
            self._steps.append(_STEPS[verb](self, rest, number))
        elif verb in _HEAD:
            _HEAD[verb](self, rest)
        else:
            raise _Bad(f"unknown word {verb!r}", _VERBS, nearest(verb, (*_STEPS, *_HEAD)))

    def script(self) -> Script:
        ends = self._steps and isinstance(self._steps[-1], HangUp | Finish | Ended)
        if not ends and not self._problems:
            what = "the script does not say how the call ends"
            expected = "'hang up', 'finish' or 'ended' as the last step"
            line = max(self._last, 1)
            key = None if self._file else f"{self._unit} {line}"
            self._problems.append(
                Problem(what, self._file, line, key, expected=expected, rule="no-end")
            )
        if self._problems:
            raise ScriptError(self._problems)
        head = self._head
        return Script(
            tuple(self._steps),
            head.get("caller", ""),
            head.get("called", ""),
            frozenset(self._never),
            tuple(self._faults),
            int(head.get("seed", "0")),
            self._file,
        )

    # Steps: each takes the words after its verb, and its line --------------------------

    def hear(self, words: list[str], line: int) -> Hear:
        sentence = self.sentence(words)
        at = words.index("within") if "within" in words else len(words)
        options = _options(words[at:], within=HEAR_WITHIN_S)
        text = " ".join(word.strip('"') for word in words[1:at])
        return Hear(sentence, text, options["within"], line)

    def key(self, words: list[str], line: int) -> Key:
        options = _options(words[1:], gap=KEY_GAP_S, after=KEY_AFTER_S)
        return Key(_keys(words), options["gap"], options["after"], line)

    def interrupt(self, words: list[str], line: int) -> Interrupt:
        options = _options(words[1:], gap=KEY_GAP_S, after=0.0)
        return Interrupt(_keys(words), options["gap"], options["after"], line)

    def wait(self, words: list[str], line: int) -> Wait:
        _no_more(words[1:])
        return Wait(_seconds("wait", words[0] if words else None), line)

    def listen(self, words: list[str], line: int) -> Listen:
        options = _options(words, silent=KEY_AFTER_S, within=SPEAKS_WITHIN_S)
        return Listen(options["silent"], options["within"], line)

    def finish(self, words: list[str], line: int) -> Finish:
        options = _options(words, silent=FINISH_SILENT_S, within=SPEAKS_WITHIN_S)
        return Finish(options["silent"], options["within"], line)

    def hang_up(self, words: list[str], line: int) -> HangUp:
        return HangUp(_options(words, after=0.0)["after"], line)

    def ended(self, words: list[str], line: int) -> Ended:
        by = _one_of("who ended the call", words, ENDINGS)
        return Ended(ENDINGS[by], _options(words[1:], within=ENDED_WITHIN_S)["within"], line)

    # The head: what holds for the whole call --------------------------------------------

    def number(self, what: str, words: list[str]) -> None:
        self.once(what)
        _no_more(words[1:])
        word = words[0] if words else ""
        if word != "withheld" and not _NUMBER.fullmatch(word):
            raise _Bad(f"{what}: no number: {word!r}", "digits, + * # or 'withheld'")
        self._head[what] = "" if word == "withheld" else word

    def take_seed(self, words: list[str]) -> None:
        self.once("seed")
        _no_more(words[1:])
        if not words or not re.fullmatch("[0-9]{1,18}", words[0]):
            raise _Bad("seed: no number", "a whole number, 0 or more")
        self._head["seed"] = words[0]

    def take_never(self, words: list[str]) -> None:
        self._never.add(self.sentence(words))
        _no_more(words[1:])

    def take_fault(self, words: list[str]) -> None:
        if self._steps:
            raise _Bad("a fault holds for the whole call", "it before the first step")
        self._faults.append(_fault(words))

    def once(self, what: str) -> None:
        if self._steps:
            raise _Bad(f"{what} comes too late", "it before the first step")
        if what in self._head:
            raise _Bad(f"{what} is said twice")

    def sentence(self, words: list[str]) -> str:
        word = words[0] if words else ""
        if not _SENTENCE.fullmatch(word):
            raise _Bad(f"no name of a sentence: {word!r}", "one like enter_month")
        if self._sentences is not None and word not in self._sentences:
            raise _Bad(f"unknown sentence {word!r}", None, nearest(word, self._sentences))
        return word


_STEPS: dict[str, Callable[[_Parser, list[str], int], Step]] = {
    "hear": _Parser.hear,
    "key": _Parser.key,
    "interrupt": _Parser.interrupt,
    "wait": _Parser.wait,
    "listen": _Parser.listen,
    "finish": _Parser.finish,
    "hang up": _Parser.hang_up,
    "ended": _Parser.ended,
}
_HEAD: dict[str, Callable[[_Parser, list[str]], None]] = {
    "caller": lambda parser, words: parser.number("caller", words),
    "called": lambda parser, words: parser.number("called", words),
    "seed": _Parser.take_seed,
    "never": _Parser.take_never,
    "fault": _Parser.take_fault,
}
_VERBS = ", ".join((*_HEAD, *_STEPS))
_FAULTS = ("lose", "late", "double", "swap", "endless", "dead")


def _words(line: str) -> list[str]:
    words: list[str] = []
    for match in _TOKEN.finditer(line):
        if match[0].startswith(";"):
            break
        words.append(match[0])
    return words


def _fault(words: list[str]) -> Fault:
    kind = _one_of("the fault", words, _FAULTS)
    if kind == "dead":
        given = _options(words[1:], after=0.0, **{"for": -1.0})
        return Dead(given["after"], given["for"] if given["for"] >= 0 else None)
    event, rest = None, words[1:]
    if kind != "endless":
        event = _one_of("the event", rest, (*FROM_CARD, "any"))
        rest = rest[1:]
    late = {"by": 1.0} if kind == "late" else {}
    given = _options(rest, chance=1.0, times=0.0, skip=0.0, **late)
    if not 0 <= given["chance"] <= 1 or given["times"] % 1 or given["skip"] % 1:
        raise _Bad("the fault strikes no number of times", "chance 0 to 1, times and skip whole")
    name = None if event == "any" else event
    often = (given["chance"], int(given["times"]) or None, int(given["skip"]))
    if kind == "late":
        return Late(name, *often, by_s=given["by"])
    rules: dict[str, type[Rule]] = {
        "lose": Lose,
        "double": Double,
        "swap": Swap,
        "endless": Endless,
    }
    return rules[kind](name, *often)


def _options(words: list[str], **defaults: float) -> dict[str, float]:
    """Read pairs of an option and its number; what is not said keeps its default."""
    found: dict[str, float] = {}
    for at in range(0, len(words), 2):
        word = words[at]
        if word not in defaults:
            expected = "one of " + ", ".join(defaults) if defaults else "nothing more"
            raise _Bad(f"unexpected {word!r}", expected, nearest(word, defaults))
        if word in found:
            raise _Bad(f"{word} is said twice")
        found[word] = _seconds(word, words[at + 1] if at + 1 < len(words) else None)
    return defaults | found


def _seconds(what: str, word: str | None) -> float:
    if word is None or not _DECIMAL.fullmatch(word) or float(word) > LONGEST_S:
        given = "no number" if word is None else f"no number of seconds: {word!r}"
        raise _Bad(f"{what}: {given}", f"0 to {LONGEST_S:g}, like 0.5")
    return float(word)


def _keys(words: list[str]) -> str:
    if not words:
        raise _Bad("no keys", "keys like 202610#")
    wrong = sorted(set(words[0]) - KEYS)
    if wrong or not words[0]:
        raise _Bad(f"no key of a telephone: {''.join(wrong)!r}", "0-9 * # A-D")
    return words[0]


def _one_of(what: str, words: list[str], allowed: Collection[str]) -> str:
    word = words[0] if words else ""
    if word not in allowed:
        raise _Bad(
            f"{what}: {word!r}", "one of " + ", ".join(sorted(allowed)), nearest(word, allowed)
        )
    return word


def _no_more(words: list[str]) -> None:
    if words:
        raise _Bad(f"unexpected {words[0]!r}", "the end of the line")
