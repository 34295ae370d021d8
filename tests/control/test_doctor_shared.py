"""`ivrd doctor` and a daemon whose metrics answer where bills do, by the same TLS."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from ivrd.cli.doctor_outside import metrics_look
from ivrd.config import load_config
from ivrd.control.outside import Outside
from tests.control.conftest import daemon_with
from tests.control.test_api_settings import certificate
from tests.test_config import GOOD
from tests.test_watch_stream import SETTINGS


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_a_daemon_is_recognised_by_tls(tmp_path: Path, sample_db: Path) -> None:
    await certificate(tmp_path, "bills.example")
    tls = f'cert_file = "{tmp_path}/c.pem"\nkey_file = "{tmp_path}/k.pem"\n'
    outside = (
        '\n[api]\nlisten = "127.0.0.1:{port}"\n{tls}\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    )
    made: list[Outside] = []
    settings = SETTINGS.format(db=sample_db) + outside.format(port=0, tls=tls)
    async with daemon_with(settings, lambda daemon: made.append(Outside(daemon))):
        await made[0].start()
        try:
            (shared,) = made[0]._listeners._made.values()  # type: ignore[union-attr]  # noqa: SLF001 - its port was any
            text = GOOD + outside.format(port=shared.port, tls=tls)
            (tmp_path / "ivrd.toml").write_text(text, encoding="utf-8")
            ok, told = await asyncio.to_thread(metrics_look, load_config(tmp_path / "ivrd.toml"))
        finally:
            await made[0].stop()
    assert ok, told
    assert told.startswith("a daemon answers on 127.0.0.1:")
