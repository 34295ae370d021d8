"""Where accounts are: the table that bills point at, and those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ivrd.billing.draft import codes, looks
from ivrd.billing.draft.context import Context, is_old
from ivrd.billing.draft.counting import codes_told, gone_rows, meanings
from ivrd.billing.draft.findings import how_sure, merged, value_of
from ivrd.billing.draft.links import LEAST as LEAST_LINK
from ivrd.billing.draft.links import Link
from ivrd.billing.draft.roles import LEAST
from ivrd.billing.draft.survey import Col, Tab

_BESIDES = ("phone", "agreement", "password", "identity", "language", "consent", "product", "group")
_MOST_JOINS = 4
_MOST_PEOPLE = 30


class Accounts(NamedTuple):
    """The account table with its key, and the link by which bills were seen to point at it."""

    table: Tab
    id: Col
    link: Link | None
    score: float
    more: tuple[Col, ...] = ()
    """Further columns of the key, where it has several."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all columns of the key."""
        return (self.id.name, *(col.name for col in self.more))

    @property
    def integer(self) -> bool:
        """Whether the key is a number in the database."""
        return self.id.numeric


def candidates(at: Context, bill: Tab) -> list[Accounts]:
    """Return where the accounts of a table of bills may stand, the likeliest first."""
    found = []
    people = [
        tab for tab in at.survey.tables.values() if not tab.monthly and _holds_people(at, tab)
    ]
    people.sort(key=lambda tab: -_known_of(at, tab))
    for other in people[:_MOST_PEOPLE]:
        if other.name == bill.name:
            continue
        for link in at.links.between(bill, other)[:4]:
            key = other.columns[link.to]
            score = link.score + _worth(at, other, link.to_all)
            more = tuple(other.columns[name] for name in link.to_all[1:])
            found.append(Accounts(other, key, link, score, more))
    for own in bill.columns.values():
        # a list: one row for each account, with what it owes
        if not bill.monthly and at.roles.of(own, "id") >= LEAST and bill.once(own.name):
            phone = at.roles.best(bill, "phone")
            if phone is not None:
                found.append(Accounts(bill, own, None, 0.6 + at.roles.of(phone, "phone") / 2))
    return sorted(found, key=lambda one: -one.score)


def _holds_people(at: Context, table: Tab) -> bool:
    """Return whether a table may be of accounts: it says so, or knows numbers of people."""
    if at.roles.table(table, "account") >= 0.5:
        return True
    return any(at.roles.best(table, role) for role in ("phone", "identity", "password"))


def _known_of(at: Context, table: Tab) -> float:
    """Return how much a table knows of people, by names and data."""
    bests = ((role, at.roles.best(table, role)) for role in _BESIDES[:5])
    known = sum(at.roles.of(best, role) for role, best in bests if best)
    return known + at.roles.table(table, "account") - is_old(at, table)


def _worth(at: Context, table: Tab, key: Sequence[str]) -> float:
    """Return how well a table does for accounts, apart from the link."""
    roles = at.roles
    phone, agreement = roles.best(table, "phone"), roles.best(table, "agreement")
    worth = 0.5 * roles.table(table, "account")
    worth += 0.6 * (roles.of(phone, "phone") if phone else 0.0)
    worth += 0.2 * (roles.of(agreement, "agreement") if agreement else 0.0)
    worth += 0.1 * sum(roles.best(table, role) is not None for role in ("password", "identity"))
    worth += 0.4 if table.unique(*key) else 0.1 if table.once(*key) else -0.5
    worth -= 0.8 if roles.best(table, "month") else 0.0
    worth -= 0.5 * is_old(at, table)
    if not table.view and table.rows == 0:
        worth -= 0.4
    return worth


def say_account(at: Context, accounts: Accounts) -> None:
    """Put [account] into the draft."""
    draft, table = at.draft, accounts.table
    why = accounts.link.why if accounts.link else "a row for each account"
    bill = (
        f"{accounts.link.column} of the bills points at {accounts.link.to}: "
        if accounts.link
        else ""
    )
    draft.say("account.table", table.name, how_sure(accounts.score, 1.6), bill + why)
    said: Any = value_of(accounts.id.name, **_key_more(accounts.id))
    if accounts.more:
        said = {"columns": list(accounts.ids)} | ({"type": "integer"} if accounts.integer else {})
    once = table.once(*accounts.ids)
    warned = "" if once else "two rows have one id: say in `where` which counts"
    sure = how_sure(accounts.score, 1.6)
    draft.say("account.id", said, sure, why, decide=warned)
    fields = _Fields(at, accounts)
    fields.fill()
    _say_state(at, accounts, fields.phone)


def _key_more(col: Col) -> dict[str, Any]:
    """Return what a mapping says of a column that is looked up by."""
    return {"type": "integer" if col.numeric else None, "pad": looks.padded(col)}


