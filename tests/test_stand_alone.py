"""Stand-alone mode: a file that cannot be opened, months not imported, faults at a swap."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ivrd.billing.reader import BillingReader
from ivrd.config import Config, load_config
from ivrd.errors import BillingDown, ConfigError
from ivrd.stand_alone import check_data, open_data, read_mapping
from sim.clock import VirtualClock
from tests.test_import_times import SETTINGS, Node, at, write_data


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "ivrd.toml").write_text(SETTINGS, encoding="utf-8")
    return load_config(tmp_path / "ivrd.toml")


def test_a_file_that_cannot_be_opened_is_told_and_callers_hear_try_later(config: Config) -> None:
    """Such as one that root has imported, which the daemon's user may not read."""
    assert config.billing_file
    config.billing_file.mkdir(parents=True)
    mapping = read_mapping(config)
    engine = open_data(config)
    try:
        (problem,) = check_data(config, mapping, engine).problems
        assert problem.rule == "down"
        assert "billing.db cannot be read: Is a directory" in problem.what
        with pytest.raises(BillingDown, match="the billing database failed"):
            BillingReader(mapping, engine).find_by_phone("88610001")
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("back", "months", "good"), [(12, 12, True), (13, 12, False), (24, 36, True), (2, 1, False)]
)
def test_callers_may_not_ask_for_months_that_are_not_imported(
    tmp_path: Path, back: int, months: int, good: bool
) -> None:
    file = tmp_path / "ivrd.toml"
    text = SETTINGS.replace("[enquiry]", f"[enquiry]\nmonths_back = {back}")
    file.write_text(text.replace("[import]", f"[import]\nmonths = {months}"), encoding="utf-8")
    if good:
        load_config(file)
        return
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("import.months", 8)
    assert f"callers may ask for {back}" in problem.what
    assert f"{back} or more" in str(problem.expected)


async def test_a_fault_at_a_swap_is_in_the_log_and_the_next_file_is_gone_over_to(
    config: Config,
) -> None:
    assert config.billing_file
    write_data(config.billing_file, at(2, 40))
    node = Node(config, VirtualClock(at(12)))
    over = node.go_over

    async def broken() -> None:
        node.watch._go_over = over  # noqa: SLF001 - what the daemon gives is broken once
        raise RuntimeError("of a driver, with 88610001 in it")

    node.watch._go_over = broken  # noqa: SLF001 - as above
    node.watch.start()
    with capture_logs() as logs:
        write_data(config.billing_file, at(12))
        await node.run_until(at(12, 30))
    (said,) = [log for log in logs if log["event"] == "billing_data_not_used"]
    assert said["why"] == "RuntimeError"
    assert "88610001" not in str(said)
    assert node.went_over == 0
    await node.run_until(at(14))
    assert node.went_over == 1
    await node.watch.stop()
