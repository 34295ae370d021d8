"""Boxes in layers: which layer each stands in, in what order, and where (after Sugiyama, 1981).

A way that passes layers by gets a narrow place in each of them, so that no line crosses a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

from ivrd.flow.draw_boxes import Box

GAP_X = 26.0
GAP_Y = 46.0
LANE = 16.0
"""Width of the place that a passing way takes, in px."""

_SWEEPS = 24
_SETTLES = 160
"""Passes over all layers, after which the boxes rest."""


@dataclass
class Spot:
    """One place in a layer: a box, or where a way passes by."""

    box: Box | None
    width: float
    x: float = 0.0
    """Its middle, in px from the left."""
    above: list[tuple[Spot, float]] = field(default_factory=list)
    """What leads here, each with where it leaves: px from that one's middle."""
    below: list[tuple[Spot, float]] = field(default_factory=list)
    """What this leads to, each with where the way leaves here: px from the middle."""


@dataclass
class Way:
    """One arrow: from a cell of a box, past the spots between, to a box."""

    source: Spot
    leaves: float
    passes: list[Spot]
    target: Spot


@dataclass
class Layout:
    """The layers from top to bottom, and the arrows between them."""

    layers: list[list[Spot]]
    ways: list[Way]
    width: float


def laid_out(boxes: Mapping[str, Box], start: str) -> Layout:
    """Lay out the boxes that `start` leads to by the arrows of their cells."""
    depth = _depths(boxes, start)
    layers: list[list[Spot]] = [[] for _ in range(max(depth.values()) + 1)]
    spots = {name: Spot(boxes[name], boxes[name].width) for name in depth}
    for name, level in depth.items():
        layers[level].append(spots[name])
    ways: list[Way] = []
    for name, source in spots.items():
        for cell in boxes[name].cells:
            leaves = cell.x - boxes[name].width / 2
            passes = [Spot(None, LANE) for _ in range(depth[name] + 1, depth[cell.to])]
            for level, spot in enumerate(passes, start=depth[name] + 1):
                layers[level].append(spot)
            ways.append(Way(source, leaves, passes, spots[cell.to]))
            _join(ways[-1])
    _order(layers)
    _place(layers)
    _straighten(layers, ways)
    return Layout(layers, ways, _moved_to_left(layers))


def _depths(boxes: Mapping[str, Box], start: str) -> dict[str, int]:
    """Return each box's layer: one below the lowest that leads to it."""
    order: list[str] = []

    def walk(name: str) -> None:
        for cell in boxes[name].cells:
            if cell.to not in order:
                walk(cell.to)
        if name not in order:
            order.append(name)

    walk(start)
    depth = dict.fromkeys(reversed(order), 0)
    for name in depth:
        for cell in boxes[name].cells:
            depth[cell.to] = max(depth[cell.to], depth[name] + 1)
    return depth


def _join(way: Way) -> None:
    chain = [way.source, *way.passes, way.target]
    for upper, lower in pairwise(chain):
        leaves = way.leaves if upper is way.source else 0.0
        upper.below.append((lower, leaves))
        lower.above.append((upper, leaves))


def _order(layers: list[list[Spot]]) -> None:
    """Order each layer by the middle of what it hangs on; keep the order with fewest crossings."""
    best = [list(layer) for layer in layers]
    fewest = _crossings(layers)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        _number(layers)
        for layer in layers if down else reversed(layers):
            layer.sort(key=lambda spot: _middle(spot, down=down))
            _number([layer])
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _number(layers: Sequence[list[Spot]]) -> None:
    for layer in layers:
        for number, spot in enumerate(layer):
            spot.x = float(number)


def _middle(spot: Spot, *, down: bool) -> float:
    # where a way leaves a box decides between ways from the same box
    near = [(one, leaves / 1000) for one, leaves in (spot.above if down else spot.below)]
    return fmean(one.x + (by if down else -by) for one, by in near) if near else spot.x


