"""A campaign: whom it calls, when, how often, and what is said. Read from TOML and checked.

The file is checked by itself and against its policy before anything of it is kept; what is kept
in the store is the checked form, `Campaign.settings`, whole with the defaults of ivrd.toml.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ivrd.dunning.campaign_checks import problems_in
from ivrd.dunning.campaign_form import Campaign, CampaignDefaults, Choose, campaign_from
from ivrd.errors import CampaignError
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

__all__ = ["Campaign", "CampaignDefaults", "Choose", "campaign_from", "load_campaign"]


def load_campaign(path: Path, defaults: CampaignDefaults, now: datetime) -> Campaign:
    """Load and check a campaign file; what it does not say is taken from `defaults`.

    Raises `CampaignError` with all problems: file, line, key, what was expected, nearest name.
    A file whose hours are never open within its policy is refused with the reason. A notice is
    not spoken after its day.
    """
    file = TomlFile(path, CampaignError)
    here = now.astimezone(defaults.zone)
    try:
        campaign = Campaign.model_validate(
            {**defaults.keys(), **file.data}, context={"zone": defaults.zone}
        )
    except ValidationError as error:
        raise CampaignError(problems_of(error, Campaign, file)) from None
    problems = problems_in(campaign, file, defaults, here)
    if problems:
        raise CampaignError(problems)
    message = campaign.message.model_copy(update={"stale_after": campaign.last_day})
    return campaign.model_copy(update={"message": message})
