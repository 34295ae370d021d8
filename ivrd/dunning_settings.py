"""What ivrd.toml says about dunning, in dunning's own terms."""

from __future__ import annotations

from dataclasses import replace

from ivrd.config import Config, Dunning
from ivrd.dunning.actions import ReminderSettings, reminder_facts
from ivrd.dunning.campaign import CampaignDefaults
from ivrd.dunning.case import DEFAULT_ATTEMPTS_A_DAY, DEFAULT_HOURS, GateRules, OuterLimit
from ivrd.dunning.dialler import Care
from ivrd.dunning.gate import Gate
from ivrd.dunning.holiday_calendar import calendar_of
from ivrd.dunning.hours import Windows
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.policy import PolicyError, load_policies
from ivrd.dunning.reminders import Reminder
from ivrd.errors import ConfigError, Problem
from ivrd.events import Data

LEASE_S = 15 * 60.0
"""An attempt that is open longer was lost: no flow of a reminder lasts so long."""


def number_plan(config: Config) -> NumberPlan:
    """Return how numbers are read, and which are never dialled."""
    node, dunning = config.node, config.dunning
    return NumberPlan(
        country_code=node.country_code,
        area_code=node.area_code,
        blocked_prefixes=tuple(dunning.blocked) if dunning else (),
        abroad=tuple(dunning.abroad) if dunning else (),
    )


def gate_of(config: Config, dunning: Dunning) -> Gate:
    """Return the gate. Raises `ProblemsError` for policies, hours or a calendar that are wrong."""
    try:
        policies = load_policies(dunning.profiles, config.path.parent)
    except PolicyError as error:
        placed = [
            problem if problem.file else replace(problem, file=config.path, key="dunning.profiles")
            for problem in error.problems
        ]
        raise PolicyError(placed) from None
    rules = GateRules(
        policies=policies,
        outer=_outer_limit(config, dunning),
        allowed=frozenset(dunning.only) if dunning.only is not None else None,
        lease_s=LEASE_S,
    )
    return Gate(rules, number_plan(config), calendar_of(dunning.country, dunning.subdivision))


def _outer_limit(config: Config, dunning: Dunning) -> OuterLimit:
    moved = dunning.outer_limit
    if moved is None:
        return OuterLimit()
    try:
        hours = Windows.daily(moved.hours) if moved.hours else DEFAULT_HOURS
        most = moved.attempts_a_day or DEFAULT_ATTEMPTS_A_DAY
        return OuterLimit(hours, most, moved.because)
    except ValueError as error:
        problem = Problem(str(error), file=config.path, key="dunning.outer_limit", rule="hours")
        raise ConfigError([problem]) from None


def campaign_defaults(config: Config, dunning: Dunning) -> CampaignDefaults:
    """Return what a campaign has that says nothing itself."""
    gate = gate_of(config, dunning)
    return CampaignDefaults(
        zone=config.zone,
        caller_id=dunning.caller_id,
        flow=dunning.flow,
        languages=tuple(config.node.languages),
        profiles=tuple(dunning.profiles),
        dials_per_s=dunning.dials_per_s,
        flows=frozenset({dunning.flow}),
        rules=gate.rules,
        lines=tuple(number for number, *_ in config.every_line()),
        calendar=gate.calendar,
    )


def reminder_settings(config: Config) -> ReminderSettings:
    """Return what a reminder's actions are told."""
    dunning = config.dunning
    return ReminderSettings(
        home=config.zone,
        e164=number_plan(config).e164,
        ring_back_days=dunning.ring_back_days if dunning else 0,
        can_transfer=bool(dunning and dunning.transfer),
    )


def facts_of(config: Config, dunning: Dunning, reminder: Reminder) -> Data:
    """Return what the flow of a reminder call is told."""
    return reminder_facts(
        reminder,
        reminder.number,
        by_password=config.enquiry.proof == "password",
        can_transfer=dunning.transfer is not None,
    )


def care_of(dunning: Dunning) -> Care:
    """Return how lines are spared."""
    return Care(
        dunning.dials_per_s, dunning.guard_s, dunning.breaker_faults, dunning.breaker_pause_s
    )
