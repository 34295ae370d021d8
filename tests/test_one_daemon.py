"""Two daemons never share a data folder."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from ivrd.config import Config
from ivrd.control.run import run_daemon
from ivrd.errors import ControlError


async def test_a_second_daemon_on_the_same_data_folder_does_not_start(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "node": {"data": str(tmp_path)},
            "enquiry": {"disclosure": "open"},
            "billing": {"mapping": "telecom", "url": "sqlite:///sample.db"},
            "card": [{"name": "soft", "driver": "software"}],
            "places": {"socket": str(tmp_path / "another.sock")},
        }
    )
    with (tmp_path / "ivrd.lock").open("w", encoding="ascii") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match=f"another ivrd works in {tmp_path}"):
            await run_daemon(config)
