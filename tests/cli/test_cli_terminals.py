"""What a person at a terminal sees: the phone, the live view, and both at once."""

from __future__ import annotations

import signal
from pathlib import Path

from ivrd.config import load_config
from tests.cli.cli_terminal import IVRD, Terminal, started


def test_a_person_keys_listens_and_hangs_up(daemon: Path) -> None:
    with Terminal([*IVRD, "--config", str(daemon), "call", "--caller", "88610001"]) as phone:
        phone.see("h hangs up")
        at = phone.see("普通话服务请按一")
        phone.type("2")
        at = phone.see("▸ 2", at)
        at = phone.see("Welcome", at)
        phone.type("\x1b[A")
        phone.type("2026")
        at = phone.see("▸ 2026", at)
        phone.type("h")
        phone.see("ended by caller", at)
        assert phone.ended() == 0
        assert phone.is_restored()


def test_ctrl_c_hangs_up(daemon: Path) -> None:
    with Terminal([*IVRD, "--config", str(daemon), "call"]) as phone:
        at = phone.see("answered")
        phone.type("\x03")
        phone.see("ended by caller", at)
        assert phone.ended() == 0
        assert phone.is_restored()


def test_the_live_view_shows_a_call_until_q(daemon: Path) -> None:
    with Terminal([*IVRD, "--config", str(daemon), "watch"]) as watch:
        at = watch.see("8 idle")
        calling = started("call", "--keys", "!2", "--caller", "88610001", config=daemon)
        at = watch.see("in call", at)
        watch.see("xxxx0001", at)
        at = watch.see("ask_month", at)
        calling.send_signal(signal.SIGINT)
        _, told = calling.communicate(timeout=10)
        assert calling.returncode == 130, told
        watch.see("8 idle", at)
        watch.type("q")
        assert watch.ended() == 0
        assert watch.is_restored()


def test_the_live_view_says_when_there_is_no_daemon(sample: Path) -> None:
    with Terminal([*IVRD, "--config", str(sample), "watch"]) as watch:
        watch.see("no daemon answers")
        assert watch.ended() == 3
        assert watch.is_restored()


def test_tail_is_coloured_and_short_on_a_terminal(own_sample: Path) -> None:
    log = load_config(own_sample).line_log(1)
    log.parent.mkdir(parents=True)
    log.write_text("2026-11-21T10:00:00.000+08:00 0.000 = ask_month\n", encoding="utf-8")
    with Terminal([*IVRD, "--config", str(own_sample), "tail", "1"]) as tail:
        assert tail.ended() == 0
        assert "10:00:00.000    0.000 = ask_month" in tail.text
        assert "2026-11-21T" not in tail.text
        assert "\x1b[33m" in tail.raw


def test_run_with_watch_is_a_daemon_with_callers_until_q(own_sample: Path) -> None:
    command = [*IVRD, "--config", str(own_sample), "run", "--watch", "--demo", "7200"]
    with Terminal(command, columns=100, rows=30) as run:
        at = run.see("ivrd -c")
        run.see("in call", at)
        run.type("q")
        run.see("stopping")
        assert run.ended() == 0
        assert run.is_restored()
    assert not load_config(own_sample).socket.exists()
    log = (own_sample.parent / "var" / "ivrd.log").read_text(encoding="utf-8")
    assert "event=started" in log
    assert "event=stopped" in log
