"""The enquiry service without a daemon: for commands that prove flows and prompts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ivrd.assembly import enquiry_settings, load_enquiry, load_voices, open_billing, prove_test_call
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.config import TEST_CALL, Config
from ivrd.enquiry import enquiry_actions
from ivrd.errors import ConfigError, Problem
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow


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
    reader = open_billing(config, load_mapping(config.mapping))
    try:
        yield reader
    finally:
        reader.database.engine.dispose()


def enquiry_flow(config: Config) -> Flow:
    """Load and prove the enquiry flow; no database is asked. Raises `ProblemsError`."""
    mapping = load_mapping(config.mapping)
    with billing_reader(config) as reader:
        registry = enquiry_actions(
            reader, lambda: datetime.now(config.zone), enquiry_settings(config)
        )
    return load_enquiry(config, registry, load_voices(config, mapping))


class Machines:
    """The flows that a line log can hold: the one of ivrd.toml, and that of test calls."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._own = FlowMachine(enquiry_flow(config))
        self._test_call: FlowMachine | None = None

    def of(self, flow: str) -> FlowMachine:
        """Return the machine that a call of `flow` is held against. Raises `ProblemsError`."""
        if flow != TEST_CALL or self._own.flow.name == TEST_CALL:
            return self._own
        if self._test_call is None:
            voices = load_voices(self._config, load_mapping(self._config.mapping))
            self._test_call = FlowMachine(prove_test_call(self._config, voices))
        return self._test_call
