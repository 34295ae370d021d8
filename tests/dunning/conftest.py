"""A dunning node on virtual time, with three debtors whose numbers are known."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dunning.dunning_office import DunningOffice

OWES = ("88610001", "88610005")
"""Sample subscribers in arrears."""


@pytest.fixture
def billing(sample_db: Path, tmp_path: Path) -> Path:
    """Return billing data of one's own, in which only `OWES` owe."""
    return Path(shutil.copy(sample_db, tmp_path / "billing.db"))


@pytest.fixture
def node(billing: Path, tmp_path: Path) -> Iterator[DunningOffice]:
    """Return a node at nine on a Monday, half an hour before its hours begin."""
    office = DunningOffice(tmp_path, billing)
    office.keep_only(*OWES)
    yield office
    office.close()
