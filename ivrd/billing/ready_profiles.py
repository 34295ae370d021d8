"""The ready profiles: which there are, whose words they speak, and the sample that each reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ivrd import resources
from ivrd.billing.sample import KNOWN, Known
from ivrd.billing.sample_tables import (
    LAYOUTS_AND_PROFILES,
    Layout,
    write_sample,
    write_tables,
)
from ivrd.billing.sample_trades import SAMPLES, TradeTables, trade_sample
from ivrd.errors import ConfigError, Problem, nearest

DEFAULT = "telecom"

_LAYOUTS: dict[str, Layout] = {path.stem: layout for layout, path in LAYOUTS_AND_PROFILES.items()}


@dataclass(frozen=True)
class Profile:
    """A mapping that comes with ivrd, and its sample."""

    name: str
    trade: str | None
    """The trade whose words go with it; None for the telephone's."""
    known: Sequence[Known]
    """The accounts that its sample has whatever the seed."""
    campaign: str
    """A campaign for its debtors, as a file has it; "" for none of its own."""

    def write(self, file: Path, today: date, *, seed: int, accounts: int, months: int) -> None:
        """Write the sample database, with `months` bills up to the month before `today`.

        Raises FileExistsError where `file` is there already, ValueError for too few accounts or
        months.
        """
        if self.trade is None:
            layout = _LAYOUTS[self.name]
            write_sample(file, today, seed=seed, accounts=accounts, months=months, layout=layout)
            return
        sample = trade_sample(self.name)
        write_tables(
            file,
            TradeTables(sample, today),
            lambda: sample.everybody(today, seed, accounts, months),
            accounts,
            months,
        )


def profile_names() -> list[str]:
    """Return the names of all ready profiles, the default first."""
    names = sorted(path.stem for path in resources.PROFILES.glob("*.toml"))
    return sorted(names, key=lambda name: name != DEFAULT)


def profile(name: str) -> Profile:
    """Return a ready profile. Raises `ConfigError`, which names the nearest."""
    names = profile_names()
    if name not in names:
        raise ConfigError([Problem(f"no ready profile {name!r}", rule="unknown-profile",
                                   expected=f"one of {', '.join(names)}",
                                   nearest=nearest(name, names))])  # fmt: skip
    if name in _LAYOUTS:
        return Profile(name, None, KNOWN, "")
    campaign = (SAMPLES / f"{name}-campaign.toml").read_text(encoding="utf-8")
    return Profile(name, name, trade_sample(name).known, campaign)
