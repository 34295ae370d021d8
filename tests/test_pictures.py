"""The pictures of the documents are those of the flows."""

from __future__ import annotations

from pathlib import Path

from ivrd.flow.draw import svg
from ivrd.flow.fold import folded
from ivrd.flow.load import load_flow
from ivrd.flow.spec import Flow
from ivrd.resources import FLOWS
from tests.flow.shipped import shipped_actions

DOCS = Path(__file__).parent.parent / "docs"


def test_readme_shows_the_enquiry_flow_as_it_is(enquiry_flow: Flow) -> None:
    drawn = (DOCS / "enquiry.svg").read_text(encoding="utf-8")
    now = svg(folded(enquiry_flow, ["reminder"]))
    assert drawn.strip() == now.strip(), "ivrd flow draw --fold reminder -o docs/enquiry.svg"


def test_dunning_flow_is_shown_as_it_is() -> None:
    drawn = (DOCS / "dunning.svg").read_text(encoding="utf-8")
    now = svg(load_flow(FLOWS / "dunning.toml", shipped_actions()))
    assert drawn.strip() == now.strip(), "ivrd flow draw fsm_specs/dunning.toml -o docs/dunning.svg"
