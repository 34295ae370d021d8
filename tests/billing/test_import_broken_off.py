"""An import that is broken off while a server sends rows ends with what broke it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.billing.imports import source as import_source
from ivrd.billing.mapping import load_mapping
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.errors import BillingDown, BillingSlow
from tests.billing.conftest import TODAY
from tests.billing.import_places import import_url, order
from tests.billing.places import KINDS, SERVERS, BillingServer, copy_tables

NARROW = load_mapping(profile_for("narrow"))


class Broken(Exception):  # noqa: N818 - what happened
    """Something beside the source and the file."""


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return a source from which some rows have yet to come when the first ones are there."""
    file = tmp_path / "source.db"
    write_sample(file, TODAY, accounts=40, months=2, layout="narrow")
    if kind == "sqlite":
        return f"sqlite:///{file}"
    server: BillingServer = request.getfixturevalue(kind)
    owner = server.new()
    copy_tables(file, owner)
    return server.reader_url(owner)


@pytest.mark.parametrize("kind", KINDS)
def test_what_breaks_an_import_off_is_what_comes_out_and_the_next_one_succeeds(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_source, "BATCH", 5)

    def told(what: str, done: int, total: int) -> None:
        if what == "bills" and 0 < done < total:
            raise Broken

    with pytest.raises(Broken):
        import_url(url, NARROW, order(tmp_path), told=told)
    assert not order(tmp_path).file.exists()
    assert import_url(url, NARROW, order(tmp_path)).swapped


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_goes_away_while_it_sends_rows_is_told(
    url: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(import_source, "BATCH", 5)
    server: BillingServer = request.getfixturevalue(kind)
    begun: list[str] = []

    def told(what: str, done: int, _: int) -> None:
        if what == "accounts" and done and not begun:
            begun.append(what)
            server.drop_connections()

    with pytest.raises((BillingDown, BillingSlow)):
        import_url(url, NARROW, order(tmp_path), told=told)
    assert begun
    assert not order(tmp_path).file.exists()
