"""The dashboard and docs/metrics.md ask for metrics that there are, and for all that matter."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrd.control.metrics import Metrics
from ivrd.control.mqtt import Bus
from tests.control.conftest import daemon_with
from tests.test_watch_stream import SETTINGS

TOP = Path(__file__).parents[2]
PANELS = json.loads((TOP / "deploy" / "grafana" / "ivrd.json").read_text("utf-8"))["panels"]


def asked() -> set[str]:
    """Return the names of all metrics that the dashboard asks for."""
    queries = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    return set(re.findall(r"\b(?:ivrd|process)_\w+", queries))


@pytest.fixture
async def there(sample_db: Path) -> AsyncIterator[dict[str, str]]:
    """Return the type of each metric of a daemon with everything, by its name without ending."""
    settings = f'{SETTINGS.format(db=sample_db)}\n[mqtt]\n[dunning]\ncaller_id = "170"\n'
    made: list[Metrics] = []
    async with daemon_with(settings, lambda daemon: made.append(Metrics(daemon))) as daemon:
        made[0].start(Bus(daemon))
        yield {family.name: family.type for family in made[0].registry.collect()}


ENDINGS = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}


async def test_dashboard_asks_for_metrics_that_there_are(there: dict[str, str]) -> None:
    names = {name + ending for name, kind in there.items() for ending in ENDINGS[kind]}
    assert asked() <= names


async def test_every_metric_is_told_in_the_documents(there: dict[str, str]) -> None:
    text = (TOP / "docs" / "metrics.md").read_text("utf-8")
    told = [name + ("_total" if kind == "counter" else "") for name, kind in there.items()]
    assert [n for n in told if f"`{n}`" not in text and not n.startswith("process_")] == []


def test_panels_are_named_and_do_not_overlap() -> None:
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS}
    assert len(places) == len(PANELS) == len({panel["title"] for panel in PANELS})
