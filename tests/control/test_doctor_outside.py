"""What `ivrd doctor` says of the broker and of the metrics' address: of real ones."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from pathlib import Path

import pytest

from ivrd.cli.doctor_outside import broker_look, metrics_look
from ivrd.config import load_config
from ivrd.control.outside import Outside
from tests.control.conftest import daemon_with
from tests.control.mosquitto import Mosquitto, free_port, missing, retained
from tests.control.test_bus_settings import certificates
from tests.test_config import GOOD
from tests.test_watch_stream import SETTINGS

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


async def of_broker(folder: Path, more: str) -> tuple[bool | None, str]:
    file = folder / "ivrd.toml"
    file.write_text(f"{GOOD}\n[mqtt]\n{more}\n", encoding="utf-8")
    return await asyncio.to_thread(broker_look, load_config(file))


def of_metrics(folder: Path, listen: str) -> tuple[bool | None, str]:
    file = folder / "ivrd.toml"
    file.write_text(f'{GOOD}\n[metrics]\nlisten = "{listen}"\n', encoding="utf-8")
    return metrics_look(load_config(file))


async def test_broker_that_lets_the_node_in_is_good_and_keeps_nothing_of_it(
    tmp_path: Path, broker: Mosquitto
) -> None:
    ok, told = await of_broker(tmp_path, f"port = {broker.port}\ncommands = true")
    who = "a client without a user may publish and subscribe under ivrd/ivrd/"
    assert (ok, told) == (True, f"127.0.0.1:{broker.port}: {who}")
    assert await retained(broker.port) == {}


async def test_broker_that_is_not_there_is_told_with_the_keys_to_look_at(tmp_path: Path) -> None:
    ok, told = await of_broker(tmp_path, f"port = {free_port()}")
    assert ok is False
    assert "Connection refused; look at mqtt.host and mqtt.port" in told


async def test_user_and_rights_are_tried(tmp_path: Path) -> None:
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    passwords.write_text("ivrd:secret\nguest:secret\n", encoding="ascii")
    passwd = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    process = await asyncio.create_subprocess_exec(passwd, "-U", str(passwords))
    assert await process.wait() == 0
    rights.write_text("user ivrd\ntopic readwrite ivrd/ivrd/#\nuser guest\ntopic read ivrd/#\n")
    own = Mosquitto(
        tmp_path, f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"
    )
    (tmp_path / "secret").write_text("secret\n", encoding="ascii")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "wrong").write_text("wrong\n", encoding="ascii")
    (tmp_path / "wrong").chmod(0o600)
    await own.start()
    try:
        for user, file, good, said in (
            ("ivrd", "secret", True, "user ivrd may publish and subscribe under ivrd/ivrd/"),
            ("ivrd", "wrong", False, "refused: "),
            ("guest", "secret", False, "let it read and write ivrd/ivrd/#"),
        ):
            more = f'port = {own.port}\nuser = "{user}"\npassword_file = "{file}"'
            ok, told = await of_broker(tmp_path, more)
            assert (ok, said in told) == (good, True), told
    finally:
        own.kill()


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SSLSocket")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_certificate_of_another_name_or_authority_is_told(tmp_path: Path) -> None:
    await certificates(tmp_path)
    tls = Mosquitto(
        tmp_path,
        f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\n"
        f"keyfile {tmp_path}/broker.key\nallow_anonymous true\n",
    )
    await tls.start()
    port = f"port = {tls.port}\ntls = true\n"
    try:
        ok, told = await of_broker(tmp_path, f'{port}ca_file = "ca.pem"')
        assert (ok, "TLS, " in told) == (True, True), told
        ok, told = await of_broker(tmp_path, f'{port}ca_file = "ca.pem"\nhost = "localhost"')
        assert (ok, "has to name localhost (mqtt.host)" in told) == (False, True), told
        ok, told = await of_broker(tmp_path, port)
        assert (ok, "by an authority of mqtt.ca_file" in told) == (False, True), told
    finally:
        tls.kill()


def test_metrics_address_that_is_free_taken_or_open_to_others_is_told(tmp_path: Path) -> None:
    port = free_port()
    assert of_metrics(tmp_path, f"127.0.0.1:{port}") == (True, f"127.0.0.1:{port} is free")
    ok, told = of_metrics(tmp_path, f"0.0.0.0:{port}")
    assert (ok, "a firewall has to" in told) == (None, True)
    ok, told = of_metrics(tmp_path, f"192.0.2.1:{port}")
    assert (ok, "Cannot assign requested address" in told) == (False, True), told
    with socket.create_server(("127.0.0.1", 0)) as other:
        # it takes connections and says nothing: no daemon
        taken = other.getsockname()[1]
        ok, told = of_metrics(tmp_path, f"127.0.0.1:{taken}")
    assert (ok, "Address already in use" in told) == (False, True), told


def test_metrics_address_of_a_server_that_speaks_no_http_is_told(tmp_path: Path) -> None:
    def greet() -> None:
        with other.accept()[0] as one:
            one.sendall(b"SSH-2.0-none\r\n")
            one.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as other:
        greeting = threading.Thread(target=greet)
        greeting.start()
        ok, told = of_metrics(tmp_path, f"127.0.0.1:{other.getsockname()[1]}")
        greeting.join()
    assert (ok, "Address already in use" in told) == (False, True), told


async def test_metrics_of_a_daemon_that_runs_are_recognised(
    tmp_path: Path, sample_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    # a machine's way to the web is none to itself
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    settings = f'{SETTINGS.format(db=sample_db)}\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    made: list[Outside] = []
    async with daemon_with(settings, lambda daemon: made.append(Outside(daemon))):
        await made[0].start()
        try:
            told = await asyncio.to_thread(of_metrics, tmp_path, f"127.0.0.1:{port}")
        finally:
            await made[0].stop()
    assert told == (True, f"a daemon answers on 127.0.0.1:{port}")
