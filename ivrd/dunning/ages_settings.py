"""[arrears] of ivrd.toml: which accounts in arrears are to be warned of (product D8, 预警)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ivrd.dunning.ages import THRESHOLDS


def _rising(months: tuple[int, ...]) -> tuple[int, ...]:
    if list(months) != sorted(set(months)):
        raise ValueError("write months from the least to the most, each once, as in [3, 6, 12]")
    return months


class ArrearsTable(BaseModel):
    """[arrears]: what `ivrd report arrears --warn` lists.

    `warn` are thresholds in months past due, `warn_days` how many days before one it is told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn: Annotated[
        tuple[Annotated[int, Field(ge=1, le=600, strict=True)], ...],
        Field(min_length=1),
        AfterValidator(_rising),
    ] = THRESHOLDS
    warn_days: int = Field(7, ge=1, le=366)