def _crossings(layers: Sequence[list[Spot]]) -> int:
    _number(layers)
    count = 0
    for layer in layers:
        lines = [(s.x + by / 1000, below.x) for s in layer for below, by in s.below]
        count += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for n, a in enumerate(lines) for b in lines[n + 1 :]
        )
    return count


def _place(layers: Sequence[list[Spot]]) -> None:
    """Give each spot its x, near what it hangs on and leads to."""
    for layer in layers:
        left = 0.0
        for spot in layer:
            spot.x = left + spot.width / 2
            left += spot.width + GAP_X
    for sweep in range(_SETTLES):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _settle(layer)


def _straighten(layers: Sequence[list[Spot]], ways: Sequence[Way]) -> None:
    """Draw each way past layers as few straight pieces as the boxes beside it leave room for."""
    beside: dict[int, tuple[Spot | None, Spot | None]] = {}
    for layer in layers:
        for before, spot, after in zip([None, *layer], layer, [*layer[1:], None], strict=False):
            beside[id(spot)] = (before, after)
    for way in ways:
        wish = way.source.x + way.leaves
        piece: list[Spot] = []
        room = (float("-inf"), float("inf"))
        for spot in way.passes:
            own = _room(spot, *beside[id(spot)])
            met = (max(room[0], own[0]), min(room[1], own[1]))
            if met[0] > met[1]:
                wish = _lined_up(piece, room, wish)
                piece, met = [], own
            piece.append(spot)
            room = met
        _lined_up(piece, room, wish)


def _room(spot: Spot, before: Spot | None, after: Spot | None) -> tuple[float, float]:
    """Return between which x a passing way may go, for what stands beside it."""
    left = before.x + (before.width + spot.width) / 2 + GAP_X / 2 if before else float("-inf")
    right = after.x - (after.width + spot.width) / 2 - GAP_X / 2 if after else float("inf")
    return (min(left, spot.x), max(right, spot.x))


def _lined_up(piece: Sequence[Spot], room: tuple[float, float], wish: float) -> float:
    x = min(max(wish, room[0]), room[1])
    for spot in piece:
        spot.x = x
    return x


def _moved_to_left(layers: Sequence[list[Spot]]) -> float:
    """Let the leftmost spot stand at 0; return the width of all."""
    left = min(spot.x - spot.width / 2 for layer in layers for spot in layer)
    for layer in layers:
        for spot in layer:
            spot.x -= left
    return max(spot.x + spot.width / 2 for layer in layers for spot in layer)


def _settle(layer: Sequence[Spot]) -> None:
    """Move a layer's spots as near to where they want to be as their order and width allow.

    This is isotonic regression, by pooling neighbours that would overlap.
    """
    offset = 0.0
    blocks: list[tuple[float, float, int]] = []  # sum of weighted wishes, weight, how many
    offsets: list[float] = []
    for before, spot in zip([None, *layer], layer, strict=False):
        if before is not None:
            offset += (before.width + spot.width) / 2 + GAP_X
        offsets.append(offset)
        weight = 1.0 if spot.box else 0.2  # ways give way, and are drawn straight afterwards
        block = ((_wish(spot) - offset) * weight, weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > block[0] / block[1]:
            last = blocks.pop()
            block = (block[0] + last[0], block[1] + last[1], block[2] + last[2])
        blocks.append(block)
    settled = [total / weight for total, weight, many in blocks for _ in range(many)]
    for spot, x, by in zip(layer, settled, offsets, strict=True):
        spot.x = x + by


def _wish(spot: Spot) -> float:
    """Return where a spot wants to be: amid its neighbours, boxes before passing ways."""
    near = [(one, one.x + by) for one, by in spot.above]
    near += [(one, one.x - by) for one, by in spot.below]
    boxes = [x for one, x in near if one.box]
    if spot.box and boxes:
        return fmean(boxes)
    return fmean(x for _, x in near) if near else spot.x
