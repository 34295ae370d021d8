"""Sentence templates: one bad file for each way of being wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.errors import Problem, PromptError
from ivrd.resources import FLOWS, PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.templates import Field, Group, fields, load_declared, load_templates
from ivrd.speech.texts import load_texts

DECLARED = {
    "welcome": frozenset[str](),
    "bill_item": frozenset({"name", "amount"}),
}
IDS = {"welcome", "pause", "total"}


def _problems(folder: Path, bill_item: str, more: str = "") -> list[Problem]:
    source = f'welcome = "welcome"\n{bill_item}\n{more}\n'
    (folder / "sentences.toml").write_text(source, encoding="utf-8")
    return load_templates(folder, DECLARED, IDS)[1]


def test_a_template_is_prompts_and_fields_in_order(tmp_path: Path) -> None:
    source = 'welcome = "welcome"\nbill_item = "{name:item} {amount:money} pause"\n'
    (tmp_path / "sentences.toml").write_text(source, encoding="utf-8")
    templates, problems = load_templates(tmp_path, DECLARED, IDS)
    assert problems == []
    assert templates == {
        "welcome": ("welcome",),
        "bill_item": (Field("name", "item"), Field("amount", "money"), "pause"),
    }


def test_a_group_holds_parts_that_may_be_left_out(tmp_path: Path) -> None:
    source = 'welcome = "welcome"\nbill_item = "total [{name:item} pause]{amount:money}"\n'
    (tmp_path / "sentences.toml").write_text(source, encoding="utf-8")
    templates, problems = load_templates(tmp_path, DECLARED, IDS)
    assert problems == []
    group = Group((Field("name", "item"), "pause"))
    assert templates["bill_item"] == ("total", group, Field("amount", "money"))
    assert group.paths == ("name",)


@pytest.mark.parametrize(
    ("bill_item", "rule", "near"),
    [
        ("", "sentence-missing", None),
        ('bill_itme = "pause"', "sentence-missing", "bill_itme"),
        ('bill_item = "{amont:money}"', "data-undeclared", "amount"),
        ('bill_item = "{amount:mony}"', "kind-unknown", "money"),
        ('bill_item = "totl {amount:money}"', "prompt-unknown", "total"),
        ('bill_item = "{amount}"', "template", None),
        ('bill_item = "{amount:money}{name:item}"', "template", None),
        ('bill_item = "您的话费"', "template", None),
        ('bill_item = " "', "template", None),
        ('bill_item = "[total {amount:money}"', "template", None),
        ('bill_item = "total {amount:money}]"', "template", None),
        ('bill_item = "[total [{amount:money}]]"', "template", None),
        ('bill_item = "[total] {amount:money}"', "template", None),
        ('bill_item = ["total"]', "template", None),
    ],
)
def test_a_wrong_template_is_told_with_its_place_and_the_nearest_name(
    tmp_path: Path, bill_item: str, rule: str, near: str | None
) -> None:
    problem = _problems(tmp_path, bill_item)[0]
    assert (problem.rule, problem.nearest) == (rule, near)
    assert problem.file == tmp_path / "sentences.toml"
    assert rule == "sentence-missing" or (problem.line, problem.key) == (2, "bill_item")


def test_a_sentence_that_no_flow_can_say_is_told(tmp_path: Path) -> None:
    problems = _problems(tmp_path, 'bill_item = "{amount:money}"', 'welcom = "welcome"')
    assert [(p.rule, p.line, p.nearest) for p in problems] == [("sentence-unknown", 3, "welcome")]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    problems = _problems(tmp_path, 'bill_item = "totl {amont:mony}"', 'extra = "welcome"')
    assert {p.rule for p in problems} == {
        "prompt-unknown",
        "data-undeclared",
        "kind-unknown",
        "sentence-unknown",
    }


@pytest.mark.parametrize(("text", "rule"), [(None, "no-file"), ("welcome = ", "toml")])
def test_templates_that_cannot_be_read_are_told(
    tmp_path: Path, text: str | None, rule: str
) -> None:
    if text is not None:
        (tmp_path / "sentences.toml").write_text(text, encoding="utf-8")
    templates, problems = load_templates(tmp_path, DECLARED, IDS)
    assert templates == {}
    assert [p.rule for p in problems] == [rule]


@pytest.mark.parametrize("entry", ['"bill.month"', "[1]", "true"])
def test_declared_data_must_be_a_list_of_paths(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "sentences.toml"
    file.write_text(f"welcome = []\nno_bill = {entry}\n", encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        load_declared(file)
    assert [(p.rule, p.line, p.key) for p in caught.value.problems] == [("sentences", 2, "no_bill")]


@pytest.mark.parametrize("lang", GRAMMARS)
def test_every_sentence_speaks_all_the_data_it_declares(lang: str) -> None:
    declared = load_declared(FLOWS / "sentences.toml")
    texts = load_texts(PROMPTS / lang).texts.keys()
    templates, problems = load_templates(PROMPTS / lang, declared, texts)
    assert problems == []
    for name, paths in declared.items():
        used = {field.path for field in fields(templates[name])}
        assert used == paths, name
