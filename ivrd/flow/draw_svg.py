"""A flow painted as SVG: boxes in layers, arrows from the foot of one to the head of the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from ivrd.flow.draw_boxes import CHAR, COLOURS, LINE, WORDS, Box, boxes_of, shared
from ivrd.flow.draw_layout import GAP_X, GAP_Y, Layout, Spot, Way, laid_out
from ivrd.flow.spec import Flow, Kind

_MARGIN = 28.0
_TOP = 78.0
_STYLE = """
text{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:11px;fill:#1f2933}
.name{font-size:13px;font-weight:bold}.kind{fill:#52606d}.short{fill:#52606d}
.title{font-size:18px;font-weight:bold}.way{fill:none;stroke:#52606d;stroke-width:1.3}
.cell{stroke-width:.8;fill:none}
"""
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0.6 8 4 0 7.4Z" fill="#52606d"/></marker></defs>'
)


def svg(flow: Flow) -> str:
    """Return the flow as a picture of its own: nothing is loaded, no program is needed."""
    boxes, ends = boxes_of(flow)
    layout = laid_out(boxes, flow.start)
    tops = _tops(layout)
    last = layout.layers[-1]
    bottom = tops[-1] + max(spot.box.height for spot in last if spot.box)
    end_boxes = [boxes[name] for name in ends]
    any_lines = [f"{', '.join(events)} → {to}" for to, events in shared(flow).items()]
    ends_width = sum(box.width + GAP_X for box in end_boxes)
    any_width = max((len(line) for line in any_lines), default=0) * CHAR + 28
    width = max(layout.width, ends_width, any_width, 640.0) + 2 * _MARGIN
    shift = (width - layout.width) / 2
    body = [
        *_heading(flow),
        *_ways(layout, tops, shift),
        *(
            line
            for layer, top in zip(layout.layers, tops, strict=True)
            for spot in layer
            if spot.box
            for line in _box(spot.box, spot.x - spot.width / 2 + shift, top)
        ),
        *_ends(end_boxes, any_lines, bottom + GAP_Y, width),
    ]
    height = bottom + GAP_Y + 44 + max((box.height for box in end_boxes), default=0.0)
    height += (LINE * len(any_lines) + 52 if any_lines else 0) + _MARGIN
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    about = f'role="img" aria-label="{_text("call flow " + flow.name)}"'
    paper = f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>'
    return "\n".join([opening, f"<style>{_STYLE}</style>", _TIP, paper, *body, "</svg>", ""])


def _tops(layout: Layout) -> list[float]:
    tops: list[float] = []
    top = _TOP
    for layer in layout.layers:
        tops.append(top)
        top += max(spot.box.height for spot in layer if spot.box) + GAP_Y
    return tops


def _heading(flow: Flow) -> Iterator[str]:
    """Yield the title, and a legend of the kinds of states."""
    many = sum(1 for _ in flow.edges)
    yield f'<text class="title" x="{_MARGIN}" y="32">{_text(flow.name)}</text>'
    counts = f"{len(flow.states)} states, {many} transitions"
    yield f'<text class="kind" x="{_MARGIN + 12 * len(flow.name) + 16}" y="32">{counts}</text>'
    x = _MARGIN
    for kind in Kind:
        fill, line = COLOURS[kind]
        yield _outline(kind, x, 44, 22, 14, fill, line)
        yield f'<text x="{x + 28}" y="55">{WORDS[kind]}</text>'
        x += 28 + len(WORDS[kind]) * CHAR + 18


def _outline(kind: Kind, x: float, y: float, w: float, h: float, fill: str, line: str) -> str:
    """Return the shape that tells a kind of state without colour."""
    look = f'fill="{fill}" stroke="{line}" stroke-width="1.4"'
    if kind is Kind.BRANCH:
        cut = min(10.0, h / 2)
        right, foot = x + w, y + h
        upper = [(x, y + cut), (x + cut, y), (right - cut, y), (right, y + cut)]
        lower = [(right, foot - cut), (right - cut, foot), (x + cut, foot), (x, foot - cut)]
        points = upper + lower
        told = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        return f'<polygon points="{told}" {look}/>'
    round_ = {Kind.START: min(14.0, h / 2), Kind.STATEMENT: 8.0}.get(kind, 1.5)
    frame = f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{round_}" {look}/>'
    side = f'stroke="{line}" stroke-width="1.4"'
    if kind is Kind.DO:  # two bars: work that is done elsewhere
        frame += "".join(
            f'<line x1="{at:.1f}" y1="{y:.1f}" x2="{at:.1f}" y2="{y + h:.1f}" {side}/>'
            for at in (x + 4, x + w - 4)
        )
    if kind is Kind.MENU:  # a bar on top: keys
        frame += f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="4" fill="{line}"/>'
    if kind is Kind.COLLECT:  # a bar on the side: digits come in
        frame += f'<rect x="{x:.1f}" y="{y:.1f}" width="4" height="{h:.1f}" fill="{line}"/>'
    return frame


def _box(box: Box, x: float, y: float) -> Iterator[str]:
    kind = box.state.kind
    fill, line = COLOURS[kind]
    yield _outline(kind, x, y, box.width, box.height, fill, line)
    yield f'<text class="name" x="{x + 12:.1f}" y="{y + 19:.1f}">{_text(box.state.name)}</text>'
    yield (
        f'<text class="kind" x="{x + box.width - 12:.1f}" y="{y + 19:.1f}" '
        f'text-anchor="end">{WORDS[kind]}</text>'
    )
    at = y + 20
    for text in box.work:
        at += LINE
        yield f'<text x="{x + 12:.1f}" y="{at:.1f}">{_text(text)}</text>'
    at += 4 if box.short else 0
    for text in box.short:
        at += LINE
        yield f'<text class="short" x="{x + 12:.1f}" y="{at:.1f}">{_text(text)}</text>'
    yield from _cells(box, x, y + box.height - box.foot, line)


def _cells(box: Box, x: float, top: float, line: str) -> Iterator[str]:
    if box.cells:
        yield (
            f'<line class="cell" x1="{x:.1f}" y1="{top:.1f}" x2="{x + box.width:.1f}" '
            f'y2="{top:.1f}" stroke="{line}"/>'
        )
    for before, cell in zip([None, *box.cells], box.cells, strict=False):
        if before is not None:
            edge = x + (before.x + before.width / 2 + cell.x - cell.width / 2) / 2
            yield (
                f'<line class="cell" x1="{edge:.1f}" y1="{top:.1f}" x2="{edge:.1f}" '
                f'y2="{top + box.foot:.1f}" stroke="{line}"/>'
            )
        for number, text in enumerate(cell.lines, start=1):
            yield (
                f'<text x="{x + cell.x:.1f}" y="{top + number * LINE - 1:.1f}" '
                f'text-anchor="middle">{_text(text)}</text>'
            )


def _ways(layout: Layout, tops: Sequence[float], shift: float) -> Iterator[str]:
    row = {id(spot): number for number, layer in enumerate(layout.layers) for spot in layer}
    floor = [
        top + max(spot.box.height for spot in layer if spot.box)
        for layer, top in zip(layout.layers, tops, strict=True)
    ]
    arrives = _arrivals(layout)
    for way in layout.ways:
        level = row[id(way.source)]
        assert way.source.box is not None  # noqa: S101 - a way leaves a box
        x = way.source.x + way.leaves + shift
        y = tops[level] + way.source.box.height
        path = [f"M{x:.1f} {y:.1f}"]
        if y < floor[level]:
            y = floor[level]
            path.append(f"V{y:.1f}")
        for spot in way.passes:
            level += 1
            path.append(_bend(x, y, spot.x + shift, tops[level]))
            x, y = spot.x + shift, floor[level]
            path.append(f"V{y:.1f}")
        path.append(_bend(x, y, way.target.x + arrives[id(way)] + shift, tops[level + 1]))
        yield f'<path class="way" d="{"".join(path)}" marker-end="url(#tip)"/>'


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"


def _arrivals(layout: Layout) -> dict[int, float]:
    """Return where on the head of its target each way arrives, px from the middle."""
    found: dict[int, float] = {}
    by_target: dict[int, list[Way]] = {}
    for way in layout.ways:
        by_target.setdefault(id(way.target), []).append(way)
    for ways in by_target.values():
        ways.sort(key=_comes_from)
        step = min(18.0, (ways[0].target.width - 40) / max(len(ways) - 1, 1))
        for number, way in enumerate(ways):
            found[id(way)] = (number - (len(ways) - 1) / 2) * step
    return found


def _comes_from(way: Way) -> float:
    last: Spot = way.passes[-1] if way.passes else way.source
    return last.x if way.passes else last.x + way.leaves


def _ends(
    boxes: Sequence[Box], everywhere: Sequence[str], top: float, width: float
) -> Iterator[str]:
    """Yield the row of states where calls end, and what leads there from any state."""
    yield (
        f'<line x1="{_MARGIN}" y1="{top:.1f}" x2="{width - _MARGIN:.1f}" y2="{top:.1f}" '
        'stroke="#cbd2d9" stroke-dasharray="5 4"/>'
    )
    yield f'<text class="kind" x="{_MARGIN}" y="{top + 20:.1f}">where calls end</text>'
    x = _MARGIN
    for box in boxes:
        yield from _box(box, x, top + 32)
        x += box.width + GAP_X
    if not everywhere:
        return
    y = top + 32 + max((box.height for box in boxes), default=0.0) + 30
    yield f'<text class="name" x="{_MARGIN}" y="{y:.1f}">from any state</text>'
    for number, text in enumerate(everywhere, start=1):
        yield f'<text x="{_MARGIN}" y="{y + number * LINE + 2:.1f}">{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;"})
