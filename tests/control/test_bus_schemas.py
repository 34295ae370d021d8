"""The schemas say what is sent: every payload of a real run is held against them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import aiomqtt
import pytest
from jsonschema import Draft202012Validator, ValidationError

from ivrd.control import bus_words
from ivrd.control.orders import ORDERS
from ivrd.dunning.closing import AttemptResult
from ivrd.dunning.reports import Standing
from ivrd.records import CallRecord
from ivrd.store.states import CampaignState, Outcome
from sim.party import Party
from tests.control.conftest import Running, card_of, until
from tests.control.mosquitto import Mosquitto, Watch, retained

FOLDER = resources.files("ivrd.control") / "schemas"
NAMES = ("status", "line", "event", "counters", "campaign", "command", "reply")

SOME_EVENTS: list[dict[str, Any]] = [
    bus_words.ended(
        CallRecord("c1", 1, datetime.now(UTC), 1.5, "out", "xxx0001", "en-US", "far end", "menu",
                   ("answered",), 3)
    ),
    bus_words.attempted("a1", AttemptResult(Outcome.TOLD, "T_LCTERM 16", "c1", heard_percent=80)),
    bus_words.attempted("a1", AttemptResult(Outcome.CANCELLED)),
    {"event": "billing_slow"},
    {"event": "events_dropped", "events": 2},
]  # fmt: skip

A_STATE: dict[str, Any] = {
    "line": 3, "state": "idle", "dunning": "off", "dunning_at": None, "enquiry": "started",
    "reason": "", "call": "", "direction": "", "number": "",
}  # fmt: skip
"""What of a line's state makes news when it changes."""


def schema(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def check(name: str, payload: Any) -> None:
    Draft202012Validator(schema(name)).validate(payload)


def stamped(event: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "id": 1, "at": "2026-11-22T10:00:00.000+08:00", **event}


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_one_and_carries_its_version(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:ivrd:mqtt:{name}:{bus_words.VERSION}"


@pytest.mark.parametrize("event", SOME_EVENTS, ids=lambda event: str(event["event"]))
def test_event_is_as_its_schema_says(event: dict[str, Any]) -> None:
    check("event", stamped(event))
    with pytest.raises(ValidationError):
        check("event", stamped({**event, "more": 1}))


@pytest.mark.parametrize(
    "change",
    [
        {"state": "out of service", "reason": "no loop signal"},
        {"dunning": "on"},
        {"dunning": "paused"},
        {"dunning": "starts", "dunning_at": "2026-11-22T15:00:00+08:00"},
        {"enquiry": "stopped"},
        {"call": "c1", "direction": "in", "number": "xxxx0001"},
    ],
)
def test_what_changes_on_a_line_is_an_event_of_the_schema_both_ways(
    change: dict[str, Any],
) -> None:
    after = {**A_STATE, **change}
    there, back = list(bus_words.news(A_STATE, after)), list(bus_words.news(after, A_STATE))
    assert len(there) == 1
    # that a call is over is told by the line itself
    assert len(back) == (0 if "call" in change else 1)
    for event in there + back:
        check("event", stamped(event))


def test_campaign_is_as_its_schema_says() -> None:
    now = datetime.now(UTC)
    one = Standing(
        "arrears", "arrears", CampaignState.RUNNING.value, now, now, None, now, None, "quiet hours",
        {"waiting": 3, "notified": 2}, {"excluded": {"do_not_call": 1}}, {"told": 2}, 12345, now,
    )  # fmt: skip
    payload = bus_words.campaign(7, one)
    check("campaign", payload)
    assert (payload["debtors"], payload["left"]) == (5, 3)


def test_every_command_has_a_schema_that_knows_the_same_fields() -> None:
    known = schema("command")["$defs"]
    assert set(known) == set(ORDERS)
    for name, (model, _) in ORDERS.items():
        assert set(known[name]["properties"]) == set(model.model_fields), name
        required = {key for key, field in model.model_fields.items() if field.is_required()}
        assert set(known[name]["required"]) == required, name


async def test_all_that_a_run_sends_is_as_the_schemas_say(
    broker: Mosquitto, running: Running
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("ivrd/#", 1)
        watch = Watch(client)
        daemon, bus = await running(
            broker.port, "counters_s = 1\ncommands = true", '[dunning]\ncaller_id = "170"'
        )
        await until(lambda: bus.connected)
        leg = card_of(daemon).call("88610001", "170", Party())
        await watch.until("event", event="call_began")
        daemon.set_dunning([5], "start", "me", at=None, now=False)
        daemon.set_enquiry([6], stopped=True)
        assert leg is not None
        leg.hang_up()
        await watch.until("event", event="call_ended")
        card_of(daemon).go_away()
        await client.publish("ivrd/ivrd/command/lines", '{"reply_to": "ivrd/ivrd/reply/me"}')
        await watch.until("reply/me", ok=True)
        await watch.until("counters")
        await bus.stop()
        await watch.until("status", state="offline")
    kinds = {topic.split("/")[2] for topic, _ in watch.seen}
    assert kinds == {"status", "line", "event", "counters", "command", "reply"}
    for topic, payload in watch.seen:
        kind = topic.split("/")[2]
        if kind != "command":
            check(kind, payload)
    assert len(await retained(broker.port, "ivrd/ivrd/line/+")) == 8
    await asyncio.sleep(0)