class _Fields:
    """What is known of an account, in its table and in those joined to it."""

    def __init__(self, at: Context, accounts: Accounts) -> None:
        self._at, self._accounts = at, accounts
        self._used: set[tuple[str, str]] = set()
        self._single: set[str] = set()
        """Joined tables whose rows belong to one account each."""
        self.phone: Col | None = None
        self._sources: list[tuple[str | None, Tab]] = [(None, accounts.table)]

    def fill(self) -> None:
        """Say each field that is found."""
        self._join()
        self.phone = self._say_phone()
        self._say_agreement()
        for role in ("password", "identity", "product", "group"):
            self._say_text(role)
        self._say_language()
        self._say_consent()
        self._say_other_phones()
        self._say_customer()

    def _join(self) -> None:
        """Join the tables that know more of an account, the most telling first."""
        at, table = self._at, self._accounts.table
        have = {role: self._best_here(role) for role in _BESIDES}
        offers = []
        for other in at.survey.tables.values():
            if other.name == table.name or other.monthly or at.roles.best(other, "month"):
                continue
            link = next(
                (one for one in at.links.between(table, other)
                 if other.once(one.to) and one.score >= LEAST_LINK), None,
            )  # fmt: skip
            if link is None or is_old(at, other):
                continue
            gain = 0.0
            for role in _BESIDES:
                best = at.roles.best(other, role)
                if best is not None and best.name != link.to:
                    gain += max(at.roles.of(best, role) - max(have[role], LEAST), 0.0)
            if gain > 0.1:
                offers.append((gain * link.score, link, other))
        for _, link, other in sorted(offers, key=lambda one: -one[0])[:_MOST_JOINS]:
            if all(max(have[role], LEAST) >= self._of(other, role) for role in _BESIDES):
                continue
            alias = _alias(at, other, [name for name, _ in self._sources if name])
            at.draft.say(f"account.join.{alias}.table", other.name, how_sure(link.score), link.why)
            at.draft.say(f"account.join.{alias}.on", {link.to: link.column}, how_sure(link.score))
            at.draft.say(
                f"account.join.{alias}.optional",
                True,
                "sure",
                "an account without a row there counts, too",
            )
            self._sources.append((alias, other))
            if table.once(link.column):
                self._single.add(alias)
            have = {role: max(have[role], self._of(other, role)) for role in _BESIDES}

    def _of(self, table: Tab, role: str) -> float:
        best = self._at.roles.best(table, role)
        return self._at.roles.of(best, role) if best else 0.0

    def _best_here(self, role: str) -> float:
        return self._of(self._accounts.table, role)

    def _ranked(self, role: str) -> list[tuple[float, str | None, Col]]:
        found = [
            (self._at.roles.of(col, role) + (0.02 if alias is None else 0.0), alias, col)
            for alias, table in self._sources
            for col in self._at.roles.ranked(table, role)
            if (col.table, col.name) not in self._used
        ]
        return sorted(found, key=lambda one: -one[0])

    def _take(self, role: str) -> tuple[float, str | None, Col, tuple[str, ...]] | None:
        ranked = self._ranked(role)
        if not ranked:
            return None
        score, alias, col = ranked[0]
        others = tuple(_named(one, name) for s, name, one in ranked[1:4] if s > score - 0.3)
        return score, alias, col, others

    def _say_phone(self) -> Col | None:
        taken = self._take("phone")
        if taken is None:
            self._at.draft.say("account.phone", None, "unknown", "no column looks like it")
            return None
        score, alias, col, others = taken
        self._used.add((col.table, col.name))
        said: Any = value_of(col.name, alias, **_key_more(col))
        why = "its name says so"
        if col.held:
            why += f"; {looks.phones(col):.0%} of the sampled values look like numbers"
        decide = ""
        area, table = self._area(col), self._accounts.table
        if area and not alias and not table.once(col.name) and table.once(area, col.name):
            said = {"concat": [area, col.name]}
            why = "without the area code numbers would be there twice"
        elif area:
            decide = f'no area code in it; {area} may be: concat = ["{area}", "{col.name}"]'
        self._at.draft.say(
            "account.phone", said, how_sure(score), why, others=others, decide=decide
        )
        return col

    def _say_agreement(self) -> None:
        """Say what people know beside their number: each once, of digits that can be keyed."""
        draft, table = self._at.draft, self._accounts.table
        able = [
            one
            for one in self._ranked("agreement")
            if (one[1] in self._single if one[1] else table.once(one[2].name))
            and looks.share(one[2], str.isdigit) != 0.0
        ]
        if able:
            score, alias, col = able[0]
            if col.name != self._accounts.id.name or alias:
                self._used.add((col.table, col.name))
            draft.say(
                "account.agreement", value_of(col.name, alias, **_key_more(col)), how_sure(score),
                "its name says so", others=tuple(_named(c, a) for _, a, c in able[1:3]),
            )  # fmt: skip
            return
        for key, once in table.keys:
            parts = [table.columns[name] for name in key]
            if once and 1 < len(key) <= 4 and all(looks.share(c, str.isdigit) > 0.9 for c in parts):
                told = "a key made of digits, which can be keyed"
                if key != self._accounts.ids:
                    draft.say("account.agreement", {"concat": list(key)}, "guess", told)
                    return
        draft.say("account.agreement", None, "unknown", "no column of digits looks like it")

    def _area(self, phone: Col) -> str | None:
        """Return the column of area codes beside a phone that has none itself."""
        table = next(table for _, table in self._sources if table.name == phone.table)
        if looks.mobiles(phone) > 0.2 or looks.with_area(phone) > 0.2:
            return None
        for col in table.columns.values():
            if col.name != phone.name and looks.area_codes(col) > 0.9:
                return col.name
        return None

    def _say_text(self, role: str) -> None:
        taken = self._take(role)
        if taken is None or taken[0] < 0.5:
            return
        score, alias, col, others = taken
        self._used.add((col.table, col.name))
        self._at.draft.say(
            f"account.{role}", value_of(col.name, alias), how_sure(score), "its name says so",
            others=others,
        )  # fmt: skip

    def _say_language(self) -> None:
        taken = self._take("language")
        if taken is None:
            return
        score, alias, col, _ = taken
        self._used.add((col.table, col.name))
        lexicon, meanings = self._at.roles.lexicon, codes.explained(col.comment)
        mapped = {}
        for code in sorted({*col.distinct, *meanings}):
            word = meanings.get(code, code)
            for kind, tag in (("chinese", "zh-CN"), ("english", "en-US")):
                if lexicon.says(kind, word) and code != tag:
                    mapped[code] = tag
        unknown = sorted(col.distinct - set(mapped) - {"zh-CN", "en-US"})
        decide = (
            f"which language are the codes {', '.join(unknown[:6])}?"
            if unknown and len(unknown) < 10
            else ""
        )
        self._at.draft.say(
            "account.language", value_of(col.name, alias, codes=mapped or None), how_sure(score),
            "its name says so", decide=decide,
        )  # fmt: skip

    def _say_consent(self) -> None:
        taken = self._take("consent")
        if taken is None:
            return
        _, alias, col, _ = taken
        words = self._at.roles.lexicon.words(col.name)
        flag = codes.flag_of(col, self._at.roles.lexicon, inverted="refuse" in words)
        if flag is None:
            return
        self._used.add((col.table, col.name))
        said = merged(
            value_of(col.name, alias),
            yes=codes.codes_of(col, flag.yes), no=codes.codes_of(col, flag.no),
        )  # fmt: skip
        self._at.draft.say(
            "account.consent",
            said,
            "guess",
            flag.why,
            decide="do yes and no stand the right way round? People are called by it",
        )

    def _say_other_phones(self) -> None:
        found = [
            (alias, col)
            for score, alias, col in self._ranked("other_phones")
            if score >= 0.5 and looks.phones(col) >= 0.3
        ]
        if found:
            for _, col in found:
                self._used.add((col.table, col.name))
            values = [value_of(col.name, alias) for alias, col in found[:3]]
            self._at.draft.say(
                "account.other_phones", values, "guess", "names and values look like it"
            )

    def _say_customer(self) -> None:
        taken = self._take("customer")
        if taken and taken[0] >= 0.7 and taken[2].name != self._accounts.id.name:
            score, alias, col, _ = taken
            self._at.draft.say(
                "account.customer", value_of(col.name, alias), how_sure(score), "its name says so"
            )


