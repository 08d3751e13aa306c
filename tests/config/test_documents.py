"""Texts that were read: values as the language has them, and places that are really there."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.config import yaml_text
from massgen_ls.config.document import Document, Remembered, Span, leaves, scan

WORDS = st.text("abc-_:# \"'\\\n\té😀", max_size=6)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    WORDS,
    st.floats(allow_nan=False, allow_infinity=False),
)
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(WORDS.filter(lambda k: k != "<<"), inner)
    ),
    max_leaves=12,
)


def cut(text: str, span: Span) -> str:
    lines = text.split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    first, last = lines[span.line - 1][span.column - 1 :], lines[span.end_line - 1]
    between = lines[span.line : span.end_line - 1]
    return "\n".join([first, *between, last[: span.end_column - 1]])


def toml(text: str) -> Any:
    return tomllib.loads(f"v = {text}")["v"]


def toml_key(text: str) -> str:
    return next(iter(tomllib.loads(f"{text} = 1")))


def places_are_right(document: Document, text: str, read: Any, read_key: Any) -> None:
    """What stands at the place of a scalar is that scalar, to the language's own reader."""
    for where, value in leaves(document.body):
        if not where or isinstance(value, dict | list):
            continue
        assert read(cut(text, document.values[where])) == value, where
        if isinstance(where[-1], str):
            assert read_key(cut(text, document.keys[where])) == where[-1]


@given(BODIES, st.sampled_from([None, 2]))
def test_json_is_what_python_reads_and_every_value_is_in_its_place(
    body: Any, indent: int | None
) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=indent is None)
    document = scan(text, "x.json")
    assert document.problems == ()
    assert document.body == body
    places_are_right(document, text, json.loads, json.loads)


@given(BODIES, st.booleans())
def test_yaml_is_what_pyyaml_reads_and_every_value_is_in_its_place(body: Any, flow: bool) -> None:
    text = yaml.safe_dump(body, default_flow_style=flow, allow_unicode=True, width=10**6)
    if any(c in text for c in "\t\x85"):
        return  # PyYAML writes tabs that libyaml does not read back
    document = scan(text)
    assert document.problems == ()
    assert document.body == yaml.safe_load(text)


@given(st.text("ab:-[]{}#&*!|>'\"%@`,? \n0", max_size=40))
def test_any_text_is_read_or_refused_as_pyyaml_does(text: str) -> None:
    document = scan(text)
    try:
        expected = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError):
        assert document.problems
        return
    if not document.problems:  # keys that are no words, or are there twice, are refused here alone
        assert document.body == expected or (expected is None and document.body == {})


@given(st.text(max_size=60), st.sampled_from(["x.yaml", "x.json", "x.toml"]))
def test_no_text_raises(text: str, name: str) -> None:
    for problem in scan(text, name).problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.line <= text.count("\n") + text.count("\r") + 1


TOML = '''\
# a comment with = and [brackets]
title = "a \\"quoted\\" # word"
"odd key".b = 'lit#eral' # behind
site."a.b" . c = 3
long = """
two
lines"""
nothing = \'\'\'x\'\'\'
list = [ 1, # one
  [2, 3], "x,]", { a = 1, b.c = [true] },
]
when = 1.5e3

[tool.massgen]
agent = { id = "x", backend = { type = "codex" } }
[[tool.massgen.checks]]
name = "one"
argv = ["a"]
[[tool.massgen.checks]]
name = "two"
[tool.massgen.checks.sub]
deep = true
'''


def test_toml_has_every_value_in_its_place() -> None:
    document = scan(TOML, "pyproject.toml")
    assert document.body == tomllib.loads(TOML)
    places_are_right(document, TOML, toml, toml_key)


@pytest.mark.parametrize("where", [("title",), ("site", "a.b", "c"), ("list", 2)])
def test_toml_keys_have_places_too(where: tuple[str | int, ...]) -> None:
    document = scan(TOML, "x.toml")
    line = TOML.split("\n")[document.span(where).line - 1]
    assert str(where[-1] if isinstance(where[-1], str) else '"x,]"') in line


def test_a_table_of_a_file_is_a_document_of_its_own() -> None:
    part = scan(TOML, "pyproject.toml").under("tool", "massgen")
    assert part.body["checks"][1]["name"] == "two"
    assert part.place(("checks", 1, "name")) == (20, 1)
    assert scan(TOML, "x.toml").under("tool", "other").body == {}


