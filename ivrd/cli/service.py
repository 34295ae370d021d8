"""The services without a daemon: for commands that prove flows and prompts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ivrd.assembly import (
    actions_of,
    dunning_file,
    load_dunning,
    load_enquiry,
    load_voices,
    open_billing,
    prove_test_call,
)
from ivrd.billing.reader import BillingReader
from ivrd.config import TEST_CALL, Config
from ivrd.errors import ConfigError, Problem
from ivrd.flow.actions import Registry
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow
from ivrd.prompts import Voices
from ivrd.stand_alone import read_mapping

DUNNING = "dunning"
"""The name of the flow of a reminder, as a line's log tells it."""


def with_flow(config: Config, file: Path | None) -> Config:
    """Return the settings with another flow file; sentences.toml is looked for beside it."""
    if file is None:
        return config
    if file.suffix != ".toml":
        raise ConfigError([Problem("is no flow file", file=file, expected="a name ending in .toml",
                                   rule="flow-file")])  # fmt: skip
    places = config.places.model_copy(update={"flows": file.parent.absolute()})
    enquiry = config.enquiry.model_copy(update={"flow": file.stem})
    return config.model_copy(update={"places": places, "enquiry": enquiry})


@contextmanager
def billing_reader(config: Config) -> Iterator[BillingReader]:
    """Give a reader on the billing database, and close it after."""
    reader = open_billing(config, read_mapping(config))
    try:
        yield reader
    finally:
        reader.database.engine.dispose()


def voices_of(config: Config) -> Voices:
    """Return the voice library of ivrd.toml. Raises `ProblemsError`."""
    return load_voices(config, read_mapping(config))


def enquiry_flow(config: Config) -> Flow:
    """Load and prove the enquiry flow; no database is asked. Raises `ProblemsError`."""
    return load_enquiry(config, *_at_hand(config))


def dunning_flow(config: Config, file: Path | None = None) -> Flow:
    """Load and prove the dunning flow, or `file`, as `enquiry_flow`."""
    return load_dunning(config, *_at_hand(config), file)


def flow_in(config: Config, file: Path | None) -> Flow:
    """Load and prove the flow in `file`; without one, the enquiry flow of ivrd.toml.

    A flow that dials is held against what a reminder's call is told. Raises `ProblemsError`.
    """
    config = with_flow(config, file)
    return dunning_flow(config, file) if file and _dials(file) else enquiry_flow(config)


def _at_hand(config: Config) -> tuple[Registry, Voices]:
    """Return the actions and voices with which a flow is proved."""
    mapping = read_mapping(config)
    with billing_reader(config) as reader:
        registry = actions_of(config, reader, lambda: datetime.now(config.zone))
    return registry, load_voices(config, mapping)


def _dials(file: Path) -> bool:
    try:
        states = tomllib.loads(file.read_text(encoding="utf-8")).values()
    except (OSError, ValueError):
        return False  # the loader says what is wrong, and where
    return any(isinstance(state, dict) and state.get("do") == "dial" for state in states)


class Machines:
    """The flows that a line log can hold: the one of ivrd.toml, reminders, and test calls."""

    def __init__(self, config: Config, file: Path | None = None) -> None:
        self._config = with_flow(config, file)
        own = FlowMachine(flow_in(config, file))
        self._machines = {own.flow.name: own}
        self._own = own

    def of(self, flow: str) -> FlowMachine:
        """Return the machine that a call of `flow` is held against. Raises `ProblemsError`."""
        if flow not in self._machines:
            self._machines[flow] = self._loaded(flow)
        return self._machines[flow]

    def _loaded(self, flow: str) -> FlowMachine:
        if flow == TEST_CALL:
            voices = load_voices(self._config, read_mapping(self._config))
            return FlowMachine(prove_test_call(self._config, voices))
        if flow == DUNNING and dunning_file(self._config).exists():
            return FlowMachine(dunning_flow(self._config))
        return self._own
