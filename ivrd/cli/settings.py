"""Settings for a command: ivrd.toml, or what to do where there is none."""

from __future__ import annotations

from pathlib import Path

from ivrd.config import Config, load_config
from ivrd.errors import ConfigError, Problem


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
