"""Tokens of the JSON interface: what is one, and that a slip of the pen is noticed."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ivrd.control.api.clients import Client, client_of
from ivrd.control.api.tokens import PREFIX, digest, is_token, new_token
from tests.control.api_office import A_DAY

_ANY_CHARACTER = st.characters(min_codepoint=33, max_codepoint=126)


def test_tokens_are_found_by_their_form_and_never_come_twice() -> None:
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"ivrd_[0-9A-Za-z]{46}", token) for token in made)
    assert all(map(is_token, made))


@given(st.integers(0, 50), _ANY_CHARACTER)
def test_one_wrong_character_is_noticed(at: int, char: str) -> None:
    token = new_token()
    wrong = token[:at] + char + token[at + 1 :]
    assert is_token(wrong) == (wrong == token)


@given(st.integers(len(PREFIX), 49))
def test_two_characters_changed_over_are_noticed(at: int) -> None:
    token = new_token()
    wrong = token[:at] + token[at + 1] + token[at] + token[at + 2 :]
    assert is_token(wrong) == (wrong == token)


@given(st.one_of(st.text(), st.from_regex(r"ivrd_[0-9A-Za-z]{0,60}", fullmatch=True)))
def test_no_other_text_is_a_token(text: str) -> None:
    # one in 57 billion of the right form would be; none that is met by chance
    assert not is_token(text)


@given(st.integers(0, 4), st.integers(1, 5))
def test_a_token_is_its_clients_and_no_others(which: int, others: int) -> None:
    tokens = {f"client-{n}": new_token() for n in range(which + others)}
    clients = {
        name: Client(token_sha256=digest(token), may=["bills"], added=A_DAY)
        for name, token in tokens.items()
    }
    for name, token in tokens.items():
        assert client_of(clients, token) == name
    assert client_of(clients, new_token()) is None
    assert client_of({}, tokens[f"client-{which}"]) is None
