"""Names of tables and columns understood: split, read in words, matched to what they are for."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, lazy_pinyin

from ivrd.billing.draft.families import families
from ivrd.billing.draft.lexicon import FILE, lexicon
from ivrd.billing.draft.names import chinese, combined, segmented, split
from ivrd.billing.month_tables import of_month

LEXICON = tomllib.loads(FILE.read_text(encoding="utf-8"))
NAMES = st.text(max_size=40)


@given(NAMES)
def test_a_name_is_split_into_pieces_that_stand_in_it_in_order(name: str) -> None:
    at = 0
    for piece in split(name):
        at = name.index(piece, at) + len(piece)
        assert piece.isdigit() or piece.isalpha()


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("TB_CUST_NO", ["TB", "CUST", "NO"]),
        ("custNo2", ["cust", "No", "2"]),
        ("HTTPBillID", ["HTTP", "Bill", "ID"]),
        ("用户 档案", ["用户", "档案"]),
        ("T_用户info", ["T", "用户", "info"]),
        ("bill-of.month", ["bill", "of", "month"]),
        ("___", []),
    ],
)
def test_names_are_split_where_people_would_split_them(name: str, pieces: list[str]) -> None:
    assert split(name) == pieces


@given(st.lists(st.sampled_from(["user", "bill", "no", "id", "phone"]), min_size=1, max_size=5))
def test_words_written_together_are_found_again(words: list[str]) -> None:
    forms = {word: [word] for word in words}
    ways = list(segmented("".join(words), forms))
    assert ways
    assert all("".join(way) == "".join(words) for way in ways)
    # no other words can be made of these letters
    assert tuple(words) in ways


@given(st.text(alphabet="用户号码水费电话未知", max_size=12))
def test_chinese_is_always_read_and_never_as_more_than_it_is(text: str) -> None:
    forms = {"用户": ["user"], "号码": ["number"], "水费": ["water"], "电话": ["phone"]}
    found = chinese(text, forms)
    assert found
    for reading in found:
        assert 2 * len(reading.words) + reading.unknown <= len(text)


@given(NAMES)
def test_every_name_has_a_reading(name: str) -> None:
    found = lexicon().readings(name)
    assert found
    assert all(0 < reading.sure <= 1 for reading in found)


@given(NAMES)
def test_every_score_is_between_nothing_and_one(name: str) -> None:
    words = lexicon()
    for role in words.roles.values():
        assert 0 <= words.score(role, name) <= 1


def test_no_pieces_at_all_is_one_reading_of_nothing() -> None:
    assert [reading.words for reading in combined([])] == [()]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("id", "YHBH 用户编号 SERV_ID CustNo yonghubianhao acct_id 户号 RoomNo"),
        ("phone", "DHHM 电话号码 ACC_NBR mobile_no dianhuahaoma SJHM phoneNumber 手机号"),
        ("agreement", "HTH 合同号 XIEYI_NBR agreement_nbr contractNo hetonghao"),
        ("password", "CXMM 查询密码 query_pwd passWord mima"),
        ("identity", "SFZH 身份证号 cert_nbr IdCardNo"),
        ("month", "JFZQ 账期 BILLING_CYCLE billMonth yuefen zhangqi 费用年月"),
        ("total", "YSJE 应收金额 TOTAL_FEE 费用合计 AmountDue FYHJ"),
        ("owed", "QFJE 欠费金额 OWE_FEE outstandingAmount"),
        ("paid_amount", "SSJE 实收金额 PAID_AMT amountPaid"),
        ("paid", "JFBZ 缴费标志 PAY_FLAG PaymentStatus 是否缴费"),
        ("due", "JZRQ 缴费期限 PAY_LIMIT dueDate"),
        ("seconds", "SC 通话时长 DURATION callDuration"),
        ("other_number", "BJHM 被叫号码 CALLED_NBR B_NO"),
    ],
)
def test_names_say_what_columns_are_for(role: str, names: str) -> None:
    words = lexicon()
    for name in names.split():
        assert words.score(words.roles[role], name) >= 0.55, name


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("phone", "户名 ADDRESS 合同号 CREATE_DATE 金额"),
        ("month", "户名 DHHM 金额 PAY_LIMIT 身份证号"),
        ("total", "户名 DHHM 缴费日期 QFJE 用水量"),
        ("password", "户名 DHHM LOGIN_DATE 金额"),
    ],
)
def test_names_of_other_things_are_not_taken(role: str, names: str) -> None:
    words = lexicon()
    for name in names.split():
        assert words.score(words.roles[role], name) < 0.42, name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ZNJ", "late_fee"), ("滞纳金", "late_fee"), ("WSF", "sewage"), ("污水处理费", "sewage"),
        ("YZF", "monthly_rent"), ("SHF", "local_calls"), ("国际长途费", "international_calls"),
        ("wuyefei", "management_fee"), ("PARKING_FEE", "parking"), ("水资源费", "water_resource"),
        ("人工长途费", "operator_long_distance"), ("Long distance calls", "long_distance"),
    ],
)  # fmt: skip
def test_names_say_what_is_charged_for(name: str, code: str) -> None:
    item = lexicon().item(name)
    assert item is not None
    assert item.codes[0] == code


@pytest.mark.parametrize("name", ["电报费", "备注", "CREATED_BY", "XQZW"])
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert lexicon().item(name) is None


def test_the_pinyin_of_the_lexicon_is_right() -> None:
    said = {"调账": "tiaozhang"}  # of two readings, the trade's
    wrong = []
    for entry in (zh for word in LEXICON["word"].values() for zh in word.get("zh", ())):
        text, *syllables = entry.split()
        usual = "".join(lazy_pinyin(text, style=Style.NORMAL, v_to_u=False))
        if syllables and "".join(syllables) != said.get(text, usual):
            wrong.append(entry)
    assert wrong == []


def test_the_lexicon_uses_no_word_that_it_has_not() -> None:
    words = set(LEXICON["word"])
    used = [made for kind in ("role", "table") for role in LEXICON[kind].values()
            for made in (*role["is"], *role["not"])]  # fmt: skip
    used += [made for item in LEXICON["item"].values() for made in item["is"]]
    assert {word for made in used for word in made.split()} <= words


# -- tables by month ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bill_{yyyymm}", "ZD{yyyymm}", "cdr_{yymm}", "账单{yyyy}年{mm}月",
                                  "b_{yyyy}_{mm}_x"])  # fmt: skip
def test_tables_by_month_are_one(name: str) -> None:
    tables = [of_month(name, month) for month in ("2026-09", "2026-10", "2026-11")]
    (family, other) = families([*tables, "users"], lambda *_: True)
    assert (family.name, family.newest, other.name) == (name, tables[-1], "users")


def test_tables_that_are_not_alike_are_no_family() -> None:
    names = ["T0101", "T0201", "T1201"]
    assert [one.name for one in families(names, lambda *_: False)] == names


@given(st.lists(st.text(alphabet="ab_0129{}年月", min_size=1, max_size=12), unique=True))
def test_every_table_is_in_one_family(names: list[str]) -> None:
    found = families(names, lambda *_: True)
    whole = [table for one in found for table in (one.tables or (one.name,))]
    assert sorted(whole) == sorted(names)