def _say_state(at: Context, accounts: Accounts, phone: Col | None) -> None:
    """Say which accounts count, where some are of the past."""
    table = accounts.table
    here = phone if phone is not None and phone.table == table.name else None
    gone = gone_rows(at, table, [here.name] if here else [])
    if gone is not None:
        kept = codes_told(gone.kept)
        ask = f"which accounts count? The others are {kept}" if kept else "is it so?"
        at.draft.say(
            ("account", "where", gone.column), gone.condition, "guess", gone.why, decide=ask
        )
        return
    for col in at.roles.ranked(table, "state")[:1]:
        if len(meanings(col)) > 1:
            at.draft.notes.append(
                f"{table.name}.{col.name} has the codes {codes_told(meanings(col))}: if accounts of"
                " some do not count, say so in [account] where"
            )
    plain = at.draft.data().get("account", {}).get("phone")
    if here is not None and plain == here.name and not table.once(here.name):
        at.draft.notes.append(
            "some numbers belong to several accounts: say in [account] where which of them counts"
        )


def _named(col: Col, alias: str | None) -> str:
    return f"{col.name} of {col.table}" if alias else col.name


def _alias(at: Context, table: Tab, taken: list[str]) -> str:
    words = at.roles.lexicon.words(table.name)
    known = next(
        (
            word
            for word in ("customer", "contact", "user", "service", "account", "contract")
            if word in words
        ),
        "other",
    )
    number = 2
    alias = known
    while alias in taken:
        alias, number = f"{known}{number}", number + 1
    return alias
