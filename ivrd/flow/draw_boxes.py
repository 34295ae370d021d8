"""What the picture of a flow says of each state: a box with its name, work and ways out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ivrd.flow.routes import closing
from ivrd.flow.spec import Edge, Flow, Kind, Sentence, State

WORDS: Mapping[Kind, str] = {
    Kind.START: "start",
    Kind.BRANCH: "branch",
    Kind.DO: "order",
    Kind.STATEMENT: "statement",
    Kind.MENU: "menu",
    Kind.COLLECT: "entry",
}
"""What a kind of state is called in a picture."""

COLOURS: Mapping[Kind, tuple[str, str]] = {
    Kind.START: ("#e4e7eb", "#616e7c"),
    Kind.BRANCH: ("#fff3c4", "#b7791f"),
    Kind.DO: ("#dbeafe", "#2b6cb0"),
    Kind.STATEMENT: ("#dcfce7", "#2f855a"),
    Kind.MENU: ("#f3e8ff", "#7e3fb2"),
    Kind.COLLECT: ("#ccfbf1", "#0f766e"),
}
"""The fill and the line of each kind."""

CHAR = 6.65
"""Width of a character of the 11 px monospaced text, in px."""

NAME_CHAR = 7.85
"""Width of a character of the 13 px name, in px."""

LINE = 15.0
"""Height of a line of text, in px."""

_WRAP = 26
_SENTENCES = 3


@dataclass
class Cell:
    """One way out that is drawn as an arrow from the foot of a box."""

    to: str
    lines: list[str]
    x: float = 0.0
    """Middle of the cell, from the box's left."""

    @property
    def width(self) -> float:
        """Width in px."""
        return max(len(line) for line in self.lines) * CHAR + 14


@dataclass
class Box:
    """One state as it is drawn; sizes in px."""

    state: State
    work: list[str]
    """What the state does, a line each."""
    short: list[str]
    """Ways out that are told and not drawn: back, to itself, and to where calls end."""
    cells: list[Cell] = field(default_factory=list)
    width: float = 0.0

    @property
    def head(self) -> float:
        """Height of the name and the work."""
        return 24 + LINE * len(self.work)

    @property
    def foot(self) -> float:
        """Height of the cells."""
        return LINE * max((len(cell.lines) for cell in self.cells), default=0) + (
            6 if self.cells else 0
        )

    @property
    def height(self) -> float:
        """Height of all."""
        return self.head + LINE * len(self.short) + (8 if self.short else 4) + self.foot

    def fit(self) -> None:
        """Work out the width, and where each cell's arrow leaves."""
        title = len(self.state.name) * NAME_CHAR + len(WORDS[self.state.kind]) * CHAR + 40
        text = max((len(line) for line in [*self.work, *self.short]), default=0) * CHAR + 28
        cells = sum(cell.width for cell in self.cells)
        self.width = max(title, text, cells, 120.0)
        spare = (self.width - cells) / max(len(self.cells), 1)
        left = 0.0
        for cell in self.cells:
            cell.x = left + (cell.width + spare) / 2
            left += cell.width + spare


def grouped(state: State) -> dict[str, list[str]]:
    """Return a state's own ways out, by target; those of [any] aside."""
    found: dict[str, list[str]] = {}
    for edge in state.edges.values():
        if not edge.shared:
            found.setdefault(edge.to, []).append(_label(edge))
    return found


def shared(flow: Flow) -> dict[str, list[str]]:
    """Return the edges of [any] by target, each event once."""
    found: dict[str, list[str]] = {}
    for _, edge in flow.edges:
        if edge.shared and edge.trigger not in found.get(edge.to, ()):
            found.setdefault(edge.to, []).append(edge.trigger)
    return found


def boxes_of(flow: Flow) -> tuple[dict[str, Box], list[str]]:
    """Return a box for each state, and the names of those where calls end.

    The latter stand in a row of their own; ways to them, and ways back, are told in words.
    """
    ends = [name for name in flow.states if name in closing(flow)]
    forward = _forward(flow, ends)
    boxes: dict[str, Box] = {}
    for state in flow.states.values():
        box = Box(state, _work(state), [])
        for target, labels in grouped(state).items():
            if (state.name, target) in forward:
                box.cells.append(Cell(target, _wrapped(labels, _WRAP, ",")))
            else:
                sign = "↻" if target == state.name else f"→ {target}"
                box.short += _wrapped([*labels[:-1], f"{labels[-1]} {sign}"], 2 * _WRAP, ",")
        box.fit()
        boxes[state.name] = box
    return boxes, ends


def _forward(flow: Flow, ends: Iterable[str]) -> set[tuple[str, str]]:
    """Return the ways that lead on in the file's order, which is the order in which it is read.

    A state that only later ones lead to is taken as if it stood behind the first of them.
    """
    own = {
        name: [to for to in grouped(state) if to not in ends]
        for name, state in flow.states.items()
        if name not in ends
    }
    order = [flow.start, *(name for name in own if name != flow.start)]
    for _ in order:
        place = {name: number for number, name in enumerate(order)}
        early = next((name for name in order[1:] if not _before(name, own, place)), None)
        if early is None:
            break
        order.remove(early)
        later = [number for number, name in enumerate(order) if early in own[name]]
        order.insert(later[0] + 1 if later else len(order), early)
    place = {name: number for number, name in enumerate(order)}
    return {(name, to) for name in order for to in own[name] if place[name] < place[to]}


def _before(name: str, own: Mapping[str, list[str]], place: Mapping[str, int]) -> bool:
    return any(name in own[one] for one in own if place[one] < place[name])


def _label(edge: Edge) -> str:
    return f"{edge.trigger} if {edge.condition}" if edge.condition else edge.trigger


def _work(state: State) -> list[str]:
    if state.do:
        return [f"{state.do}({', '.join(state.takes)})"]
    if state.kind is Kind.BRANCH:
        return [f"{state.condition}?"]
    lines = [_sentence(sentence) for sentence in state.say[:_SENTENCES]]
    more = len(state.say) - _SENTENCES
    if more > 0:
        lines[-1] += f"  … {more} more"
    if state.collect:
        private = ", private" if state.collect.private else ""
        lines.append(f"{state.collect.digits} digits into {state.collect.into}{private}")
    return lines


def _sentence(sentence: Sentence) -> str:
    each = f" × {sentence.each}" if sentence.each else ""
    condition = f" if {sentence.condition}" if sentence.condition else ""
    return f"“{sentence.name}”{each}{condition}"


def _wrapped(words: Iterable[str], width: int, comma: str) -> list[str]:
    """Put words on as few lines of at most `width` characters as it takes."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 2 <= width:
            lines[-1] += f"{comma} {word}"
        else:
            if lines:
                lines[-1] += comma
            lines.append(word)
    return lines
