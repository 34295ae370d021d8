"""Commands that come through the broker: read, checked, carried out one by one, answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from ivrd.control.aside import Aside
from ivrd.control.bus_words import VERSION, Topics
from ivrd.control.mqtt_courier import Courier, Message
from ivrd.control.mqtt_helper import LONGEST
from ivrd.control.mqtt_link import QOS
from ivrd.control.orders import ORDERS, Giver, Order
from ivrd.daemon import Daemon
from ivrd.errors import ControlError, IvrdError, ProblemsError, arose_at, nearest

_REFUSED = 128
"""Reason codes from this one on are failures (MQTT 5 §2.4)."""

_log = structlog.get_logger("ivrd.mqtt")


@dataclass(frozen=True, slots=True)
class Reply:
    """Where a reply goes: by MQTT 5's properties, or by the command's own fields."""

    topic: str | None
    data: bytes | None = None
    correlation: str | None = None


class Commands:
    """Receives commands where ivrd.toml lets it; `tell` puts an event into the stream."""

    def __init__(
        self,
        daemon: Daemon,
        topics: Topics,
        courier: Courier,
        aside: Aside,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._daemon = daemon
        self._topics = topics
        self._courier = courier
        self._aside = aside
        self._tell = tell
        self._on = bool(daemon.config.mqtt and daemon.config.mqtt.commands)

    async def subscribe(self) -> None:
        """Ask the broker for commands, if any are to be taken. Raises `BrokerAway`."""
        if self._on:
            await self._subscribe(f"{self._topics.commands}+")

    async def forget_strangers(self, own: set[str]) -> None:
        """Take back retained states of lines and campaigns that there are no more.

        A broker sends what it retains right after the subscription; so what has come when the
        subscription is over is all that is looked at. At QoS 0, else it would send the first few
        and wait for each to be acknowledged. Raises `BrokerAway`.
        """
        strangers = set()
        for base in (self._topics.lines, self._topics.campaigns):
            await self._subscribe(f"{base}+", qos=0)
            await self._courier.unsubscribe(f"{base}+")
            while not self._courier.messages.empty():
                message = self._courier.messages.get_nowait()
                if message.retain and message.payload and message.topic not in own:
                    strangers.add(message.topic)
        for topic in sorted(strangers):
            self._courier.send(topic, None, retain=True)
        if strangers:
            _log.info("mqtt_states_taken_back", count=len(strangers), some=sorted(strangers)[:5])

    async def receive(self) -> None:
        """Carry out commands, one after the other, until cancelled."""
        while True:
            message = await self._courier.messages.get()
            name = message.topic.removeprefix(self._topics.commands)
            if self._on and name != message.topic:
                await self._command(name, message)

    async def _command(self, name: str, message: Message) -> None:
        reply = self._reply_to(message)
        by, answer = await self._answer(name, message.payload, retained=message.retain)
        known = name if name in ORDERS else "unknown"
        if answer["ok"]:
            _log.info("mqtt_command", command=known, by=by)
        else:
            _log.warning("mqtt_command_refused", command=known, by=by, why=answer["error"])
        self._tell({"event": "command", "command": known, "by": by, "ok": answer["ok"]})
        if reply.topic is not None:
            told = {"v": VERSION, "command": name[:100], **answer}
            if reply.correlation is not None:
                told["correlation"] = reply.correlation
            self._courier.send(reply.topic, told, correlation=reply.data)

    async def _subscribe(self, topic: str, qos: int = QOS) -> None:
        for code in await self._courier.subscribe(topic, qos):
            if code >= _REFUSED:
                _log.error("mqtt_subscription_refused", topic=topic, code=code)

    async def _answer(
        self, name: str, payload: bytes, *, retained: bool
    ) -> tuple[str, dict[str, Any]]:
        """Carry a command out; return who gave it, and what came of it."""
        by = "mqtt"
        try:
            order = _read(name, payload, retained=retained, stopping=self._daemon.stopping)
            by = f"mqtt:{order.by}" if order.by else by
            result = await ORDERS[name][1](Giver(self._daemon, self._aside, by), order)
        except ProblemsError as error:
            problems = [str(problem) for problem in error.problems]
            return by, {"ok": False, "error": f"{len(problems)} problems", "problems": problems}
        except IvrdError as error:
            return by, {"ok": False, "error": str(error), "problems": []}
        except Exception as error:  # a command that breaks ends nothing else
            kind = type(error).__name__
            _log.error("mqtt_command_broke", command=name, kind=kind, at=arose_at(error))
            return by, {"ok": False, "error": f"a fault in ivrd itself: {kind}", "problems": []}
        return by, {"ok": True, "result": result}

    def _reply_to(self, message: Message) -> Reply:
        """Return where the reply goes, whatever else is wrong with the command."""
        topic = message.response
        body: Any = None
        with suppress(ValueError, RecursionError):
            body = json.loads(message.payload[:LONGEST])
        fields = body if isinstance(body, dict) else {}
        correlation = fields.get("correlation")
        topic = topic or fields.get("reply_to")
        if not isinstance(topic, str) or not _can_be_replied_to(topic, self._topics):
            if topic is not None:
                _log.warning("mqtt_no_reply", why="no topic that a reply may go to")
            topic = None
        return Reply(
            topic, message.correlation, correlation if isinstance(correlation, str) else None
        )


def _read(name: str, payload: bytes, *, retained: bool, stopping: bool) -> Order:
    """Return what a command says. Raises `ControlError`: what is wrong with it."""
    if stopping:
        raise ControlError("the daemon stops")
    if retained:
        raise ControlError("a retained command would be done again and again: publish it without")
    if name not in ORDERS:
        near = nearest(name, ORDERS)
        hint = f"; did you mean {near!r}?" if near else f"; there are {', '.join(ORDERS)}"
        raise ControlError(f"no command {name[:100]!r}{hint}")
    if len(payload) > LONGEST:
        raise ControlError(f"a command of more than {LONGEST} bytes")
    model = ORDERS[name][0]
    try:
        return model.model_validate_json(payload or b"{}")
    except ValidationError as error:
        raise ControlError("; ".join(_wrong(one, model) for one in error.errors())) from None


def _wrong(one: Any, model: type[Order]) -> str:
    """Return one thing that is wrong, and what was expected."""
    key = ".".join(str(part) for part in one["loc"])
    if one["type"] == "extra_forbidden":
        near = nearest(key, model.model_fields)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"{key}: no such field; expected {', '.join(model.model_fields)}{hint}"
    return f"{key}: {one['msg']}" if key else str(one["msg"])


def _can_be_replied_to(topic: str, topics: Topics) -> bool:
    """Return whether a reply may go there: to one topic, and to none that is the daemon's own."""
    try:
        length = len(topic.encode())
    except UnicodeEncodeError:
        return False
    bad = set("+#\0") & set(topic) or topic.startswith("$") or length > 65_535
    base = topics.status.removesuffix("status")
    return bool(topic) and not bad and (
        not topic.startswith(base) or topic.startswith(f"{base}reply/")
    )  # fmt: skip
