"""CI sets IVRD_NO_SKIP: a skip of whatever kind is a failure then, and tells why it skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]

SKIPS = {
    "a test that skips": """
import pytest
def test_one():
    pytest.skip("no tool")
""",
    "a test that is marked": """
import pytest
@pytest.mark.skipif(True, reason="no tool")
def test_one():
    pass
""",
    "a fixture that skips": """
import pytest
@pytest.fixture
def tool():
    pytest.skip("no tool")
def test_one(tool):
    pass
""",
    "a whole file": """
import pytest
pytest.skip("no tool", allow_module_level=True)
def test_one():
    pass
""",
    "a file without its import": """
import pytest
tool = pytest.importorskip("no_such_module_at_all", reason="no tool")
def test_one():
    pass
""",
}


def run(folder: Path, text: str, *, refused: bool) -> subprocess.CompletedProcess[str]:
    """Run a file of tests as CI does, or as at home."""
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    env = {name: value for name, value in os.environ.items() if name != "IVRD_NO_SKIP"}
    env |= {"PYTHONPATH": str(TOP)} | ({"IVRD_NO_SKIP": "1"} if refused else {})
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "test_it.py"]
    return subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", SKIPS)
def test_skip_fails_in_ci_with_its_reason(kind: str, tmp_path: Path) -> None:
    done = run(tmp_path, SKIPS[kind], refused=True)
    assert done.returncode in {1, 2}, done.stdout
    assert "IVRD_NO_SKIP is set, yet: " in done.stdout
    assert "no tool" in done.stdout


@pytest.mark.parametrize("kind", SKIPS)
def test_skip_is_a_skip_at_home(kind: str, tmp_path: Path) -> None:
    done = run(tmp_path, SKIPS[kind], refused=False)
    assert "1 skipped" in done.stdout, done.stdout
