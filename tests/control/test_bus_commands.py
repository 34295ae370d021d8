"""Commands from the bus: off unless allowed, checked as on the command line, and on record."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ivrd.control import progress
from ivrd.daemon import Daemon
from ivrd.dunning import campaigns
from ivrd.dunning.campaign import load_campaign
from ivrd.dunning_settings import campaign_defaults
from ivrd.store.audit import latest, verify
from ivrd.store.switches import KILL, is_on
from tests.control.conftest import Running, until
from tests.control.mosquitto import Mosquitto, Watch, retained
from tests.control.test_bus import settled
from tests.control.test_bus_schemas import check

DUNNING = '[dunning]\ncaller_id = "170"'
REPLY = "ivrd/ivrd/reply/me"


def audited(daemon: Daemon) -> list[tuple[str, str]]:
    """Return who did what, oldest first; the trail has to be whole."""
    store = daemon.parts.store
    assert store.read(verify) == []
    return [(row.action, row.by) for row in reversed(store.read(latest))]


async def asked(port: int, name: str, body: Any = None, *, retain: bool = False) -> dict[str, Any]:
    """Give a command and return its reply, the way of MQTT 3.1.1."""
    order = body if isinstance(body, str) else json.dumps({"reply_to": REPLY, **(body or {})})
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(REPLY, 1)
        await client.publish(f"ivrd/ivrd/command/{name}", order, qos=1, retain=retain)
        return await Watch(client).until(REPLY)


async def test_commands_are_off_by_default(broker: Mosquitto, running: Running) -> None:
    daemon, bus = await running(broker.port, more=DUNNING)
    await settled(bus)
    assert (await retained(broker.port))["ivrd/ivrd/status"]["commands"] is False
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(REPLY, 1)
        await client.publish(
            "ivrd/ivrd/command/enquiry.stop", f'{{"lines": [1], "reply_to": "{REPLY}"}}', qos=1
        )
        # the broker serves its clients in turn: the daemon's own next message comes after it
        daemon.set_enquiry([2], stopped=True)
        await until(lambda: not len(bus.outbox))
        await asyncio.sleep(0.2)
        assert len(client.messages) == 0
    assert not daemon.lines[1].stopped
    assert audited(daemon) == []


async def test_command_by_mqtt_5_is_done_answered_where_it_says_and_on_record(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true")
    await until(lambda: bus.connected)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
    properties.ResponseTopic = "desk/7"
    properties.CorrelationData = b"\x00\xff7"
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=version) as client:
        await client.subscribe("desk/7", 1)
        await client.publish(
            "ivrd/ivrd/command/enquiry.stop", '{"lines": [1, 2], "by": "li"}', qos=1,
            properties=properties,
        )  # fmt: skip
        message = await anext(client.messages)
    assert json.loads(message.payload) == {
        "v": 1, "command": "enquiry.stop", "ok": True, "result": {"lines": [1, 2]},
    }  # fmt: skip
    assert getattr(message.properties, "CorrelationData") == b"\x00\xff7"  # noqa: B009 - paho makes it
    assert [line.number for line in daemon.lines.values() if line.stopped] == [1, 2]
    assert audited(daemon) == [("enquiry.stop", "mqtt:li")]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_reply_to_fields_of_the_command_itself_carries_its_correlation(
    version: str, broker: Mosquitto, running: Running
) -> None:
    _, bus = await running(broker.port, f'commands = true\nversion = "{version}"')
    await until(lambda: bus.connected)
    reply = await asked(broker.port, "status", {"correlation": "17"})
    assert (reply["ok"], reply["correlation"], reply["result"]["node"]) == (True, "17", "ivrd")


async def test_dunning_and_kill_switch_are_ordered_with_their_rows(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true", DUNNING)
    await until(lambda: bus.connected)
    port = broker.port
    assert (await asked(port, "dunning.start", {"lines": [5, 6]}))["result"] == {"lines": [5, 6]}
    assert (await asked(port, "kill-switch.on", {"why": "drill", "by": "li"}))["ok"]
    assert daemon.parts.store.read(lambda tx: is_on(tx, KILL))
    refused = await asked(port, "kill-switch.off")
    assert "yes: Field required" in refused["error"]
    assert daemon.parts.store.read(lambda tx: is_on(tx, KILL))
    assert (await asked(port, "kill-switch.off", {"yes": True}))["ok"]
    await until(lambda: ("dunning start", "mqtt") in audited(daemon))
    assert [row for row in audited(daemon) if row[0] != "dunning start"] == [
        ("kill-switch.on", "mqtt:li"), ("kill-switch.off", "mqtt"),
    ]  # fmt: skip
    await until(lambda: not len(bus.outbox))
    assert (await retained(port))["ivrd/ivrd/line/5"]["dunning"] == "on"


async def test_campaigns_are_checked_as_at_the_command_line(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true", DUNNING)
    await until(lambda: bus.connected)
    reply = await asked(broker.port, "campaign.start", {"campaign": "no such"})
    assert "no campaign 'no such'" in reply["error"]
    assert audited(daemon) == []


def make_campaign(daemon: Daemon, folder: Path, name: str) -> None:
    """Make a campaign that has nobody to call yet."""
    file = folder / "campaign.toml"
    file.write_text(f'name = "{name}"\n[choose]\n', encoding="utf-8")
    config, store = daemon.config, daemon.parts.store
    assert config.dunning is not None
    made = load_campaign(file, campaign_defaults(config, config.dunning), store.now())
    store.transact(lambda tx: campaigns.make(tx, made, store.now()))


async def test_campaign_is_ended_by_command_and_its_progress_is_retained(
    broker: Mosquitto, running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LEAST_S", 0.02)
    daemon, bus = await running(broker.port, "commands = true", DUNNING)
    make_campaign(daemon, tmp_path, "arrears")
    await until(lambda: bus.connected)
    port, topic = broker.port, "ivrd/ivrd/campaign/1"
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic, 1)
        watch = Watch(client)
        assert (await watch.until(topic, state="new"))["name"] == "arrears"
        refused = await asked(port, "campaign.start", {"campaign": "arrears"})
        assert "it has nobody to call" in refused["error"]
        refused = await asked(port, "campaign.stop", {"campaign": "arrears"})
        assert "yes: Field required" in refused["error"]
        order = {"campaign": "arrears", "yes": True, "by": "li"}
        assert (await asked(port, "campaign.stop", order))["result"]["state"] == "stopped"
        ended = await watch.until(topic, state="stopped")
    assert ended["ended"] is not None
    assert audited(daemon) == [("campaign.stop", "mqtt:li")]
    assert (await retained(port))[topic] == ended
    for _, payload in watch.seen:
        check("campaign", payload)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("enquiry.stp", {}, "no command 'enquiry.stp'; did you mean 'enquiry.stop'?"),
        ("enquiry.stop", {"lines": [99]}, "no line 99; there are 1, 2"),
        ("enquiry.stop", {"line": [1]}, "line: no such field"),
        ("enquiry.stop", {"lines": "1-4"}, "lines: Input should be a valid array"),
        ("enquiry.stop", {"lines": [1], "now": "yes"}, "now: Input should be a valid boolean"),
        ("dunning.start", {"lines": [1]}, "nobody is dialled: ivrd.toml has no table [dunning]"),
    ],
)
async def test_wrong_command_is_answered_with_what_is_wrong(
    name: str, body: dict[str, Any], said: str, broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true")
    await until(lambda: bus.connected)
    reply = await asked(broker.port, name, body)
    assert (reply["ok"], said in reply["error"]) == (False, True), reply
    assert audited(daemon) == []


async def test_commands_that_are_no_commands_do_nothing_and_end_nothing(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true")
    await until(lambda: bus.connected)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in (
            b"\xff\xfe",
            b"{",
            b"[]",
            b"[" * 10_000,
            b"{}" + b" " * 20_000,
            b"7",
            b'{"reply_to": "\\ud800"}',
        ):
            await client.publish("ivrd/ivrd/command/enquiry.stop", payload, qos=1)
        for topic in ("ivrd/#", "$SYS/x", "ivrd/ivrd/line/1", "a/+/b"):
            await client.publish("ivrd/ivrd/command/lines", json.dumps({"reply_to": topic}), qos=1)
        odd = f'{{"reply_to": "{REPLY}", "correlation": "\\ud800"}}'
        await client.subscribe(REPLY, 1)
        await client.publish("ivrd/ivrd/command/status", odd, qos=1)
        assert (await Watch(client).until(REPLY))["correlation"] == "?"
    assert (await asked(broker.port, "status"))["ok"]
    assert bus.connections == 1
    assert not any(line.stopped for line in daemon.lines.values())


async def test_retained_command_is_refused_when_the_daemon_comes(
    broker: Mosquitto, running: Running
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(REPLY, 1)
        order = json.dumps({"lines": [1], "reply_to": REPLY})
        await client.publish("ivrd/ivrd/command/enquiry.stop", order, qos=1, retain=True)
        daemon, _ = await running(broker.port, "commands = true")
        reply = await Watch(client).until(REPLY)
    assert "retained" in reply["error"]
    assert not daemon.lines[1].stopped


async def test_command_given_while_the_daemon_was_not_there_is_not_done_later(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port, "commands = true")
    await until(lambda: bus.connected)
    await bus.stop()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("ivrd/ivrd/command/enquiry.stop", '{"lines": [1]}', qos=1)
    again = type(bus)(daemon)
    await again.start()
    try:
        await until(lambda: again.connected)
        assert (await asked(broker.port, "status"))["ok"]
        assert not daemon.lines[1].stopped
    finally:
        await again.stop()
