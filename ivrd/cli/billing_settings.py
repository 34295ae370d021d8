"""Settings for `ivrd billing`: ivrd.toml, with another database, mapping or trade to be tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.errors import ConfigError, Problem


@dataclass(frozen=True)
class Place:
    """What a command line says of the database, and of the words to speak with."""

    url: str | None
    password_env: str | None
    password_file: Path | None
    trade: str | None


_OPTIONS = (
    click.option("--url", help="The database, as in ivrd.toml.  [default: that of ivrd.toml]"),
    click.option(
        "--password-env", metavar="NAME", help="The environment variable of its password."
    ),
    click.option("--password-file", metavar="FILE",
                 type=click.Path(dir_okay=False, path_type=Path),
                 help="The file of its password, of mode 0600."),
    click.option("--trade", metavar="NAME|./DIR",
                 help="Speak with the words of this trade.  [default: as in ivrd.toml]"),
)  # fmt: skip


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the database is, as one `place`."""

    @wraps(command)
    def placed(*args: Any, url: str | None, password_env: str | None, password_file: Path | None,
               trade: str | None, **more: Any) -> None:  # fmt: skip
        command(*args, place=Place(url, password_env, password_file, trade), **more)

    made: Callable[..., None] = placed
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def billing_settings(config_file: Path, mapping: Path | None, place: Place) -> Config:
    """Return the settings with another mapping, billing database, or trade.

    Where there is no ivrd.toml yet, a database that is named is enough.
    """
    bare = place.url is not None and not config_file.exists()
    config = without_file(config_file) if bare else settings(config_file)
    config = _pointed(config, mapping, place)
    if place.trade is None:
        return config
    node = config.node.model_copy(update={"trade": place.trade})
    return config.model_copy(update={"node": node})


def without_file(config_file: Path) -> Config:
    """Return what goes without saying, for one who has no ivrd.toml yet."""
    config = Config.model_validate({
        "node": {"languages": ["zh-CN", "en-US"]}, "enquiry": {"disclosure": "open"},
        "billing": {"mapping": "my-billing.toml"}, "card": [{"name": "soft", "driver": "software"}],
    })  # fmt: skip
    config._path = config_file  # noqa: SLF001 - as load_config does
    return config


def _pointed(config: Config, mapping: Path | None, place: Place) -> Config:
    """Return the settings with another mapping file, or another billing database.

    In stand-alone mode a mapping is held against the database that is imported from.
    """
    billing: dict[str, Any] = {}
    if mapping is not None:
        billing["mapping"] = str(mapping.absolute())
    if place.url is not None:
        billing |= {"url": _from_here(place.url), "password_env": None, "password_file": None}
    elif config.billing_file and (mapping is not None or not config.billing.url):
        if config.import_ is None or config.import_url is None:
            raise ConfigError([Problem("no database is named", file=config.path, key="import.url",
                                       expected="--url with one", rule="url")])  # fmt: skip
        billing |= {
            "url": config.import_url, "password_env": config.import_.password_env,
            "password_file": config.file_of(config.import_.password_file),
        }  # fmt: skip
    if place.password_env is not None or place.password_file is not None:
        file = place.password_file.absolute() if place.password_file else None
        billing |= {"password_env": place.password_env, "password_file": file}
    if not billing:
        return config
    whole = config.billing.model_copy(update={"mode": "network", **billing})
    return config.model_copy(update={"billing": whole})


def _from_here(url: str) -> str:
    """Return a URL whose SQLite file is taken from the folder of now, not of ivrd.toml."""
    start = "sqlite:///"
    if not url.startswith(start) or url.startswith(start + "/"):
        return url
    return start + str(Path(url.removeprefix(start)).absolute())
