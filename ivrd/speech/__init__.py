"""Sentences with data become prompt ids: one grammar a language, templates as data.

A language is a folder ``voice_prompts/<tag>/`` and one grammar file here, entered in
`GRAMMARS` under its tag (BCP 47). Nothing else in ivrd knows which languages there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from ivrd.speech.en_us import EnglishUS
from ivrd.speech.grammar import Grammar
from ivrd.speech.zh_cn import MandarinCN

GRAMMARS: Mapping[str, Grammar] = {
    "zh-CN": MandarinCN(),
    "en-US": EnglishUS(),
}
"""Every language that ivrd can speak."""

__all__ = ["GRAMMARS", "Grammar"]
