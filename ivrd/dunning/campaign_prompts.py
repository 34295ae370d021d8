"""The prompts that a campaign names: whether the voice library has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrd.dunning.campaign_form import Campaign
from ivrd.errors import Problem, nearest
from ivrd.toml_file import TomlFile, dotted

if TYPE_CHECKING:
    from ivrd.prompts import Voices


def unspoken(campaign: Campaign, voices: Voices, file: TomlFile | None = None) -> list[Problem]:
    """Return the prompts that a campaign names and that are not there, in each of its languages.

    A call that came upon one would end with an apology. `file` is the campaign's, where it is at
    hand: problems then name its lines.
    """
    key, wanted = _named(campaign)
    found: list[Problem] = []
    for lang in campaign.languages:
        if not wanted or lang not in voices.languages or wanted in voices.ids(lang):
            continue
        problem = Problem(
            f"no prompt {wanted!r} in {lang}", key=dotted(key),
            expected=f"a prompt of prompts.toml of {lang}; one of your own is added there, and"
            " made by `ivrd prompts make` or recorded",
            nearest=nearest(wanted, voices.ids(lang)), rule="prompt",
            file=file.path if file else None, line=file.line_of(*key) if file else None,
        )  # fmt: skip
        found.append(problem)
    return found


def _named(campaign: Campaign) -> tuple[tuple[str, str], str]:
    if campaign.kind == "notice":
        return ("notice", "prompt"), campaign.notice.prompt if campaign.notice else ""
    return ("message", "how_to_pay"), campaign.message.how_to_pay
