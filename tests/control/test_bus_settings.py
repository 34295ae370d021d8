"""[mqtt] and [metrics]: what is written wrong is told, and TLS holds both sides to their names."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from ivrd.config import load_config
from ivrd.control.broker import Broker
from ivrd.errors import ConfigError
from ivrd.listen_address import host_and_port
from tests.control.conftest import Running, until
from tests.control.mosquitto import Mosquitto, retained
from tests.test_config import GOOD


def _use(file: Path) -> None:
    config = load_config(file)
    assert config.mqtt is not None
    Broker(config, config.mqtt, {})


def said(file: Path, more: str) -> list[str]:
    """Return what is said of settings that end with `more`."""
    file.write_text(f"{GOOD}\n{more}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        _use(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[mqtt]\nhots = "x"', "did you mean 'host'?"),
        ('[mqtt]\nprefix = "ivrd/#"', "22: mqtt.prefix: "),
        ('[mqtt]\nversion = "3.1"', "expected 5 or 3.1.1"),
        ("[mqtt]\nport = 70000", "22: mqtt.port: "),
        ('[mqtt]\npassword_env = "X"', "22: mqtt.password_env: a password without a user"),
        ('[mqtt]\nca_file = "ca.pem"', "mqtt.ca_file: is used with TLS only; expected tls = true"),
        ('[mqtt]\ntls = true\ncert_file = "c"', "mqtt.cert_file: stands without key_file"),
        ('[metrics]\nlisten = "9170"', "write it as 127.0.0.1:9170"),
        ('[metrics]\nlisten = "127.0.0.1:99999"', "is no address to listen on"),
        ("[metrics]\nport = 1", "22: metrics.port: no such key; expected one of listen"),
        ('[mqtt]\nuser = "u"\npassword_env = "NONE"', "variable NONE is not set"),
        ('[mqtt]\ntls = true\nca_file = "no.pem"', "no.pem cannot be used: No such file"),
    ],
)
def test_wrong_settings_are_told_with_their_key(tmp_path: Path, more: str, told: str) -> None:
    problems = said(tmp_path / "ivrd.toml", more)
    assert len(problems) == 1
    assert told in problems[0], problems[0]


def test_secrets_that_others_may_read_are_refused(tmp_path: Path) -> None:
    for name in ("secret", "key.pem", "cert.pem"):
        (tmp_path / name).write_text("x\n", encoding="ascii")
        (tmp_path / name).chmod(0o644)
    more = '[mqtt]\nuser = "u"\npassword_file = "secret"\ntls = true\ncert_file = "cert.pem"\n'
    problems = said(tmp_path / "ivrd.toml", f'{more}key_file = "key.pem"')
    assert [problem.split("; expected")[0].rsplit(": ", 2)[1:] for problem in problems] == [
        [f"{tmp_path / name} has mode 0644", "others than its owner may use it"]
        for name in ("secret", "key.pem")
    ]


def test_port_follows_tls_and_addresses_may_be_of_ipv6(tmp_path: Path) -> None:
    file = tmp_path / "ivrd.toml"
    ports = []
    for tls in ("false", "true"):
        file.write_text(f'{GOOD}\n[mqtt]\ntls = {tls}\n[metrics]\nlisten = "[::1]:9170"', "utf-8")
        config = load_config(file)
        assert config.mqtt is not None
        assert config.metrics is not None
        ports.append(Broker(config, config.mqtt, {}).port)
        assert host_and_port(config.metrics.listen) == ("::1", 9170)
    assert ports == [1883, 8883]


async def _openssl(folder: Path, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "openssl", *words, cwd=folder, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def certificates(folder: Path) -> None:
    """Make an authority, and certificates by it for the broker and for the daemon."""
    await _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key",
                   "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")  # fmt: skip
    for name, also in (("broker", "IP:127.0.0.1"), ("daemon", "DNS:ivrd")):
        await _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
                       "-out", f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        (folder / "ext").write_text(f"subjectAltName={also}\n", encoding="ascii")
        await _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey",
                       "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
                       "-extfile", "ext")  # fmt: skip


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SSLSocket")
async def test_tls_with_client_certificates_lets_in_who_has_one_and_nobody_else(
    broker: Mosquitto, running: Running, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    await certificates(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    plain = broker.port
    tls = Mosquitto(
        own,
        f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\n"
        f"require_certificate true\nallow_anonymous true\n"
        # what comes in by TLS is read on a listener without
        f"listener {plain + 1 if plain < 65535 else plain - 1} 127.0.0.1\nallow_anonymous true\n",
    )
    await tls.start()
    settings = f'tls = true\nca_file = "{tmp_path}/ca.pem"\n'
    try:
        _, without = await running(tls.port, settings)
        keys = f'cert_file = "{tmp_path}/daemon.pem"\nkey_file = "{tmp_path}/daemon.key"\n'
        _, with_one = await running(tls.port, f'{settings}{keys}client_id = "other"')
        await until(lambda: with_one.connected and not len(with_one.outbox))
        assert without.connections == 0
        status = (await retained(plain + 1 if plain < 65535 else plain - 1))["ivrd/ivrd/status"]
        assert status["state"] == "online"
        _, mistrusting = await running(tls.port, f'tls = true\n{keys}client_id = "third"')
        await until(lambda: mistrusting._told_away)  # noqa: SLF001 - it has tried
        assert mistrusting.connections == 0
    finally:
        tls.kill()
