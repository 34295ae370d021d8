"""The pictures of the documents are those of the flows."""

from __future__ import annotations

from pathlib import Path

from ivrd.flow.draw import svg
from ivrd.flow.spec import Flow

DOCS = Path(__file__).parent.parent / "docs"


def test_readme_shows_the_enquiry_flow_as_it_is(enquiry_flow: Flow) -> None:
    drawn = (DOCS / "enquiry.svg").read_text(encoding="utf-8")
    assert drawn.strip() == svg(enquiry_flow).strip(), "ivrd flow draw --svg -o docs/enquiry.svg"
