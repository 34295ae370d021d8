"""`ivrd api client`: a token shown once, its digest kept, each change on the audit trail."""

from __future__ import annotations

import json
import stat
import threading
from datetime import datetime
from pathlib import Path

import pytest

from ivrd.cli.own_store import operator
from ivrd.config import load_config
from ivrd.control.api.clients import client_of, clients_file, load_clients
from ivrd.control.api.tokens import is_token
from tests.cli.cli_terminal import Invoke
from tests.cli.dunning_set_up import audited

ME = operator()


@pytest.fixture
def config(own_sample: Path) -> Path:
    text = own_sample.read_text(encoding="utf-8")
    own_sample.write_text(f"{text}\n[api]\n", encoding="utf-8")
    return own_sample


def kept(config: Path) -> Path:
    return clients_file(load_config(config))


def test_a_token_is_shown_once_and_only_its_digest_is_kept(invoke: Invoke, config: Path) -> None:
    added = invoke(config, "api", "client", "add", "shop", "--may", "bills,arrears")
    assert added.exit_code == 0, added.output
    token = added.stdout.strip()
    assert is_token(token)
    assert "not shown again" in added.stderr
    assert client_of(load_clients(kept(config)), token) == "shop"
    assert stat.S_IMODE(kept(config).stat().st_mode) == 0o600
    for file in config.parent.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes()


def test_a_client_has_what_was_said_and_careful_defaults(invoke: Invoke, config: Path) -> None:
    invoke(config, "api", "client", "add", "shop", "--may", "bills")
    invoke(config, "api", "client", "add", "firm", "--may", "arrears, details", "--rate", "600/m",
           "--account", "100001", "--account", "100002", "--expires", "2099-12-31")  # fmt: skip
    clients = load_clients(kept(config))
    shop, firm = clients["shop"], clients["firm"]
    assert (shop.may, shop.accounts, shop.rate, shop.expires) == (["bills"], "proven", "10/s", None)
    assert (firm.may, firm.accounts) == (["details", "arrears"], ["100001", "100002"])
    assert firm.expires == datetime.fromisoformat("2100-01-01T00:00:00+08:00")
    listed = json.loads(invoke(config, "api", "client", "list", "--json").stdout)
    assert listed == [
        {"client": "shop", "may": ["bills"], "accounts": "proven", "rate": "10/s", "expires": None},
        {"client": "firm", "may": ["details", "arrears"], "accounts": "2 listed", "rate": "600/m",
         "expires": "2100-01-01T00:00:00+08:00"},
    ]  # fmt: skip
    shown = invoke(config, "api", "client", "list").stdout
    assert "2100-01-01" in shown
    assert shop.token_sha256 not in shown


def test_each_change_is_on_the_audit_trail_and_refusals_are_not(
    invoke: Invoke, config: Path
) -> None:
    invoke(config, "api", "client", "add", "shop", "--may", "bills")
    again = invoke(config, "api", "client", "add", "shop", "--may", "bills")
    assert again.exit_code == 1
    assert "there is a client 'shop' already" in again.stderr
    unknown = invoke(config, "api", "client", "remove", "shopp")
    assert unknown.exit_code == 1
    assert "did you mean 'shop'?" in unknown.stderr
    removed = invoke(config, "api", "client", "remove", "shop")
    assert removed.stdout == "removed shop\n"
    assert load_clients(kept(config)) == {}
    assert audited(config) == [f"api.client.add {ME}", f"api.client.remove {ME}"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shop"], "Missing option '--may'"),
        (["shop", "--may", "bill"], "did you mean 'bills'?"),
        (["shop", "--may", ""], "is none of bills, details, arrears"),
        (["a b", "--may", "bills"], "up to 32 letters"),
        (["shop", "--may", "bills", "--rate", "fast"], "write it as 10/s"),
        (["shop", "--may", "bills", "--expires", "2001-01-01"], "is past"),
        (["shop", "--may", "bills", "--accounts", "any", "--account", "1"], "one of the two"),
        (["shop", "--may", "bills", "--account", "1 2"], "account 1: up to 64 characters"),
    ],
)
def test_wrong_use_is_told_and_adds_nobody(
    invoke: Invoke, config: Path, words: list[str], told: str
) -> None:
    result = invoke(config, "api", "client", "add", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert load_clients(kept(config)) == {}


def test_without_the_table_it_says_what_is_missing(invoke: Invoke, own_sample: Path) -> None:
    for words in (["add", "shop", "--may", "bills"], ["list"], ["remove", "shop"]):
        result = invoke(own_sample, "api", "client", *words)
        assert result.exit_code == 2
        assert "has no table [api]: nobody can ask; expected [api]" in result.stderr


def test_clients_that_are_added_at_once_are_all_there(invoke: Invoke, config: Path) -> None:
    from ivrd.control.api.clients import Client, changing  # noqa: PLC0415 - for this test alone
    from tests.control.api_office import A_DAY  # noqa: PLC0415 - as above

    def add(name: str) -> None:
        with changing(kept(config)) as (clients, write):
            one = Client(token_sha256="0" * 64, may=["bills"], added=A_DAY)
            write({**clients, name: one})

    threads = [threading.Thread(target=add, args=(f"client-{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = json.loads(invoke(config, "api", "client", "list", "--json").stdout)
    assert len(listed) == 12
    assert not list(kept(config).parent.glob(".api-clients*"))
