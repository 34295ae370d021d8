"""[api]: what is written wrong is told; others' networks get TLS, and a new certificate in time."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import aiohttp
import pytest

from ivrd.config import load_config
from ivrd.control.api.live import Live
from ivrd.errors import ConfigError
from tests.control.api_office import office
from tests.test_config import GOOD


def _use(file: Path) -> None:
    config = load_config(file)
    assert config.api is not None
    Live(config, config.api, lambda: 0.0)


def said(file: Path, more: str) -> list[str]:
    """Return what is said of settings that end with `more`."""
    file.write_text(f"{GOOD}\n{more}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        _use(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[api]\nlistne = "x"', "did you mean 'listen'?"),
        ('[api]\nlisten = "9180"', "is no address to listen on"),
        ('[api]\nlisten = "0.0.0.0:9180"', "22: api.listen: others reach 0.0.0.0:9180 without TLS"),
        ('[api]\nlisten = "[::]:9180"', "api.listen: others reach [::]:9180 without TLS"),
        ('[api]\nlisten = "bills.example:9180"', "127.0.0.1 behind a proxy, or plain_http = true"),
        ('[api]\ncert_file = "c.pem"', "api.cert_file: stands without key_file"),
        ('[api]\nkey_file = "k.pem"', "api.key_file: stands without cert_file"),
        ('[api]\ncert_file = "c"\nkey_file = "k"\nplain_http = true', "stands beside cert_file"),
        ('[api]\ncert_file = "c.pem"\nkey_file = "k.pem"', "k.pem cannot be used: No such file"),
        ("[api]\nwrong_tokens_a_minute = 0", "api.wrong_tokens_a_minute"),
    ],
)
def test_wrong_settings_are_told_with_their_key(tmp_path: Path, more: str, told: str) -> None:
    problems = said(tmp_path / "ivrd.toml", more)
    assert len(problems) == 1, problems
    assert told in problems[0], problems[0]


def test_one_thread_is_too_few_to_share(tmp_path: Path) -> None:
    file = tmp_path / "ivrd.toml"
    text = GOOD.replace("[billing]", "[billing]\nthreads = 1")
    file.write_text(f"{text}\n[api]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"billing\.threads: is 1.*one is kept for calls"):
        load_config(file)


@pytest.mark.parametrize(
    "more",
    ["", 'listen = "localhost:1"', 'listen = "[::1]:1"', 'listen = "127.0.0.2:0"',
     'listen = "0.0.0.0:1"\nplain_http = true'],
)  # fmt: skip
def test_this_machine_alone_needs_no_tls_nor_do_those_who_say_so(tmp_path: Path, more: str) -> None:
    file = tmp_path / "ivrd.toml"
    file.write_text(f"{GOOD}\n[api]\n{more}\n", encoding="utf-8")
    assert load_config(file).api is not None


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    for name in ("k.pem", "c.pem"):
        (tmp_path / name).write_text("x", encoding="ascii")
        (tmp_path / name).chmod(0o644)
    (problem,) = said(tmp_path / "ivrd.toml", '[api]\ncert_file = "c.pem"\nkey_file = "k.pem"')
    assert "k.pem has mode 0644" in problem


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("{}", 0o640, "has mode 0640"),
        ("{", 0o600, "Invalid JSON"),
        ('{"a b": {}}', 0o600, "a b"),
        ('{"a": {"token_sha256": "x"}}', 0o600, "a.token_sha256"),
        ('{"a": {"toke": 1}}', 0o600, "a.toke"),
    ],
)
def test_a_wrong_file_of_clients_ends_the_start(
    tmp_path: Path, text: str, mode: int, told: str
) -> None:
    file = tmp_path / "clients.json"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    problems = said(tmp_path / "ivrd.toml", '[api]\nclients = "clients.json"')
    assert any("clients.json" in problem and told in problem for problem in problems), problems


async def certificate(folder: Path, name: str) -> None:
    """Put a new certificate and its key in place, as c.pem and k.pem."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "new.key",
        "-out", "new.pem", "-days", "2", "-subj", f"/CN={name}",
        "-addext", "subjectAltName=IP:127.0.0.1",
        cwd=folder, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    (folder / "new.key").chmod(0o600)
    (folder / "new.key").replace(folder / "k.pem")
    (folder / "new.pem").replace(folder / "c.pem")


async def test_bills_come_by_tls_and_a_renewed_certificate_is_taken_up(
    sample_db: Path, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    await certificate(tmp_path, "first")
    files = f'cert_file = "{tmp_path}/c.pem"\nkey_file = "{tmp_path}/k.pem"\n'
    api = f'\n[api]\nlisten = "0.0.0.0:0"\n{files}'
    async with office(sample_db, tmp_path, api=api) as here:
        url = f"https://127.0.0.1:{here.listener.port}/api/v1/client"
        headers = {"Authorization": f"Bearer {here.tokens['any']}"}

        async def ask(trusting: str = "c.pem") -> int:
            trusted = ssl.create_default_context(cafile=tmp_path / trusting)
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session,
                session.get(url, headers=headers) as answer,
            ):
                return answer.status

        assert await ask() == 200
        await certificate(tmp_path, "second")
        here.later(2)
        # whoever comes next, and trusts the new one alone, gets it
        assert await ask() == 200
        with pytest.raises(aiohttp.ClientError):
            await here.ask("/api/v1/client")
        # a certificate whose key is not there yet changes nothing
        shutil.copy(tmp_path / "k.pem", tmp_path / "k.old")
        shutil.copy(tmp_path / "c.pem", tmp_path / "c.old")
        await certificate(tmp_path, "third")
        (tmp_path / "k.pem").replace(tmp_path / "k.new")
        (tmp_path / "k.old").replace(tmp_path / "k.pem")
        here.later(2)
        assert await ask(trusting="c.old") == 200
        (tmp_path / "k.new").replace(tmp_path / "k.pem")
        here.later(2)
        assert await ask() == 200
