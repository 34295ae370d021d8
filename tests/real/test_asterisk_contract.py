"""The Asterisk card fulfils the contract, on a real Asterisk with real telephones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.card_bench import Bench
from tests.contract.card_contract import CardContract
from tests.real.asterisk_bench import AsteriskBench
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange


class TestAsteriskCard(CardContract):
    """The suite, as it is."""

    @pytest.fixture(autouse=True)
    def _far_end(
        self, asterisk: PrivateAsterisk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # as on the software card: the suite waits for many rings
        monkeypatch.setattr("drivers.asterisk.channel.RING_PERIOD_S", AsteriskBench.ring_period_s)
        self.asterisk = asterisk
        self.exchange = exchange

    def make_bench(self, tmp_path: Path) -> Bench:  # noqa: ARG002 - the suite's signature
        return AsteriskBench(self.asterisk, self.exchange)
