"""The picture of a flow shows all of it, and nothing lies on anything else."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ivrd.errors import FlowError
from ivrd.flow.draw import mermaid, svg
from ivrd.flow.draw_boxes import boxes_of, grouped, shared
from ivrd.flow.draw_layout import Layout, laid_out
from ivrd.flow.fold import folded
from ivrd.flow.load import load_flow
from ivrd.flow.spec import Flow
from ivrd.resources import FLOWS
from tests.flow.flow_world import ACTIONS
from tests.flow.shipped import shipped_actions

GOOD = Path(__file__).parent / "good"
NAMES = ["inbound", "outbound", "enquiry"]
SVG = "{http://www.w3.org/2000/svg}"


@cache
def flow_of(name: str) -> Flow:
    if name != "enquiry":
        return load_flow(GOOD / f"{name}.toml", ACTIONS)
    actions = shipped_actions()
    return load_flow(FLOWS / "enquiry.toml", actions)


def layout_of(name: str) -> Layout:
    flow = flow_of(name)
    return laid_out(boxes_of(flow)[0], flow.start)


def texts(picture: str) -> list[ET.Element]:
    return list(ET.fromstring(picture).iter(f"{SVG}text"))  # noqa: S314 - our own picture


def drawn_at(text: ET.Element) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a text in a monospaced font."""
    kind = text.get("class")
    size = {"name": 13.0, "title": 18.0}.get(kind or "", 11.0)
    width = len(text.text or "") * size * 0.602
    x, y = float(text.get("x", 0)), float(text.get("y", 0))
    left = x - {"middle": width / 2, "end": width}.get(text.get("text-anchor", ""), 0.0)
    return left, y - size * 0.76, left + width, y + size * 0.2


@pytest.mark.parametrize("name", NAMES)
def test_no_text_lies_on_another_or_leaves_the_picture(name: str) -> None:
    picture = svg(flow_of(name))
    width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', picture)[0])
    places = [(text.text, drawn_at(text)) for text in texts(picture)]
    for (one, a), (other, b) in combinations(places, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"{one!r} lies on {other!r}"
    for one, (left, top, right, bottom) in places:
        assert left >= 0, one
        assert right <= width, one
        assert top >= 0, one
        assert bottom <= height, one


@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_passing_ways_keep_apart(name: str) -> None:
    for layer in layout_of(name).layers:
        for one, other in combinations(layer, 2):
            if one.box or other.box:
                distance = abs(one.x - other.x) - (one.width + other.width) / 2
                assert distance > 4, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_arrows_lead_downward(name: str) -> None:
    layout = layout_of(name)
    level = {id(spot): number for number, layer in enumerate(layout.layers) for spot in layer}
    assert layout.ways
    for way in layout.ways:
        chain = [level[id(spot)] for spot in [way.source, *way.passes, way.target]]
        assert chain == list(range(chain[0], chain[0] + len(chain)))


@pytest.mark.parametrize("name", NAMES)
def test_every_state_and_every_way_of_its_own_is_shown(name: str) -> None:
    flow = flow_of(name)
    boxes, ends = boxes_of(flow)
    shown = {text.text for text in texts(svg(flow))}
    assert set(flow.states) <= shown
    placed = {s.box.state.name for layer in layout_of(name).layers for s in layer if s.box}
    assert placed | set(ends) == set(flow.states)
    for state in flow.states.values():
        box = boxes[state.name]
        told = " ".join(box.short)
        cells = {cell.to: " ".join(cell.lines) for cell in box.cells}
        for target, labels in grouped(state).items():
            sign = "↻" if target == state.name else f"→ {target}"
            assert target in cells or sign in told
            for label in labels:
                assert label in cells.get(target, told)


@pytest.mark.parametrize("name", NAMES)
def test_edges_of_any_are_told_once(name: str) -> None:
    flow = flow_of(name)
    lines = [text.text or "" for text in texts(svg(flow))]
    for target, events in shared(flow).items():
        assert lines.count(f"{', '.join(events)} → {target}") == 1
    assert mermaid(flow).count("T_LC") <= 2 + mermaid(flow).count("T_LCON") + 2


@pytest.mark.parametrize("name", NAMES)
def test_mermaid_has_every_edge_once(name: str) -> None:
    flow = flow_of(name)
    lines = mermaid(flow).splitlines()
    assert lines[0] == "stateDiagram-v2"
    arrows = [m for line in lines if (m := re.fullmatch(r" {4}(\w+) --> (\w+) : (.+)", line))]
    drawn = {(m[1], m[2], label) for m in arrows for label in m[3].split(", ")}
    wanted = {
        (state.name, to, label)
        for state in flow.states.values()
        for to, labels in grouped(state).items()
        for label in labels
    } | {("any_state", to, event) for to, events in shared(flow).items() for event in events}
    plain = {(a.replace(".", "__"), b.replace(".", "__"), c.replace("*", "star"))
             for a, b, c in wanted}  # fmt: skip
    assert drawn == plain
    assert len(arrows) == len({(m[1], m[2]) for m in arrows})


def test_mermaid_of_a_small_flow() -> None:
    text = mermaid(flow_of("outbound"))
    assert "    [*] --> idle" in text
    assert '    state "dialling" as dialling' in text
    assert "    holder --> transfer : key 0 if open" in text
    assert "    any_state --> hang_up : T_LCTERM, T_LC, T_TIME, T_MACHINE" in text
    assert "    class holder menu" in text


@pytest.mark.parametrize("name", NAMES)
def test_same_flow_gives_the_same_picture(name: str) -> None:
    assert svg(flow_of(name)) == svg(flow_of(name))
    assert mermaid(flow_of(name)) == mermaid(flow_of(name))


def test_picture_loads_nothing_from_elsewhere() -> None:
    picture = svg(flow_of("enquiry"))
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in picture


def test_part_is_drawn_as_one_box_with_its_ways_out() -> None:
    whole = flow_of("enquiry")
    flow = folded(whole, ["reminder"])
    inside = {name for name in whole.states if name.startswith("reminder.")}
    assert set(flow.states) == set(whole.states) - inside
    assert set(grouped(flow.states["reminder"])) == {"welcome", "goodbye", "hang_up"}
    picture = [text.text for text in texts(svg(flow))]
    assert "reminder.toml" in " ".join(filter(None, picture))
    assert shared(flow) == shared(whole)


def test_only_a_part_is_folded() -> None:
    with pytest.raises(FlowError, match="no part is used at 'remnder'") as caught:
        folded(flow_of("enquiry"), ["remnder"])
    assert caught.value.problems[0].nearest == "reminder"
