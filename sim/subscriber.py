"""One subscriber on the phone: hears a question by the name of its sentence, and keys.

Names of sentences are those of fsm_specs/sentences.toml, so the same people call in every
language; the keys of the menus are those the flow offers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ivrd.clock import Timer
from ivrd.commands import Utterance
from sim.party import Ending, Party

MENU_KEYS = {
    "choose_mandarin": "1",
    "choose_english": "2",
    "menu_repeat": "1",
    "menu_details": "2",
    "menu_month": "3",
    "menu_number": "4",
    "menu_end": "0",
    "detail_previous": "1",
    "detail_repeat": "2",
    "detail_next": "3",
    "detail_end": "0",
}
"""The key behind each sentence of a menu, as fsm_specs/enquiry.toml has them."""

_WRONG = {
    "month_not_valid", "month_not_yet", "month_too_old", "number_not_known", "proof_not_valid",
    "own_line_only", "nothing_keyed", "wrong_key",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What a caller knows of an account; "" is what they do not know."""

    phone: str
    agreement: str = ""
    password: str = ""
    last_digits: str = ""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a caller behaves. Chances are 0 to 1, times in seconds."""

    kind: str = "ordinary"
    gap_s: float = 0.35
    """From key to key."""
    think_s: float = 1.2
    """From the end of a question to the first key."""
    interrupts: float = 0.2
    """Chance to key into a question instead of hearing it out."""
    types_ahead: bool = False
    """Keys month, choice and number in one go, without listening."""
    english: bool = False
    silent: bool = False
    wrong: float = 0.05
    """Chance of a wrong month or number in each entry."""
    agreement: bool = False
    """Gives the agreement number, not the phone number."""
    more: float = 0.35
    """Chance to ask for more at each menu, rather than to end."""
    details: float = 0.3
    """Chance that what is asked for are the details, where they are offered."""
    patience_s: float = 1e9
    """Hangs up this long after the answer."""


def draw_habits(rng: random.Random) -> Habits:
    """Return the habits of one caller drawn from `rng`."""
    chance = rng.random()
    habits = Habits(
        gap_s=0.18 + 0.5 * rng.random() ** 2,
        think_s=0.4 + 2.0 * rng.random() ** 2,
        interrupts=0.25 * rng.random(),
        english=rng.random() < 0.04,
        agreement=rng.random() < 0.15,
        wrong=0.06,
    )
    if chance < 0.40:
        return habits
    if chance < 0.62:
        return replace(habits, kind="regular", interrupts=0.9, gap_s=0.15, think_s=0.3, wrong=0.02)
    if chance < 0.70:
        return replace(habits, kind="typing ahead", types_ahead=True, gap_s=0.15, wrong=0.02)
    if chance < 0.79:
        return replace(habits, kind="slow", gap_s=0.9 + rng.random(), think_s=2.5, interrupts=0.0)
    if chance < 0.87:
        return replace(habits, kind="mistaken", wrong=0.6)
    if chance < 0.93:
        return replace(habits, kind="hanging up", patience_s=rng.expovariate(1 / 20))
    if chance < 0.97:
        return replace(habits, kind="details", more=0.8, details=0.95)
    return replace(habits, kind="silent", silent=True)


class Caller(Party):
    """A subscriber who wants to hear a bill. One timer at a time, whatever is said."""

    def __init__(
        self,
        rng: random.Random,
        subscriber: Subscriber,
        months: Sequence[str],
        habits: Habits,
        gone: Callable[[Caller, Ending], None],
    ) -> None:
        self.habits = habits
        self._rng = rng
        self._subscriber = subscriber
        self._months = months
        self._gone = gone
        self._keys = ""
        self._typing = False
        self._timer: Timer | None = None
        self._patience: Timer | None = None
        self._heard: tuple[Utterance, ...] | None = None
        self._mistakes = 0

    def answered(self) -> None:
        """Begin to lose patience."""
        if self.habits.patience_s < 3600:
            self._patience = self.leg.clock.call_later(self.habits.patience_s, self.leg.hang_up)

    def playing(self, utterances: Sequence[Utterance]) -> None:
        """Answer the question, now or when it has been heard out."""
        if self._typing:
            self._heard = tuple(utterances)  # the fingers are still busy
        else:
            self._react(utterances)

    def ended(self, by: Ending) -> None:
        """Let go of everything."""
        for timer in (self._timer, self._patience):
            if timer:
                timer.cancel()
        self._timer = self._patience = None
        self._gone(self, by)

    def _react(self, utterances: Sequence[Utterance]) -> None:
        names = [utterance.sentence for utterance in utterances]
        self._heard = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        keys = "" if self.habits.silent else self._answer_to(names)
        if not keys:
            return
        wait_s = self.habits.think_s * (0.5 + self._rng.random())
        if not self._rng.random() < self.habits.interrupts and not self.habits.types_ahead:
            wait_s += sum(utterance.duration_s for utterance in utterances)
        self._keys = keys
        self._timer = self.leg.clock.call_later(wait_s, self._first_key)

    def _first_key(self) -> None:
        # Until now another question could still change their mind; from here on they key it all.
        self._typing = True
        self._next_key()

    def _next_key(self) -> None:
        self._timer = None
        key, self._keys = self._keys[0], self._keys[1:]
        if self._keys:
            self._timer = self.leg.clock.call_later(self.habits.gap_s, self._next_key)
        else:
            self._typing = False
        self.leg.key(key)
        if self._heard is not None and not self._typing and self.leg.ended_by is None:
            self._react(self._heard)

    # What they key ----------------------------------------------------------------------

    def _answer_to(self, names: list[str]) -> str:
        self._mistakes += any(name in _WRONG for name in names)
        offered = {name: MENU_KEYS[name] for name in names if name in MENU_KEYS}
        if offered:
            return self._choose(offered)
        question = names[-1] if names else ""
        match question:
            case "enter_month":
                if self.habits.types_ahead and not self._mistakes:
                    return self._month() + "#" + self._lookup() + self._number() + "#"
                return self._month() + "#"
            case "choose_own_number" if self._rng.random() < 0.5:
                return "3"
            case "choose_lookup" | "choose_own_number":
                return self._lookup()
            case "enter_phone":
                return self._wrong_or(self._subscriber.phone) + "#"
            case "enter_agreement":
                return self._wrong_or(self._subscriber.agreement or "0") + "#"
            case "enter_password":
                return self._wrong_or(self._subscriber.password or "0") + "#"
            case "enter_last_digits":
                return self._wrong_or(self._subscriber.last_digits or "0") + "#"
        return ""

    def _choose(self, offered: dict[str, str]) -> str:
        if "choose_mandarin" in offered or "choose_english" in offered:
            wanted = "choose_english" if self.habits.english else "choose_mandarin"
            return offered.get(wanted, "")
        end = offered.get("detail_end") or offered.get("menu_end") or "0"
        if self._rng.random() >= self.habits.more:
            return end
        wanted = "menu_details" if "menu_details" in offered else "detail_next"
        if wanted in offered and self._rng.random() < self.habits.details:
            return offered[wanted]
        choices = list(offered.values())
        return choices[int(self._rng.random() * len(choices))]

    def _month(self) -> str:
        # Most ask for the newest bill.
        months = self._months
        month = (
            months[0] if self._rng.random() < 0.7 else months[int(self._rng.random() * len(months))]
        )
        return self._wrong_or(month)

    def _lookup(self) -> str:
        return "2" if self._by_agreement else "1"

    def _number(self) -> str:
        subscriber = self._subscriber
        return self._wrong_or(subscriber.agreement if self._by_agreement else subscriber.phone)

    @property
    def _by_agreement(self) -> bool:
        return self.habits.agreement and bool(self._subscriber.agreement)

    def _wrong_or(self, right: str) -> str:
        """Return `right`, or what somebody keys who errs: a digit wrong, missing or double."""
        if self._rng.random() >= self.habits.wrong:
            return right
        at = int(self._rng.random() * len(right))
        digit = str(int(self._rng.random() * 10))
        return right[:at] + self._rng.choice([digit, "", digit + digit]) + right[at + 1 :]
