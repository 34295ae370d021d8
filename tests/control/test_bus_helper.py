"""The process that speaks MQTT: one that ends, or hangs, is another's turn, and no call notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import pytest

from ivrd.control import mqtt, mqtt_courier
from ivrd.control.mqtt import Bus
from ivrd.control.mqtt_courier import BrokerAway, Courier
from ivrd.control.mqtt_link import Link
from tests.control.conftest import Running, until
from tests.control.mosquitto import Mosquitto, retained
from tests.control.test_bus import assert_as_the_daemon_is, settled


def helper_of(bus: Bus) -> int:
    """Return its process."""
    process = bus._courier._process  # noqa: SLF001 - to end it
    assert process is not None
    return process.pid


async def test_helper_that_is_killed_is_started_again_and_states_are_right(
    broker: Mosquitto, running: Running
) -> None:
    daemon, bus = await running(broker.port)
    await settled(bus)
    first = helper_of(bus)
    os.kill(first, signal.SIGKILL)
    await until(lambda: not bus.connected)
    daemon.set_enquiry([3], stopped=True)
    await settled(bus)
    assert helper_of(bus) != first
    found = await retained(broker.port)
    assert_as_the_daemon_is(found, daemon)
    assert found["ivrd/ivrd/line/3"]["enquiry"] == "stopped"


async def test_helper_that_hangs_is_ended_and_nothing_is_lost(
    broker: Mosquitto, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "SWEEP_S", 0.1)
    daemon, bus = await running(broker.port)
    await settled(bus)
    first = helper_of(bus)
    os.kill(first, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(mqtt, "ANSWER_S", 0.3)
        daemon.set_enquiry([3], stopped=True)
        await until(lambda: not bus.connected)
    # the next one may be slow on a busy machine
    await until(lambda: bus.connections >= 2)
    await settled(bus)
    assert helper_of(bus) != first
    assert (await retained(broker.port))["ivrd/ivrd/line/3"]["enquiry"] == "stopped"


async def test_helper_that_is_slow_at_first_is_not_taken_for_one_that_hangs(
    broker: Mosquitto, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "SWEEP_S", 60.0)
    daemon, bus = await running(broker.port)
    await settled(bus)
    helper = helper_of(bus)
    monkeypatch.setattr(bus, "sent", 0)
    os.kill(helper, signal.SIGSTOP)
    daemon.set_enquiry([3], stopped=True)
    await until(lambda: bus._flying)  # noqa: SLF001 - on its way
    bus._look_after_helper()  # noqa: SLF001 - for the first time
    os.kill(helper, signal.SIGCONT)
    await settled(bus)
    assert (helper_of(bus), bus.connections) == (helper, 1)


async def test_helper_that_ends_in_the_middle_of_a_line_is_replaced(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link("127.0.0.1", broker.port, "ivrd-test")
    courier = Courier(lambda _: None)
    with monkeypatch.context() as cut_off:
        said = """import socket; s = socket.socket(fileno=0); s.recv(9999); s.send(b'{"is": ')"""
        cut_off.setattr(mqtt_courier, "_COMMAND", (sys.executable, "-c", said))
        with pytest.raises(BrokerAway, match="ended"):
            await courier.connect(link)
    await courier.connect(link)
    assert await courier.subscribe("ivrd/test") == [1]
    await courier.close()


async def test_helper_that_waits_for_a_broker_ends_with_the_daemon_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # it would give a connection up after 5 s, and that would be late
    monkeypatch.setattr(mqtt_courier, "END_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        courier = Courier(lambda _: None)
        link = Link("127.0.0.1", silent.getsockname()[1], "ivrd-test")
        connecting = asyncio.create_task(courier.connect(link))
        asked, _ = await asyncio.to_thread(silent.accept)
        process, writer = courier._process, courier._writer  # noqa: SLF001 - to go as if killed
        assert process is not None
        assert writer is not None
        writer.transport.abort()
        assert await asyncio.to_thread(process.wait) == 0
        with pytest.raises(BrokerAway):
            await connecting
        await courier.close()
        asked.close()


async def test_no_helper_is_left_when_the_bus_has_stopped(
    broker: Mosquitto, running: Running
) -> None:
    _, bus = await running(broker.port)
    await settled(bus)
    pid = helper_of(bus)
    await bus.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
