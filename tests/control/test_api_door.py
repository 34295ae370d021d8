"""Who may ask, how often, for whom; and what is left of it in log and metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from ivrd.control import listener as listening
from ivrd.control.api.clients import changing, clients_file
from ivrd.control.api.door import WRONG_PROOFS
from ivrd.control.api.metrics import ApiMetrics
from ivrd.control.api.server import FLOOD_PAUSE_S
from ivrd.control.api.tokens import new_token
from ivrd.control.outside import Outside
from tests.control.api_office import API, NOW, PASSWORD, Office, office
from tests.control.conftest import daemon_with
from tests.test_watch_stream import SETTINGS

CLIENT = "/api/v1/client"


@pytest.fixture
async def here(sample_db: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sample_db, tmp_path) as made:
        yield made


async def test_without_a_token_nobody_is_answered(here: Office) -> None:
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic aXZyZDppdnJk",
        "Bearer a b",
        "ivrd_",
        "Bearer中",
    ):
        answer = await here.ask(CLIENT, by=None, headers={"Authorization": header})
        assert (answer.status, answer.code) == (401, "token-missing"), header
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_tokens_that_are_nobodys_are_refused(here: Office) -> None:
    for token in (new_token(), "ivrd_x", here.tokens["any"][:-1] + "!", here.tokens["any"].upper()):
        answer = await here.ask(CLIENT, None, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.code) == (401, "token-refused")


async def test_whoever_tries_tokens_is_slowed_and_holds_up_no_client(here: Office) -> None:
    wrong = {"Authorization": f"Bearer {new_token()}"}
    codes = [(await here.ask(CLIENT, None, headers=wrong)).code for _ in range(12)]
    assert codes == ["token-refused"] * 10 + ["too-many-tokens"] * 2
    answer = await here.ask(CLIENT, None)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "6")
    assert (await here.ask(CLIENT)).status == 200
    here.later(6)
    assert (await here.ask(CLIENT, None, headers=wrong)).code == "token-refused"
    assert (await here.ask(CLIENT, None, headers=wrong)).code == "too-many-tokens"


async def test_a_client_has_its_rate_and_is_told_when_it_may_again(here: Office) -> None:
    here.add("slow", rate="3/m")
    statuses = [(await here.ask(CLIENT, "slow")).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = await here.ask(CLIENT, "slow")
    assert (answer.code, answer.headers["Retry-After"]) == ("too-often", "20")
    assert (await here.ask(CLIENT)).status == 200
    here.later(20)
    assert [(await here.ask(CLIENT, "slow")).status for _ in range(2)] == [200, 429]


async def test_a_token_ends_on_its_day(here: Office) -> None:
    here.add("short", expires=NOW + timedelta(days=1))
    assert (await here.ask(CLIENT, "short")).body["expires"] == "2026-11-23T10:00:00+08:00"
    here.now = NOW + timedelta(days=1)
    answer = await here.ask(CLIENT, "short")
    assert (answer.status, answer.code) == (401, "token-expired")


async def test_what_a_client_may_is_told_and_kept(here: Office) -> None:
    handle_of = {}
    for name in ("bills", "details", "arrears"):
        here.add(name, may=[name])
        assert (await here.ask(CLIENT, name)).body["may"] == [name]
        handle_of[name] = await here.handle(by=name)
    paths = {"bills": ("/bills", "/bills/2026-10"), "details": ("/bills/2026-10/calls",),
             "arrears": ("/arrears",)}  # fmt: skip
    for name, handle in handle_of.items():
        for of, ends in paths.items():
            for end in ends:
                answer = await here.ask(f"/api/v1/accounts/{handle}{end}", name)
                assert answer.status == (200 if of == name else 403), (name, end)
                assert answer.status == 200 or answer.code == "not-allowed"


async def test_a_client_with_a_list_of_accounts_sees_no_other(here: Office) -> None:
    here.add("firm", accounts=["100001", "100002"])
    assert (await here.find("firm", phone="88610001")).status == 200
    assert (await here.find("firm", phone="88610003")).code == "no-account"
    assert (await here.ask(CLIENT, "firm")).body["accounts"] == "listed"


async def test_a_proof_is_asked_for_and_wrong_and_unknown_are_told_alike(here: Office) -> None:
    here.add("app", accounts="proven")
    assert (await here.find("app", phone="88610001", proof=PASSWORD)).status == 200
    told = []
    for asked in ({"phone": "88610001"}, {"phone": "88610001", "proof": "654321"},
                  {"phone": "00000000", "proof": PASSWORD}):  # fmt: skip
        answer = await here.find("app", **asked)
        assert (answer.status, answer.code) == (403, "not-proven")
        told.append({key: value for key, value in answer.body.items() if key != "instance"})
    assert told[0] == told[1] == told[2]


async def test_wrong_proofs_lock_the_account_for_calls_too(here: Office) -> None:
    here.add("app", accounts="proven")
    for _ in range(3):
        assert (await here.find("app", phone="88610002", proof="000000")).code == "not-proven"
    assert (await here.find("app", phone="88610002", proof=PASSWORD)).code == "not-proven"
    check = here.daemon.parts.registry["check_proof"].do
    assert check({"account": "100002", "proof": PASSWORD}).event == "U_LOCKED"
    assert (await here.find("app", phone="88610001", proof=PASSWORD)).status == 200


async def test_a_client_that_guesses_through_the_accounts_is_stopped(here: Office) -> None:
    here.add("app", accounts="proven")
    wanted = {"phone": "00000000", "proof": "000000"}
    answers = [await here.find("app", **wanted) for _ in range(WRONG_PROOFS.count)]
    assert {answer.code for answer in answers} == {"not-proven"}
    answer = await here.find("app", phone="88610001", proof=PASSWORD)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "too-often", "60")
    here.later(61)
    assert (await here.find("app", phone="88610001", proof=PASSWORD)).status == 200


async def test_clients_come_and_go_while_the_daemon_runs(here: Office) -> None:
    here.add("guest")
    handle = await here.handle(by="guest")
    file = clients_file(here.daemon.config)
    with changing(file) as (clients, write):
        write({name: client for name, client in clients.items() if name != "guest"})
    here.later(2)
    assert (await here.ask(CLIENT, "guest")).code == "token-refused"
    # who comes under the same name is somebody else
    here.add("guest")
    assert (await here.ask(f"/api/v1/accounts/{handle}/bills", "guest")).code == "handle-unknown"


@pytest.mark.parametrize("how", ["broken", "readable"])
async def test_a_file_that_is_not_right_changes_nothing_and_is_told(here: Office, how: str) -> None:
    assert (await here.ask(CLIENT)).status == 200
    file = clients_file(here.daemon.config)
    if how == "broken":
        file.write_text('{"any": {"may": ["bills"]}}', encoding="utf-8")
        file.chmod(0o600)
    else:
        file.chmod(0o644)
    with capture_logs() as logs:
        for _ in range(3):
            here.later(2)
            assert (await here.ask(CLIENT)).status == 200
    refused = [entry for entry in logs if entry["event"] == "api_file_refused"]
    assert refused
    assert len(refused) == len({entry["what"] for entry in refused})
    assert all("api-clients.json" in entry["what"] for entry in refused)


async def test_the_log_says_who_asked_for_whom_and_tells_nobodys_number(here: Office) -> None:
    here.add("app", accounts="proven")
    with capture_logs() as logs:
        handle = await here.handle(by="app")
        answer = await here.ask(f"/api/v1/accounts/{handle}/bills/2026-10", "app")
        await here.find("app", phone="88610002", proof="777777")
        await here.ask(CLIENT, None, headers={"Authorization": f"Bearer {new_token()}"})
    asked = [entry for entry in logs if entry["event"] == "api_asked"]
    assert [(one["client"], one["operation"], one["account"], one["status"]) for one in asked] == [
        ("app", "find_account", "xxx001", 200), ("app", "bill", "xxx001", 200),
        ("app", "find_account", "", 403), ("", "", "", 401),
    ]  # fmt: skip
    assert all(one["remote"] == "127.0.0.1" for one in asked)
    assert answer.status == 200
    text = str(logs)
    for secret in ("88610001", "100001", PASSWORD, "777777", handle, *here.tokens.values()):
        assert secret not in text


async def test_floods_do_not_fill_the_log(here: Office) -> None:
    here.add("often", rate="5/h")
    with capture_logs() as logs:
        for _ in range(40):
            await here.ask(CLIENT, None)
            await here.ask(CLIENT, "often")
    codes = Counter(entry["code"] for entry in logs if entry["event"] == "api_asked")
    assert codes == {"token-missing": 10, "too-many-tokens": 1, "": 5, "too-often": 1}
    # and each of them has its answer late: 256 connections make no more than 256 a second
    assert here.paused_s == [FLOOD_PAUSE_S] * (30 + 35)
    with capture_logs() as logs:
        here.later(61)
        await here.ask(CLIENT, "often")
    assert [entry["code"] for entry in logs if entry["event"] == "api_asked"] == ["too-often"]


async def test_requests_are_counted_by_client_and_status(here: Office) -> None:
    registry = CollectorRegistry()
    here.server.on_done = ApiMetrics(registry).done
    for _ in range(3):
        await here.ask(CLIENT)
    await here.ask("/api/v1/none")
    await here.ask(CLIENT, None)

    def count(client: str, status: str) -> float | None:
        labels = {"client": client, "status": status}
        return registry.get_sample_value("ivrd_api_requests_total", labels)

    assert (count("any", "200"), count("any", "404"), count("", "401")) == (3, 1, 1)
    name = "ivrd_api_request_seconds_count"
    assert registry.get_sample_value(name, {"operation": "client"}) == 3


async def test_connections_beyond_the_limit_are_cut_off(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 2)
    port, held = here.listener.port, []
    try:
        for _ in range(2):
            held.append(await asyncio.open_connection("127.0.0.1", port))
            _, writer = held[-1]
            writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            reader, _ = held[-1]
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        held.append(await asyncio.open_connection("127.0.0.1", port))
        reader, writer = held[-1]
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        with suppress(ConnectionError):
            told = await reader.read()
        assert told == b""
    finally:
        for _, writer in held:
            writer.close()
        for _, writer in held[:2]:
            await writer.wait_closed()


async def test_metrics_and_bills_share_an_address_and_keep_their_own_ways(sample_db: Path) -> None:
    settings = SETTINGS.format(db=sample_db) + API + '\n[metrics]\nlisten = "127.0.0.1:0"\n'
    made: list[Outside] = []
    async with daemon_with(settings, lambda daemon: made.append(Outside(daemon))):
        outside = made[0]
        await outside.start()
        try:
            (shared,) = outside._listeners._made.values()  # type: ignore[union-attr]  # noqa: SLF001 - its port was any
            url = f"http://127.0.0.1:{shared.port}"
            async with aiohttp.ClientSession() as session:
                told = {}
                for path in ("/healthz", "/readyz", CLIENT, "/openapi.json", "/metrics", "/none"):
                    async with session.get(f"{url}{path}") as answer:
                        told[path] = (answer.status, answer.content_type, await answer.text())
        finally:
            await outside.stop()
    assert {path: status for path, (status, _, _) in told.items()} == {
        "/healthz": 200, "/readyz": 200, CLIENT: 401, "/openapi.json": 200, "/metrics": 200,
        "/none": 404,
    }  # fmt: skip
    assert told[CLIENT][1] == "application/problem+json"
    assert told["/none"][1] == "text/plain"
    assert 'ivrd_api_requests_total{client="",status="401"} 1.0' in told["/metrics"][2]
