"""The sample operator in a schema of tables by month, as many in China are: names in Chinese."""

from __future__ import annotations

from ivrd.billing.sample import ITEMS, MonthBill, Subscriber
from ivrd.billing.sample_schema import SchemaTables

_SUBJECTS = ("月租费", "市话费", "长途费", "人工长途费", "工料费", "信息费", "数据费", "调整")
_LANGUAGES = {"zh-CN": 1, "en-US": 2}

_FIXED = """
    CREATE TABLE "用户" ("用户编号" VARCHAR(12) PRIMARY KEY, "客户编号" INTEGER NOT NULL,
        "区号" VARCHAR(4) NOT NULL, "业务号码" VARCHAR(20) NOT NULL, "服务 密码" VARCHAR(8),
        "产品" VARCHAR(8), "状态" INTEGER NOT NULL);
    CREATE TABLE "Customer" ("custId" INTEGER PRIMARY KEY, "idNumber" VARCHAR(20),
        "contactNo" VARCHAR(20), "agreementNo" VARCHAR(20), "lang" INTEGER, "group" VARCHAR(8),
        "select" INTEGER);
    CREATE TABLE "科目表" ("科目" INTEGER PRIMARY KEY, "名称" VARCHAR(20) NOT NULL);
"""
_OF_MONTH = """
    CREATE TABLE "bill_{m}" ("用户编号" VARCHAR(12) NOT NULL, "应收金额" NUMERIC(12,2) NOT NULL,
        "已付" CHAR(1), "缴费期限" VARCHAR(14));
    CREATE TABLE "item_{m}" ("用户编号" VARCHAR(12) NOT NULL, "科目" INTEGER NOT NULL,
        "金额" INTEGER NOT NULL, "减免" INTEGER);
    CREATE TABLE "cdr_{m}" ("序号" INTEGER PRIMARY KEY, "用户编号" VARCHAR(12) NOT NULL,
        "区号" VARCHAR(8), "对方号码" VARCHAR(20), "开始时间" VARCHAR(14), "时长" INTEGER,
        "话费" INTEGER, "附加费" INTEGER);
"""
_INDEX_OF_MONTH = """
    CREATE UNIQUE INDEX "ix_bill_{m}" ON "bill_{m}" ("用户编号");
    CREATE INDEX "ix_item_{m}" ON "item_{m}" ("用户编号");
    CREATE INDEX "ix_cdr_{m}" ON "cdr_{m}" ("用户编号", "开始时间");
"""


class Monthly(SchemaTables):
    """A row per item in a table each month: items in li, totals in yuan, calls in fen.

    Nothing says who is in arrears but the bills that are not paid.
    """

    CREATE = _FIXED
    INDEX = """
        CREATE INDEX "ix_user_no" ON "用户" ("业务号码");
        CREATE UNIQUE INDEX "ix_agreement" ON "Customer" ("agreementNo");
    """

    def add(self, who: Subscriber, bills: list[MonthBill]) -> None:
        """Add a subscriber with bills and calls."""
        state = 9 if who.removed else 2 if who.suspended else 1
        key, customer = str(who.id), who.id + 5_000_000
        self.insert("用户", key, customer, "0571", who.phone, who.password, who.product, state)
        self.insert(
            "Customer", customer, who.identity, who.contact, who.agreement,
            _LANGUAGES[who.language], who.group, who.id % 2,
        )  # fmt: skip
        for bill in bills:
            if bill.month == self.not_ready:
                continue
            m = bill.month.replace("-", "")
            paid = {True: "是", False: "否", None: None}[bill.paid]
            due = bill.due and f"{bill.due:%Y年%m月%d日}"
            self.insert(f"bill_{m}", key, sum(bill.amounts_fen) / 100, paid, due)
            for code, fen in enumerate(bill.amounts_fen, start=1):
                if fen > 0:
                    self.insert(f"item_{m}", key, code, fen * 10, None)
                elif fen:
                    self.insert(f"item_{m}", key, code, 0, -fen * 10)
            calls = self.rows.setdefault(f"cdr_{m}", [])
            calls += [
                (
                    None, key, call.area, call.number, f"{call.started:%Y%m%d%H%M%S}",
                    call.seconds, call.charge_fen, call.surcharge_fen,
                )
                for call in bill.calls
            ]  # fmt: skip

    def add_runs(self, months: list[str]) -> None:
        """Make the tables of each month that is ready, and the table of what may be charged."""
        for code, _ in enumerate(ITEMS, start=1):
            self.insert("科目表", code, _SUBJECTS[code - 1])
        for month in months:
            if month != self.not_ready:
                m = month.replace("-", "")
                self.CREATE += _OF_MONTH.format(m=m)
                self.INDEX += _INDEX_OF_MONTH.format(m=m)
