"""Imports go one way: a module imports only what stands before it in the layers of the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent

LAYERS = (
    # the vocabulary; nothing else of ours below it
    ("ivrd.errors", "ivrd.events", "ivrd.commands", "ivrd.clock", "ivrd.resources",
     "ivrd.toml_file", "ivrd.toml_model", "ivrd.listen_address"),
    ("ivrd.card",),
    ("ivrd.flow",),
    ("ivrd.call",),
    ("ivrd.speech",),
    ("ivrd.prompts", "ivrd.prompt_copies", "ivrd.synthesis", "ivrd.synthesised"),
    ("ivrd.linelog",),
    ("ivrd.trace", "ivrd.log_query", "ivrd.records", "ivrd.service"),
    ("ivrd.talk", "ivrd.hook", "ivrd.line"),
    ("ivrd.billing",),
    ("ivrd.store",),
    ("ivrd.enquiry", "ivrd.dunning"),
    ("ivrd.runner", "ivrd.api_settings", "ivrd.import_settings", "ivrd.config", "ivrd.own_store",
     "ivrd.dunning_settings", "ivrd.import_times", "ivrd.stand_alone",
     "ivrd.assembly"),
    ("ivrd.trial", "ivrd.outbound", "ivrd.import_watch"),
    ("ivrd.daemon", "ivrd.simulation", "ivrd.rehearsal"),
    ("ivrd.control",),
    ("ivrd.cli",),
)  # fmt: skip
"""From the bottom up; a package stands for all that is in it. Those of one layer may import each
other, but in no circle."""

CARD_SIDE = ("ivrd.errors", "ivrd.events", "ivrd.commands", "ivrd.clock", "ivrd.card",
             "ivrd.toml_file", "ivrd.toml_model")  # fmt: skip
"""All that a card, real or of software, may know of ivrd: the contract, and how a file of ours is
checked."""

FAR_ENDS_OF_DRIVERS = {"sim.modem": ("drivers.modem.protocol", "drivers.modem.caller_id",
                                     "drivers.modem.profile", "drivers.modem.samples")}  # fmt: skip
"""What of a driver a far end may know: an emulated modem has the codes and the profiles of the real
ones, or it would be an emulation of something else. How they are read and written is its own."""

OF_SIM = {"ivrd.simulation", "ivrd.rehearsal", "ivrd.cli"}
"""What of ivrd may import the software card; the daemon finds it by name, as every card."""


def modules(*packages: str) -> list[str]:
    """Return the names of all modules of packages."""
    return [
        ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in sorted((TOP / package).rglob("*.py"))
    ]


def imports(module: str) -> Iterator[str]:
    """Yield every module that a module imports, wherever in it; relative ones are not in use."""
    path = TOP.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in EVERY else node.module


EVERY = frozenset(modules("ivrd", "sim", "drivers"))


def layer_of(module: str) -> int | None:
    """Return the layer of a module, counted from the bottom; None where it has none."""
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    return None


def below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("module", modules("ivrd"))
def test_module_imports_only_what_stands_below_it(module: str) -> None:
    if module == "ivrd":
        assert not [name for name in imports(module) if name.startswith("ivrd")]
        return
    mine = layer_of(module)
    assert mine is not None, f"{module} has no layer: say in this file where it stands"
    for name in imports(module):
        if name.startswith("ivrd."):
            theirs = layer_of(name)
            assert theirs is not None
            assert theirs <= mine, f"{module} imports {name}, which stands above it"


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {module: [name for name in set(imports(module)) if name in EVERY] for module in EVERY}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " imports ".join((*path[path.index(module) :], module))
        if module not in done:
            for name in graph[module]:
                walk(name, (*path, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())


@pytest.mark.parametrize("module", modules("sim", "drivers"))
def test_card_knows_the_contract_and_nothing_else_of_ivrd(module: str) -> None:
    own = module.split(".", maxsplit=1)[0]
    for name in imports(module):
        top = name.split(".", maxsplit=1)[0]
        far_end = next((of for of in FAR_ENDS_OF_DRIVERS if module.startswith(of)), "")
        known = CARD_SIDE + FAR_ENDS_OF_DRIVERS.get(far_end, ())
        assert top not in {"ivrd", "sim", "drivers"} - {own} or below(name, known), (
            f"{module} imports {name}"
        )


@pytest.mark.parametrize("module", modules("ivrd"))
def test_ivrd_finds_its_cards_by_name(module: str) -> None:
    tops = {name.split(".", maxsplit=1)[0] for name in imports(module)}
    assert "drivers" not in tops
    assert "sim" not in tops or below(module, tuple(OF_SIM)), f"{module} imports sim"


def test_one_module_alone_knows_the_state_machine_library() -> None:
    using = [m for m in modules("ivrd", "sim", "drivers") if "transitions" in set(imports(m))]
    assert using == ["ivrd.flow.machine"]


def test_call_is_pure() -> None:
    impure = {"asyncio", "time", "threading", "random", "datetime", "os", "io", "pathlib"}
    assert not impure & set(imports("ivrd.call"))


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools"}
    assert not [m for m in EVERY if m.rsplit(".", maxsplit=1)[-1] in drawers]
