"""Prove a flow before a caller meets it.

The check goes in phases, and stops after the first that finds something: what follows would
only repeat it. Each problem has the word of its rule:

===================  ========================================================================
**names**            every name is one that exists
unknown-fact         ``knows`` names what the service does not tell
unknown-action       ``do`` names no action and no order to the card
unknown-event        an edge is for an event that nobody sends
unknown-sentence     a sentence is not in sentences.toml
no-text              a sentence is not written in one of the languages
unknown-language     ``lang`` is not one of the languages
with                 ``with`` is not what the action takes
unknown-data         nothing ever gives this path
each                 ``each`` goes over what is no list
set                  an edge sets what nothing reads
**states**           each state handles all that can come there, and nothing else
start-event          the start handles neither T_RING nor U_TIME
no-keys              a menu offers no key
time-out             a wait has no T_TIME
hang-up              T_LCTERM or T_LC is not handled; only the hang-up itself needs neither
limit                T_LONG or U_STOP is not handled; what hangs up by itself needs neither
ring-off             T_RINGOFF is not handled while answering
machine              T_MACHINE is not handled, though the card can tell a machine
play-end             a statement has no T_EOF
entry-end            an entry has no T_TERMDT or no T_MAXDT
wrong-key            a menu has no U_KEY
answer               an order's answer has no edge
never                an edge is for an event that cannot come there
retry                ``retry`` leads to what has no U_TRIES, or asks and says nothing
tries                U_TRIES where no ``retry`` leads
say-lost             an edge's ``say`` lands where nothing speaks
private              an entry is not private, but its name is masked for another or an action
**graph**            every way leads to a hang-up
unreachable          no way leads to the state
dead-end             no way leads from the state back to the start
no-end               a hang-up, a stop or T_LONG leads to what may go on
off-hook-at-end      the start is reached without on_hook
on-hook-last         something follows on_hook
not-connected        something is spoken before the line is off hook
no-wait              a circle of states in which nothing waits
silent               a circle of states in which nothing speaks or asks
**data**             nothing is used that may be missing
missing-data         a sentence, an action or ``tries`` uses a path that may have no value
===================  ========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from ivrd.card import Ability
from ivrd.errors import Problem
from ivrd.flow.check_data import check_data
from ivrd.flow.check_graph import check_graph
from ivrd.flow.check_names import Tongues, check_names
from ivrd.flow.check_states import check_states
from ivrd.flow.findings import Findings
from ivrd.flow.spec import Flow


def check_flow(
    flow: Flow,
    *,
    facts: Collection[str],
    languages: Collection[str],
    spoken: Callable[[str], Collection[str]] | None = None,
    abilities: Collection[Ability] = (),
    fixed: Mapping[str, bool] = MappingProxyType({}),
) -> list[Problem]:
    """Return what is wrong with a flow; [] proves that no call can get stuck in it.

    `facts` are what the service tells at the start of a call, `languages` those that a call can
    be held in, and `abilities` are those of the card it will run on. `spoken` tells in which
    languages a sentence is written; None where that is proved elsewhere. Of facts whose truth
    the configuration has `fixed`, the other way needs no language that is not enabled. The
    flow's actions are the ones it was loaded with.
    """
    found = Findings()
    check_names(flow, facts, Tongues(languages, spoken, fixed), found)
    if not found:
        check_states(flow, abilities, found)
    if not found:
        check_graph(flow, found)
    if not found:
        check_data(flow, found)
    return found.problems
