"""The bus on a real broker: what it retains is as the daemon is, whatever happens to either."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from ivrd.control.mqtt import Bus
from ivrd.control.mqtt_courier import Courier
from ivrd.control.views import lines_view
from ivrd.daemon import Daemon
from ivrd.records import CallRecord
from sim.party import Ending, Party
from tests.cli.cli_terminal import started
from tests.control.conftest import Running, card_of, until
from tests.control.mosquitto import Mosquitto, Watch, retained

CALLER = "88610001"


class Restless(Party):
    """Calls, keys, hangs up somewhere, and calls again."""

    def __init__(self, daemon: Daemon, chance: random.Random) -> None:
        self._daemon = daemon
        self._chance = chance
        self.stopped = False

    def call(self) -> None:
        """Call in, unless it is enough."""
        if not self.stopped:
            card_of(self._daemon).call(CALLER, "170", self)

    def answered(self) -> None:
        """Key the language, and hang up somewhere."""
        leg, later = self.leg, self._daemon.clock.call_later
        later(self._chance.uniform(0.02, 0.2), lambda: leg.key("1"))
        later(self._chance.uniform(0.05, 0.5), leg.hang_up)

    def ended(self, by: Ending) -> None:
        """Call again soon."""
        del by
        self._daemon.clock.call_later(self._chance.uniform(0.01, 0.1), self.call)


def assert_as_the_daemon_is(found: dict[str, dict[str, Any]], daemon: Daemon) -> None:
    """Compare what a broker retains with what the daemon says of itself."""
    views = {view["line"]: view for view in lines_view(daemon)}
    states = {p["line"]: p for topic, p in found.items() if "/line/" in topic}
    assert sorted(states) == sorted(views)
    for number, view in views.items():
        state = states[number]
        assert (state["state"], state["step"], state["call"], state["number"]) == (
            view["status"], view["step"], view["call"], view["caller"],
        )  # fmt: skip
        assert (state["role"], state["dunning"], state["enquiry"] == "stopped") == (
            view["role"], view["dunning"], view["stopped"],
        )  # fmt: skip
    assert found["ivrd/ivrd/status"]["state"] == "online"


async def settled(bus: Bus, within_s: float = 15.0) -> None:
    """Wait until the broker has everything: what is said at a connection comes before all else."""
    await until(lambda: bus.connected and not bus._waiting, within_s)  # noqa: SLF001 - nor flies


async def test_line_is_retained_in_its_state_with_the_caller_masked(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port)
    card_of(daemon).call(CALLER, "170", Party())
    await until(lambda: daemon.lines[1].talk is not None)
    await settled(bus)
    found = await retained(broker.port)
    assert_as_the_daemon_is(found, daemon)
    state = found["ivrd/ivrd/line/1"]
    assert (state["state"], state["direction"], state["number"]) == ("in call", "in", "xxxx0001")
    assert CALLER not in json.dumps(found)


async def test_events_tell_a_call_from_begin_to_end(broker: Mosquitto, running: Running) -> None:
    daemon, bus = await running(broker.port)
    await settled(bus)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("ivrd/+/event", 1)
        watch = Watch(client)
        leg = card_of(daemon).call(CALLER, "170", Party())
        began = await watch.until("event", event="call_began")
        assert leg is not None
        leg.hang_up()
        ended = await watch.until("event", event="call_ended")
        assert began["call"] == ended["call"]
        assert (ended["ended_by"], ended["number"], began["line"]) == ("caller", "xxxx0001", 1)
        assert ended["id"] == began["id"] + 1
        card_of(daemon).go_away("unplugged")
        away = await watch.until("event", event="line_out_of_service", line=8)
        assert away["reason"] == "no loop signal: unplugged"
        card_of(daemon).come_back()
        await watch.until("event", event="line_back", line=8)


async def test_retained_states_are_right_after_each_of_five_kills_of_the_broker(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port)
    chance = random.Random(7)
    # two lines stay idle: what is told of them once must not be lost
    callers = [Restless(daemon, chance) for _ in range(6)]
    for caller in callers:
        caller.call()
    records: list[CallRecord] = []
    daemon.enders.add(records.append)
    for _ in range(5):
        await settled_once(bus, broker)
        enough = len(records) + 5
        broker.kill()
        await until(partial(_has, records, enough))
        await broker.start()
    for caller in callers:
        caller.stopped = True
    await until(lambda: not any(line.talk for line in daemon.lines.values()))
    card_of(daemon).call(CALLER, "170", Party())
    await until(lambda: "ask_language" in {view["step"] for view in lines_view(daemon)})
    await settled(bus)
    assert_as_the_daemon_is(await retained(broker.port), daemon)
    assert bus.connections >= 5
    assert {record.ended_by for record in records} == {"caller"}
    assert sum(line.counters.errors for line in daemon.lines.values()) == 0


def _has(records: list[CallRecord], many: int) -> bool:
    return len(records) >= many


async def settled_once(bus: Bus, broker: Mosquitto) -> None:
    """Wait until the bus is there and the broker has a state of every line."""
    await until(lambda: bus.connected)
    async with asyncio.timeout(10):
        while len(await retained(broker.port, "ivrd/ivrd/line/+")) < 8:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_events_beyond_the_bound_are_dropped_counted_and_told(
    broker: Mosquitto, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, bus = await running(broker.port, "events = 5")
    await settled(bus)
    broker.kill()
    await until(lambda: not bus.connected)
    for _ in range(10):
        daemon.set_enquiry([1], stopped=True)
        daemon.set_enquiry([1], stopped=False)
    assert bus.outbox.events == 5
    assert bus.outbox.dropped >= 15
    assert bus.outbox.states <= 8 + 2  # one a line at most, the status and the counters
    heard, serve = asyncio.Event(), bus._serve  # noqa: SLF001 - nothing is said before it is heard

    async def later(courier: Courier) -> None:
        await heard.wait()
        await serve(courier)

    monkeypatch.setattr(bus, "_serve", later)
    await broker.start()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("ivrd/+/event", 1)
        heard.set()
        told = await Watch(client).until("event", event="events_dropped")
    assert told["events"] >= 15
    await settled(bus)
    assert_as_the_daemon_is(await retained(broker.port), daemon)


async def test_hung_broker_holds_up_no_line(broker: Mosquitto, running: Running) -> None:
    daemon, bus = await running(broker.port)
    await settled(bus)
    broker.signal(signal.SIGSTOP)
    try:
        took: list[float] = []
        daemon.lines[1].on_fed = took.append
        for _ in range(20):
            leg = card_of(daemon).call(CALLER, "170", Party())
            await until(lambda: daemon.lines[1].talk is not None)
            assert leg is not None
            leg.hang_up()
            await until(lambda: daemon.lines[1].status == "idle")
        assert len(took) >= 60
        assert max(took) < 0.5
    finally:
        broker.signal(signal.SIGCONT)
    await settled(bus, 30)
    assert_as_the_daemon_is(await retained(broker.port), daemon)


async def test_states_of_lines_that_are_no_more_are_taken_back(
    broker: Mosquitto, running: Running
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic in ("ivrd/ivrd/line/9", "ivrd/ivrd/campaign/4", "ivrd/other/line/9"):
            await client.publish(topic, '{"line": 9}', qos=1, retain=True)
    _, bus = await running(broker.port)
    await settled(bus)
    found = await retained(broker.port)
    assert "ivrd/other/line/9" in found
    assert not {"ivrd/ivrd/line/9", "ivrd/ivrd/campaign/4"} & set(found)


async def test_states_that_are_no_more_are_taken_back_however_many_there_are(
    broker: Mosquitto, running: Running
) -> None:
    # a broker waits for acknowledgements after 20 (mosquitto.conf: max_inflight_messages)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for number in range(600):
            old = json.dumps({"id": number, "name": "x" * 400})
            await client.publish(f"ivrd/ivrd/campaign/{number + 9}", old, qos=1, retain=True)
    await running(broker.port)
    async with asyncio.timeout(15):
        while await retained(broker.port, "ivrd/ivrd/campaign/+"):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


async def test_clean_end_says_offline(broker: Mosquitto, running: Running) -> None:
    _, bus = await running(broker.port)
    await settled(bus)
    await bus.stop()
    status = (await retained(broker.port))["ivrd/ivrd/status"]
    assert (status["state"], status["why"]) == ("offline", "stopped")


async def test_bus_without_a_broker_stops_at_once(running: Running) -> None:
    _, bus = await running(1)
    await until(lambda: bus._told_away)  # noqa: SLF001 - it has failed once
    async with asyncio.timeout(2):
        await bus.stop()


async def test_will_says_offline_when_the_daemon_is_killed(broker: Mosquitto, sample: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        shutil.copytree(sample.parent, folder, dirs_exist_ok=True)
        config = Path(folder) / "ivrd.toml"
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\n[mqtt]\nport = {broker.port}\n")
        process = await asyncio.to_thread(partial(started, "run", config=config))
        try:
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.subscribe("ivrd/+/status", 1)
                watch = Watch(client)
                online = await watch.until("status", state="online")
                os.kill(process.pid, signal.SIGKILL)
                offline = await watch.until("status", state="offline")
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate)
    assert offline["why"] == "connection lost"
    assert offline["started"] == online["started"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_user_and_password_come_from_a_file_of_the_owner_alone(
    version: str, tmp_path: Path, broker: Mosquitto, running: Running
) -> None:
    del broker  # says whether there is a mosquitto
    passwords = tmp_path / "passwords"
    passwords.write_text("ivrd:secret\n", encoding="ascii")
    process = await asyncio.create_subprocess_exec(
        shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", str(passwords)
    )
    assert await process.wait() == 0
    folder = tmp_path / "own"
    folder.mkdir()
    own = Mosquitto(folder, f"allow_anonymous false\npassword_file {passwords}\n")
    await own.start()
    secret = tmp_path / "secret"
    secret.write_text("secret\n", encoding="ascii")
    secret.chmod(0o600)
    try:
        settings = f'user = "ivrd"\npassword_file = "{secret}"\nversion = "{version}"'
        _, bus = await running(own.port, settings)
        await until(lambda: bus.connected)
    finally:
        own.kill()
