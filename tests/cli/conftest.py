"""A sample set-up for the command line, and a daemon of its own on it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivrd import resources
from ivrd.cli import main
from tests.cli.cli_terminal import Invoke, started


def _make(folder: Path) -> Path:
    """Make a sample set-up without simulated callers, with flows that can be edited."""
    made = CliRunner().invoke(main, ["sample-data", str(folder), "--accounts", "40"])
    assert made.exit_code == 0, made.output
    file = folder / "ivrd.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace('driver = "demo"', 'driver = "software"')
    text = "\n".join(line for line in text.splitlines() if not line.startswith("options ="))
    file.write_text(text + '\n[places]\nflows = "fsm_specs"\n', encoding="utf-8")
    shutil.copytree(resources.FLOWS, folder / "fsm_specs")
    return file


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the ivrd.toml of a sample set-up that no test changes."""
    return _make(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def own_sample(tmp_path: Path, sample: Path) -> Path:
    """Give the ivrd.toml of a sample set-up of this test's own."""
    shutil.copytree(sample.parent, tmp_path / "own")
    return tmp_path / "own" / "ivrd.toml"


@pytest.fixture
def invoke() -> Invoke:
    """Run a command in this process: ``invoke(ivrd_toml, "status", "--json")``."""

    def run(config: Path | None, *args: str, stdin: str | None = None) -> Result:
        before = ["--config", str(config)] if config else []
        return CliRunner().invoke(main, [*before, *args], input=stdin)

    return run


@pytest.fixture(scope="session")
def daemon(sample: Path) -> Iterator[Path]:
    """Run a daemon on a sample set-up of its own; give its ivrd.toml."""
    # the path of a socket is short (unix(7)), that of pytest's folders may not be
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        shutil.copytree(sample.parent, folder, dirs_exist_ok=True)
        config = Path(folder) / "ivrd.toml"
        process = started("run", config=config)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "Ctrl-C stops" in line:
                    break
            else:
                assert process.stderr is not None
                pytest.fail(f"the daemon did not start: {process.stderr.read()}")
            yield config
        finally:
            os.kill(process.pid, signal.SIGTERM)
            _, told = process.communicate(timeout=30)
        assert process.returncode == 0, told
