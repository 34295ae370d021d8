"""What `ivrd billing check` shows of the account that it read: spoken text, numbers masked."""

from __future__ import annotations

from datetime import date

from ivrd import resources
from ivrd.billing.check import Check
from ivrd.billing.entities import Account, Arrears, Bill, BillItem
from ivrd.cli.billing import account_lines, bill_text
from ivrd.prompts import Voices

BILL = Bill(
    "2026-10",
    (BillItem("monthly_rent", 2500), BillItem("local_calls", 0), BillItem("adjustments", -350)),
    2150,
    False,
    date(2026, 11, 20),
)


def test_a_bill_is_shown_as_it_is_spoken_without_items_of_nothing() -> None:
    sentences = resources.FLOWS / "sentences.toml"
    voices = Voices(resources.PROMPTS, ["zh-CN", "en-US"], sentences)
    chinese = bill_text(BILL, voices, "zh-CN")
    assert "二零二六年十月" in chinese
    assert "二十一元五角" in chinese
    assert "市话" not in chinese
    english = bill_text(BILL, voices, "en-US")
    assert "October twenty twenty-six" in english
    assert "November twentieth" in english, "it is not paid: its due date is spoken"


def test_the_account_is_shown_with_its_numbers_masked() -> None:
    account = Account(
        "7", "88610001", "100000000001", "zh-CN", group="HOME", consent=False,
        other_phones=("13805710008",),
    )  # fmt: skip
    found = Check(account=account, arrears=(Arrears("7", 1259, 1), Arrears("7", 1, 1)))
    (line,) = account_lines(found)
    assert line == (
        "account: phone ******01, agreement **********01, other numbers *********08, "
        "language zh-CN, group HOME, consent no, owes 1260 fen"
    )
    assert account_lines(Check()) == []
