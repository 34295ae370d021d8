"""What ivrd.toml says about dunning, and that its page tells every key with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivrd.config import Config, Dunning, OuterLimit, StoreTable, load_config
from ivrd.dunning_settings import campaign_defaults, gate_of, number_plan
from ivrd.errors import ProblemsError

PAGE = (Path(__file__).parent.parent / "docs" / "dunning.md").read_text(encoding="utf-8")

SETTINGS = """
[enquiry]
disclosure = "open"
[billing]
mapping = "telecom"
url = "sqlite:///bills.db"
[[card]]
name = "soft"
driver = "software"
[dunning]
caller_id = "+861086100170"
{more}
"""


def settings(folder: Path, more: str) -> tuple[Config, Dunning]:
    """Return settings with more lines in [dunning]."""
    file = folder / "ivrd.toml"
    file.write_text(SETTINGS.format(more=more), encoding="utf-8")
    config = load_config(file)
    assert config.dunning is not None
    return config, config.dunning


@pytest.mark.parametrize("name", [*Dunning.model_fields, *StoreTable.model_fields])
def test_page_names_every_key(name: str) -> None:
    assert f"`{name}" in PAGE or f"[dunning.{name}]" in PAGE


@pytest.mark.parametrize("name", list(OuterLimit.model_fields))
def test_page_names_every_key_of_the_outer_limit(name: str) -> None:
    assert re.search(rf"`{name}( =|`)", PAGE)


@pytest.mark.parametrize("name", list(Dunning.model_fields))
def test_page_tells_the_default(name: str) -> None:
    default = Dunning.model_fields[name].get_default(call_default_factory=True)
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{name}`")), "")
    if isinstance(default, int | float) and row:
        assert float(row.split("|")[2].strip().rstrip(";")) == float(default)
    elif isinstance(default, str):
        assert default in PAGE


def test_outer_limit_moves_with_its_reason(tmp_path: Path) -> None:
    more = '[dunning.outer_limit]\nbecause = "an agreement of 2026"\nattempts_a_day = 5'
    outer = gate_of(*settings(tmp_path, more)).rules.outer
    assert (outer.attempts_a_day, outer.because) == (5, "an agreement of 2026")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('profiles = ["cn-consumer-credits"]', "did you mean 'cn-consumer-credit'?"),
        ('profiles = ["none.toml"]', "none.toml"),
        ('[dunning.outer_limit]\nbecause = "an agreement"\nhours = "7-21"', "07:00-21:00"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        gate_of(*settings(tmp_path, more))
    assert told.replace("07:00-21:00", "09:30-12:00") in str(caught.value)


def test_only_numbers_and_prefixes_reach_the_gate(tmp_path: Path) -> None:
    more = 'only = ["+8613857100001"]\nblocked = ["+861385710"]\nabroad = ["+852"]'
    config, dunning = settings(tmp_path, more)
    assert gate_of(config, dunning).rules.allowed == frozenset({"+8613857100001"})
    plan = number_plan(config)
    assert plan.blocked("+8613857100002")
    assert not plan.blocked("+85223456789")
    assert plan.blocked("+81312345678")


def test_campaigns_get_what_the_node_has(tmp_path: Path) -> None:
    defaults = campaign_defaults(*settings(tmp_path, 'flow = "dunning"'))
    assert defaults.caller_id == "+861086100170"
    assert defaults.lines == (1, 2, 3, 4, 5, 6, 7, 8)
