"""Stand-alone mode as ivrd.toml has it: what is imported, and how what was imported is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from ivrd.billing.check import Check, check_billing
from ivrd.billing.engine import engine_from
from ivrd.billing.imports.embedded import embedded_mapping, seen, unfit
from ivrd.billing.imports.parts import Told
from ivrd.billing.imports.run import ImportOrder, origin_of_files
from ivrd.billing.imports.source import Origin
from ivrd.billing.mapping import load_mapping
from ivrd.billing.tables import BillingMapping
from ivrd.config import Config
from ivrd.errors import ConfigError, Problem
from ivrd.import_settings import ImportTable

T = TypeVar("T")


def read_mapping(config: Config) -> BillingMapping:
    """Return the mapping by which billing data is read: the operator's, or that of our own file.

    Raises `MappingError`.
    """
    mapping = load_mapping(config.mapping)
    return embedded_mapping(mapping) if config.billing_file else mapping


def check_data(config: Config, mapping: BillingMapping, engine: Engine) -> Check:
    """Hold a mapping against the billing data. Of data of our own that does not fit, say why."""
    wrong = unfit_data(config, mapping)
    return Check(problems=wrong) if wrong else check_billing(mapping, engine)


def unfit_data(config: Config, mapping: BillingMapping) -> list[Problem]:
    """Return why the file of our own does not serve a mapping; nothing in network mode."""
    wrong = unfit(config.billing_file, mapping) if config.billing_file else None
    return [wrong] if wrong else []


def open_data(config: Config) -> Engine:
    """Return an engine on the billing data; in stand-alone mode, on the file of now.

    A file that cannot be opened is for lookups to tell, and for `unfit_data`. Raises `ConfigError`.
    """
    billing = config.billing

    def opened(*, held: bool) -> Engine:
        with keyed(config, "billing"):
            return engine_from(
                config.billing_url,
                password_env=billing.password_env,
                password_file=config.password_file,
                time_limit_s=billing.limit_s,
                connections=billing.threads,
                held=held,
            )

    file = config.billing_file
    if file is None or not file.exists():
        return opened(held=False)
    try:
        return _of_one_file(file, lambda: opened(held=True))
    except SQLAlchemyError:
        return opened(held=False)


def _of_one_file(file: Path, make: Callable[[], Engine]) -> Engine:
    """Return an engine all of whose connections read one file, though another may come."""
    while True:
        before = seen(file)
        engine = make()
        if seen(file) == before:
            return engine
        engine.dispose()


def import_table(config: Config) -> ImportTable:
    """Return [import]. Raises `ConfigError` in network mode."""
    if config.import_ is None:
        raise ConfigError([Problem("is not stand-alone: nothing is imported", file=config.path,
                                   key="billing.mode", expected='"stand-alone" and an [import]',
                                   rule="mode")])  # fmt: skip
    return config.import_


def import_order(config: Config) -> ImportOrder:
    """Return what is to be imported, and where to."""
    table, file = import_table(config), config.billing_file
    if file is None:
        raise RuntimeError("stand-alone mode has a file of its own")
    source = str(table.files)
    if config.import_url:
        source = make_url(config.import_url).render_as_string(hide_password=True)
    return ImportOrder(file, source, table.months, table.refused)


@contextmanager
def import_origin(config: Config, now: datetime, told: Told) -> Iterator[Origin]:
    """Give what is imported from, under the lock; files are gathered into a database first.

    Raises `ProblemsError`, `BillingError`.
    """
    table, mapping = import_table(config), load_mapping(config.mapping)
    order, files = import_order(config), config.file_of(table.files)
    with ExitStack() as stack:
        if files is not None:
            yield stack.enter_context(origin_of_files(files, mapping, order, now, told))
            return
        with keyed(config, "import"):
            engine = engine_from(
                config.import_url or "",
                password_env=table.password_env,
                password_file=config.file_of(table.password_file),
                time_limit_s=table.limit_s,
                connections=2,
            )
        stack.callback(engine.dispose)
        yield Origin(mapping, engine)


@contextmanager
def keyed(config: Config, table: str) -> Iterator[None]:
    """Let problems with a database's settings name their place in ivrd.toml."""
    try:
        yield
    except ConfigError as error:
        placed = [
            replace(problem, file=config.path, key=f"{table}.{problem.key}")
            for problem in error.problems
        ]
        raise ConfigError(placed) from None
