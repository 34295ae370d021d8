"""What is at hand while a draft is made."""

from __future__ import annotations

from typing import NamedTuple

from ivrd.billing.draft.findings import Draft
from ivrd.billing.draft.links import Links
from ivrd.billing.draft.roles import Roles
from ivrd.billing.draft.survey import Survey, Tab


class Context(NamedTuple):
    """What is at hand while a draft is made."""

    survey: Survey
    roles: Roles
    links: Links
    draft: Draft


def is_old(at: Context, table: Tab) -> bool:
    """Return whether a table's name says that it is a copy, a history or a trial."""
    return any(
        "old" in reading.words
        for reading in at.roles.lexicon.readings(table.name)[:2]
        if reading.sure > 0.8
    )
