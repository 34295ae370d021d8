"""What a grammar says, as the text of its prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from ivrd.resources import PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.grammar import speaker
from ivrd.speech.texts import load_texts

Says: TypeAlias = Callable[[str, object], str]


def _says(lang: str) -> Says:
    texts = {id_: text.text for id_, text in load_texts(PROMPTS / lang).texts.items()}
    grammar = GRAMMARS[lang]
    joint = "" if lang.startswith("zh") else " "

    def says(kind: str, value: object) -> str:
        words = (texts[id_] for id_ in speaker(grammar, kind)(value))
        return joint.join(word for word in words if word)

    return says


@pytest.fixture(scope="session")
def zh() -> Says:
    return _says("zh-CN")


@pytest.fixture(scope="session")
def en() -> Says:
    return _says("en-US")
