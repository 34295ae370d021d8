"""Puts the parts of an enquiry service together, as ivrd.toml says.

The daemon, a simulation and a test are all built here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from ivrd.billing.breaker import Breaker
from ivrd.billing.reader import BillingReader
from ivrd.billing.tables import BillingMapping
from ivrd.card import Ability
from ivrd.config import Config
from ivrd.dunning.actions import FACTS as DUNNING_FACTS
from ivrd.dunning.actions import dunning_actions
from ivrd.dunning.gate import Gate
from ivrd.dunning_settings import LEASE_S, gate_of, reminder_settings
from ivrd.enquiry import EnquirySettings, enquiry_actions
from ivrd.errors import FlowError, MappingError, Problem, PromptError, nearest
from ivrd.events import Data, Json
from ivrd.flow.actions import Answer, Registry
from ivrd.flow.check import check_flow
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow
from ivrd.own_store import open_own_store
from ivrd.prompts import Voices
from ivrd.service import Actions, Service
from ivrd.speech.trades import trades_with
from ivrd.stand_alone import check_data, open_data, read_mapping, unfit_data
from ivrd.store.engine import Store
from ivrd.store.lockout import StoreLockout

LONGEST_S = LEASE_S - 180
"""The longest call of a reminder; what is left of the lease is for its goodbye."""

FACTS = (
    "several_languages", "closed", "own_line_only", "check_caller", "by_password", "caller",
    "ring_back",
)  # fmt: skip
"""What the enquiry service tells a flow when a call starts."""


@dataclass(frozen=True)
class Parts:
    """What a service is made of. `warnings` are advice from the check of the billing data."""

    config: Config
    mapping: BillingMapping
    reader: BillingReader
    store: Store
    gate: Gate | None
    """Without a table [dunning] nobody is dialled."""
    registry: Registry
    machine: FlowMachine
    voices: Voices
    test_call: FlowMachine | None
    """The flow of a test call, where ivrd.toml lets one be placed."""
    reminder: FlowMachine | None
    """The flow of a reminder call, where ivrd.toml has dunning."""
    warnings: tuple[Problem, ...]

    def reloaded(self) -> Parts:
        """Return the same with flow and voice files read anew. Raises `ProblemsError`."""
        voices = load_voices(self.config, self.mapping)
        flow = load_enquiry(self.config, self.registry, voices)
        return replace(
            self,
            machine=FlowMachine(flow),
            voices=voices,
            test_call=load_test_call(self.config, voices),
            reminder=load_reminder(self.config, self.registry, voices),
        )

    def with_new_data(self, now: Callable[[], datetime]) -> Parts:
        """Return the same with the billing data that an import has put in place.

        Raises `ProblemsError` where it does not fit the mapping or the voice files.
        """
        mapping = read_mapping(self.config)
        wrong = unfit_data(self.config, mapping) or unnamed_items(self.config, mapping, self.voices)
        if wrong:
            raise MappingError(wrong)
        reader = open_billing(self.config, mapping)
        registry = actions_of(self.config, reader, now, self.store)
        return replace(self, mapping=mapping, reader=reader, registry=registry)

    def close(self) -> None:
        """Let go of the billing database and of the store."""
        self.reader.database.engine.dispose()
        self.store.close()


def assemble(config: Config, now: Callable[[], datetime], store: Store | None = None) -> Parts:
    """Build all parts, on `store` or on the one that ivrd.toml names.

    Raises `ProblemsError` for whatever people wrote wrong, `StoreError` where the store cannot be
    opened. A billing database that cannot be reached is a warning: calls say so until it is back.
    """
    mapping = read_mapping(config)
    reader = open_billing(config, mapping)
    voices = load_voices(config, mapping)
    check = check_data(config, mapping, reader.database.engine)
    wrong = [problem for problem in check.problems if problem.rule != "down"]
    if wrong:
        raise MappingError(wrong)
    own = store or open_own_store(config)
    try:
        registry = actions_of(config, reader, now, own)
        return Parts(
            config=config,
            mapping=mapping,
            reader=reader,
            store=own,
            gate=gate_of(config, config.dunning) if config.dunning else None,
            registry=registry,
            machine=FlowMachine(load_enquiry(config, registry, voices)),
            voices=voices,
            test_call=load_test_call(config, voices),
            reminder=load_reminder(config, registry, voices),
            warnings=(*check.warnings, *check.problems),
        )
    except BaseException:
        if store is None:
            own.close()
        raise


def open_billing(config: Config, mapping: BillingMapping) -> BillingReader:
    """Return a reader on the billing data, by the mapping that `read_mapping` gives."""
    return BillingReader(
        mapping,
        open_data(config),
        Breaker(time.monotonic),
        now=lambda: datetime.now(config.zone),
    )


def actions_of(
    config: Config,
    reader: BillingReader,
    now: Callable[[], datetime],
    store: Store | None = None,
) -> Registry:
    """Return all that flows may ask for; without a `store` no debtor is reminded of anything."""
    settings = enquiry_settings(config)
    reminders = dunning_actions(reader, reminder_settings(config), store)
    lockout = StoreLockout(store, settings.proof_window_s) if store else None
    return {**enquiry_actions(reader, now, settings, lockout), **reminders}


def declared(registry: Registry) -> Registry:
    """Return the same actions, declared and not done: what a flow is proved against.

    A flow outlives the billing data of a day, which what is done reads.
    """
    return {name: replace(action, do=_declared_only) for name, action in registry.items()}


def _declared_only(_: Data) -> Answer:
    raise RuntimeError("a flow declares its actions; a service does them")


def enquiry_settings(config: Config) -> EnquirySettings:
    """Return what ivrd.toml says about the enquiry service."""
    enquiry = config.enquiry
    return EnquirySettings(
        disclosure=enquiry.disclosure,
        proof=enquiry.proof,
        last_digits_of=enquiry.last_digits_of,
        country_code=config.node.country_code,
        area_code=config.node.area_code.lstrip("0"),
        months_back=enquiry.months_back,
        speak_zero_items=enquiry.speak_zero_items,
    )


def load_enquiry(config: Config, registry: Registry, voices: Voices) -> Flow:
    """Load and prove the enquiry flow. Raises `FlowError`."""
    several = len(config.node.languages) > 1
    flow = load_flow(config.flow_file, declared(registry))
    return _proved(flow, config, voices, facts=FACTS, fixed={"several_languages": several})


def load_dunning(
    config: Config, registry: Registry, voices: Voices, file: Path | None = None
) -> Flow:
    """Load the flow of a reminder, or `file`, and prove it for a card with every ability.

    Raises `FlowError`.
    """
    file = file or dunning_file(config)
    flow = load_flow(file, declared(registry))
    if flow.call_s > LONGEST_S:
        raise FlowError([Problem(f"its calls may last {flow.call_s:g} s: by then the attempt counts"
                                 " as lost, and the debtor might be called twice at once",
                                 file=file, key="call_s", expected=f"at most {LONGEST_S:g}",
                                 rule="too-long")])  # fmt: skip
    return _proved(flow, config, voices, facts=DUNNING_FACTS, abilities=frozenset(Ability))


def load_reminder(config: Config, registry: Registry, voices: Voices) -> FlowMachine | None:
    """Load and prove the flow of a reminder; None without [dunning]. Raises `FlowError`."""
    return FlowMachine(load_dunning(config, registry, voices)) if config.dunning else None


def dunning_file(config: Config) -> Path:
    """Return the file of the dunning flow, whether or not anybody is dialled."""
    return config.dunning_flow_file or config.flows / "dunning.toml"


def load_test_call(config: Config, voices: Voices) -> FlowMachine | None:
    """Load and prove the flow of a test call; None without [dial]. Raises `FlowError`."""
    return FlowMachine(prove_test_call(config, voices)) if config.dial else None


def prove_test_call(config: Config, voices: Voices) -> Flow:
    """Load the flow of a test call and prove it for a card with every ability."""
    flow = load_flow(config.test_call_file, {})
    return _proved(flow, config, voices, abilities=frozenset(Ability))


def _proved(
    flow: Flow,
    config: Config,
    voices: Voices,
    *,
    facts: Collection[str] = (),
    fixed: Mapping[str, bool] = MappingProxyType({}),
    abilities: Collection[Ability] = (),
) -> Flow:
    problems = check_flow(
        flow,
        facts=facts,
        languages=config.node.languages,
        spoken=lambda sentence: voices.languages if sentence in voices.sentences else (),
        abilities=abilities,
        fixed=fixed,
    )
    if problems:
        raise FlowError(problems)
    return flow


def load_voices(config: Config, mapping: BillingMapping) -> Voices:
    """Load the voice files of all enabled languages. Raises `PromptError`."""
    try:
        voices = Voices(
            config.prompts, config.node.languages, config.flows / "sentences.toml", config.trade
        )
    except PromptError as error:
        raise PromptError([_placed(config, problem) for problem in error.problems]) from None
    problems = unnamed_items(config, mapping, voices)
    if problems:
        raise PromptError(problems)
    return voices


def unnamed_items(config: Config, mapping: BillingMapping, voices: Voices) -> list[Problem]:
    """Return every item of the bills that has no name in an enabled language."""
    return [
        Problem(
            f"item {code!r} has no prompt in {lang}", file=config.mapping, rule="item",
            expected=_item_prompt(config, lang, code), nearest=nearest(code, voices.items(lang)),
        )
        for lang in voices.languages
        for code in item_codes(mapping)
        if code not in voices.items(lang)
    ]  # fmt: skip


def _item_prompt(config: Config, lang: str, code: str) -> str:
    prompt = f"item_{code}"
    there = [f'node.trade = "{name}"' for name in trades_with(config.prompts, lang, prompt)]
    return " or ".join([f"a prompt {prompt}", *there])


def _placed(config: Config, problem: Problem) -> Problem:
    """Name the place in ivrd.toml of a language or a trade that ivrd does not speak."""
    keys = {"language-unknown": "node.languages", "trade-unknown": "node.trade"}
    if problem.rule not in keys:
        return problem
    return replace(problem, file=config.path, key=keys[problem.rule])


def item_codes(mapping: BillingMapping) -> list[str]:
    """Return the code of every item that a bill can hold."""
    rest = getattr(mapping.bill, "rest", None)
    return [*mapping.bill.items, *([rest] if rest else [])]


def enquiry_service(config: Config, parts: Parts, actions: Actions) -> Service:
    """Return what lines run for callers."""
    disclosure = config.enquiry.disclosure
    constant: dict[str, Json] = {
        "several_languages": len(config.node.languages) > 1,
        "closed": False,
        "own_line_only": disclosure == "own-line",
        "check_caller": disclosure == "checked",
        "by_password": config.enquiry.proof == "password",
        "ring_back": bool(config.dunning and config.dunning.ring_back_days),
    }

    def facts(caller: str, called: str) -> dict[str, Json]:
        del called
        return {**constant, "caller": caller}

    lang = config.node.languages[0]
    return Service(parts.machine, facts, actions, parts.voices, lang)
