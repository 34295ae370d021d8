"""A node that is killed in the midst of its calls loses nothing and breaks no rule."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.dunning.kills import account_for, kill_often

KILLS = 8
"""Moments in `make test`; `make soak` has the rest."""


@pytest.mark.timeout(600)
def test_killed_node_goes_on_where_it_was_and_loses_nothing(
    sample_db: Path, tmp_path: Path
) -> None:
    shutil.copy(sample_db, tmp_path / "billing.db")
    told = kill_often(tmp_path, KILLS, seed=20261122)
    assert told.kills == KILLS
    assert told.promises
    assert account_for(tmp_path, told) == []