@given(
    st.dictionaries(
        st.text("ab.\"' é", max_size=4),
        st.one_of(
            st.integers(),
            st.booleans(),
            st.text("ab#\"'\\\n", max_size=5),
            st.lists(st.integers(), max_size=3),
            st.dictionaries(st.text("xy", min_size=1, max_size=2), st.integers(), max_size=2),
        ),
        max_size=5,
    )
)
def test_toml_that_is_written_is_found_again(body: dict[str, Any]) -> None:
    def word(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {word(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(word, value)) + "]"
        return json.dumps(value, ensure_ascii=False)

    text = "\n".join(f"{json.dumps(k, ensure_ascii=False)} = {word(v)}" for k, v in body.items())
    document = scan(text, "x.toml")
    assert document.body == body
    places_are_right(document, text, toml, toml_key)


@pytest.mark.parametrize(
    ("name", "text", "said", "left"),
    [
        ("x.yaml", "a: 1\nb: [1, {c: ", "2:11: not YAML", {"a": 1, "b": [1, {}]}),
        ("x.yaml", "a: 1\n? [b]\n: 2", "2:3: a key has to be a word", {"a": 1}),
        ("x.yaml", "a: 1\na: 2\nb: 3", "2:1: the key 'a' is there twice", {"a": 1, "b": 3}),
        ("x.yaml", "a: 1\n---\nb: 2", "2:1: a second document", {"a": 1}),
        ("x.yaml", "a: \x01", "1:4: not YAML: a character", {}),
        ("x.yaml", "é: 1\na: é\x01", "2:5: not YAML: a character", {}),
        ("x.yaml", "a: \ud800", "1:4: not YAML: half a character", {}),
        ("x.yaml", "a: *b", "1:4: not YAML: found undefined alias 'b'", {}),
        ("x.yaml", "<<: 1", "1:1: `<<` takes a mapping", {}),
        ("x.yaml", "1: 2", "1:1: the key 1 is not a word", {}),
        ("x.json", '{"a": [1, {"b": }', "1:17: not JSON: a value is wanted", {"a": [1, {}]}),
        ("x.json", '{"a": 1, "a": 2}', "1:10: the key 'a' is there twice", {"a": 1}),
        ("x.json", '{"a": "x', "1:7: not JSON: this text does not end", {}),
        ("x.json", "{} x", "1:4: not JSON: something follows", {}),
        ("x.json", "[" * 99, "1:51: nested too deeply", None),
        ("x.toml", "a = 1\nb = \nc = 2", "2:5: not TOML: invalid value", {"a": 1}),
        ("x.toml", "a = 1\na = 2", "not TOML: cannot overwrite a value", None),
    ],
)  # fmt: skip
def test_half_a_file_is_read_up_to_its_error(name: str, text: str, said: str, left: Any) -> None:
    document = scan(text, name)
    assert document.problems[0].shown("").removeprefix(":").startswith(said) or said in str(
        document.problems[0].message
    )
    if left is not None:
        assert _numbers(document.body) == left


def _numbers(body: Any) -> Any:
    """Without the nulls that stand where a value was expected."""
    if isinstance(body, dict):
        return {k: _numbers(v) for k, v in body.items()}
    return [_numbers(v) for v in body] if isinstance(body, list) else body


def test_blocks_end_where_their_text_ends() -> None:
    text = "a:\n  b: 1\n  c: [x,\n      y]\n\n\nd: 2\n"
    document = scan(text)
    assert document.values["a",] == Span(2, 3, 4, 9)
    assert document.values["a", "c"] == Span(3, 6, 4, 9)
    assert document.at(2, 6) == ("a", "b")
    assert document.at(3, 3) == ("a", "c")
    assert document.at(7, 1) == ("d",)


def test_lines_are_those_of_editors_also_where_yaml_sees_more() -> None:
    text = 'a: "x\u2028y"\nb: 1\n'
    assert scan(text).place(("b",)) == (2, 1)


def test_aliases_and_merge_keys_stand_where_they_were_written() -> None:
    text = "base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nlist: [{<<: [*b, {z: 4}]}]\nsame: *b\n"
    document = scan(text)
    assert document.body["mine"] == {"x": 1, "y": 3}
    assert document.body["list"] == [{"x": 1, "y": 2, "z": 4}]
    assert document.body["same"] == {"x": 1, "y": 2}
    assert document.place(("mine", "x")) == (1, 11)
    assert document.place(("mine", "y")) == (2, 16)
    assert document.place(("list", 0, "z")) == (3, 19)
    assert document.place(("same", "x")) == (1, 11)


def test_without_libyaml_it_is_the_same() -> None:
    text = "a: [1, {b: x}]\nc: &q\n  d: 'e'\nf: *q\n"
    fast, slow = yaml_text.read(text), yaml_text.read(text, yaml.SafeLoader)
    assert slow.body == fast.body
    assert dict(slow.values) == dict(fast.values)
    assert dict(slow.keys) == dict(fast.keys)
    for loader in (yaml_text.LOADER, yaml.SafeLoader):
        (problem,) = yaml_text.read("é: \x01", loader).problems
        assert (problem.line, problem.column) == (1, 4)


@pytest.mark.parametrize("text", ["a: 1\rb: x\rb: y", "a: 1\r\nb: x\r\nb: y"])
def test_lines_end_where_editors_end_them(text: str) -> None:
    document = scan(text)
    assert document.values["b",][:2] == (2, 4)
    assert [p.line for p in document.problems] == [3]


def test_a_lone_mark_of_a_tag_says_nothing_about_the_type() -> None:
    assert scan("a: ! 0\nb: ! x\n").body == {"a": 0, "b": "x"}


def test_what_was_read_is_remembered_by_its_text_and_name() -> None:
    read = Remembered()
    first = read("a: 1", "x.yaml")
    assert read("a: 1", "x.yaml") is first
    assert read("a: 2", "x.yaml").body == {"a": 2}
    assert read("[a]", "x.toml").body == {"a": {}}
    for number in range(100):
        read("", f"{number}.yaml")
    assert read("a: 2", "x.yaml").body == {"a": 2}
