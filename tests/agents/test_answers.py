"""A judgement is found in whatever an agent says around it, and believed only by its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.attempt.answers import again, answer, problem, wish
from massgen_ls.core.task import Json

VOTE: dict[str, Json] = {
    "type": "object",
    "properties": {
        "vote": {"type": "string", "enum": ["a", "b"]},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["vote"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text",
    [
        '{"vote": "a"}',
        '  \n{"vote": "a"}\n',
        '```json\n{"vote": "a"}\n```',
        '```\n{"vote": "a"}\n```',
        'I think:\n```json\n{"vote": "a"}\n```\nThat is all.',
        'My answer is {"vote": "a"}, for good.',
        'First {"vote": "x"} and then {"vote": "a"}',
        'A {brace} and [a list] and {"vote": "a"}',
        '{"vote": "b"} no, rather {"vote": "a"}',
        '{"vote": "a"} {"reason": "none"}',
    ],
)
def test_it_is_found(text: str) -> None:
    assert answer(text, VOTE) == ({"vote": "a"}, "")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "there is no JSON value in it"),
        ("I vote for a.", "there is no JSON value in it"),
        ('{"vote": "a"', "there is no JSON value in it"),
        ("{}", "the answer lacks 'vote'"),
        ("[1]", "the answer must be of type object"),
        ('{"vote": "c"}', 'the answer.vote must be one of ["a", "b"]'),
        ('{"vote": 1}', "the answer.vote must be of type string"),
        ('{"vote": "a", "score": 11}', "the answer.score must be at most 10"),
        ('{"vote": "a", "score": -1}', "the answer.score must be at least 0"),
        ('{"vote": "a", "score": 1.5}', "the answer.score must be of type integer"),
        ('{"vote": "a", "score": true}', "the answer.score must be of type integer"),
        ('{"vote": "a", "why": "x"}', "the answer must not have 'why'"),
        ('{"vote": "a", "notes": ["x", 1]}', "the answer.notes[1] must be of type string"),
        ('{"vote": "a", "score": NaN}', "there is no JSON value in it"),
    ],
)
def test_what_is_wrong_is_said(text: str, wrong: str) -> None:
    value, said = answer(text, VOTE)
    assert value is None
    assert said == wrong


def test_true_is_not_one() -> None:
    assert problem(True, {"enum": [1]}) != ""
    assert problem(1, {"const": True}) != ""
    assert problem(1.0, {"const": 1}) == ""


def test_asking_holds_the_schema() -> None:
    assert json.dumps(VOTE, indent=1) in wish(VOTE)
    assert again("it is odd", VOTE).startswith("Your answer cannot be used: it is odd.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minimum",
])  # fmt: skip


@given(JSON, st.dictionaries(KEYS, JSON))
def test_no_value_and_no_schema_breaks_it(value: Any, schema: dict[str, Any]) -> None:
    assert isinstance(problem(value, schema), str)


@given(st.text(alphabet='{}[]",:ab1 `\njson') | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_breaks_it(text: str) -> None:
    value, wrong = answer(text, VOTE)
    assert (value is None) == bool(wrong)


def test_a_deep_text_is_no_danger() -> None:
    assert answer("[" * 100_000, VOTE)[0] is None
    assert answer('{"a":' * 50_000, VOTE)[0] is None
