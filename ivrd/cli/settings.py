"""Settings for a command: ivrd.toml, or what to do where there is none."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ivrd.config import Config, load_config
from ivrd.errors import ConfigError, Problem


def command_with(config: Config) -> str:
    """Return the words that start ivrd with these settings, for another terminal in this folder."""
    return "ivrd" if config.path == Path("ivrd.toml") else f"ivrd -c {quote(str(config.path))}"


def settings(config_file: Path) -> Config:
    """Load ivrd.toml. Raises `ConfigError`, which says what to do where the file is missing."""
    if not config_file.exists():
        raise ConfigError(
            [
                Problem(
                    "no such file; go to its folder, name it with --config,"
                    " or let `ivrd sample-data` write the sample set-up",
                    file=config_file,
                    rule="no-file",
                )
            ]
        )
    return load_config(config_file)
