"""Layers: what is higher wins, lists of named things choose, every value knows who said it."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.config.document import Document, leaves, parse
from massgen_ls.config.layers import DEFAULT, Layer, LayerName, merge
from massgen_ls.config.problems import Where

NAMES: list[LayerName] = ["user", "project", "editor", "environment"]
KEYS = st.sampled_from(["a", "b", "c", "backend", "type"])
MAPPINGS = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers() | st.lists(st.integers(), max_size=2),
        lambda inner: st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)

LEAF = st.integers() | st.lists(st.integers(), max_size=2)
INNER = st.fixed_dictionaries({}, optional={"a": LEAF, "b": LEAF})
OF_ONE_KIND = st.fixed_dictionaries({}, optional={"a": LEAF, "m": INNER, "n": INNER})
"""Where a key is a mapping in every layer or in none: a scalar forgets what is below it."""


def layer(name: LayerName, body: Any) -> Layer:
    text = yaml.safe_dump(body, default_flow_style=False)
    return Layer(name, parse(text, f"{name}.yaml"), f"{name}.yaml", "user")


def layers(*bodies: Any) -> list[Layer]:
    return [layer(name, body) for name, body in zip(NAMES, bodies, strict=False)]


def at(body: Any, where: Where) -> Any:
    for part in where:
        body = body[part]
    return body


@given(st.lists(MAPPINGS, min_size=1, max_size=4))
def test_every_value_is_that_of_its_origin(bodies: list[Any]) -> None:
    stack = layers(*bodies)
    merged = merge(stack)
    by_name = {each.source: each for each in stack}
    for where, value, origin in merged.leaves():
        if not where:
            continue
        said = by_name[origin.source]
        assert at(said.body, origin.where) == value
        line = yaml.safe_dump(said.body, default_flow_style=False).split("\n")[origin.line - 1]
        last = origin.where[-1]
        assert str(last if isinstance(last, str) else value) in line


@given(st.lists(MAPPINGS, min_size=2, max_size=4))
def test_what_the_highest_layer_says_counts(bodies: list[Any]) -> None:
    merged = merge(layers(*bodies)).body
    for where, value in leaves(bodies[-1]):
        if value not in ({}, []):
            assert at(merged, where) == value


@given(OF_ONE_KIND, OF_ONE_KIND, OF_ONE_KIND)
def test_it_does_not_matter_which_two_are_merged_first(low: Any, middle: Any, high: Any) -> None:
    at_once = merge(layers(low, middle, high)).body
    assert at_once == merge(layers(merge(layers(low, middle)).body, high)).body
    assert at_once == merge(layers(low, merge(layers(middle, high)).body)).body


@given(MAPPINGS)
def test_nothing_above_changes_nothing(body: Any) -> None:
    assert merge(layers(body)).body == body
    assert merge(layers(body, {}, {})).body == body
    assert merge(layers({}, body)).body == body


USER = {
    "agents": [
        {"id": "one", "system_message": "Hi.", "backend": {"type": "codex", "model": "m"}},
        {"id": "two", "backend": {"type": "claude_code"}},
        {"id": "three", "backend": {"type": "command", "argv": ["x"]}},
    ],
    "checks": [{"name": "tests", "argv": ["pytest"], "timeout": 5}],
}


def test_the_highest_list_of_agents_is_the_team_and_may_choose_by_name() -> None:
    merged = merge(layers(USER, {"agents": ["three", {"id": "one"}], "checks": ["tests"]}))
    assert merged.body == {
        "agents": [USER["agents"][2], USER["agents"][0]],
        "checks": USER["checks"],
    }
    assert merged.origin(("agents", 0, "id")).shown() == "project.yaml:2:3"
    assert merged.origin(("agents", 0, "backend", "argv")).shown() == "user.yaml:11:5"
    assert merged.origin(("agents", 1, "backend", "model")).source == "user.yaml"
    assert merged.origin(("agents",)).source == "project.yaml"


def test_an_item_without_a_type_changes_what_is_below_and_one_with_it_is_whole() -> None:
    changed = merge(layers(USER, {"agents": [{"id": "one", "backend": {"model": "n"}}]}))
    assert changed.body["agents"] == [
        {"id": "one", "system_message": "Hi.", "backend": {"type": "codex", "model": "n"}}
    ]
    assert changed.origin(("agents", 0, "backend", "model")).source == "project.yaml"
    assert changed.origin(("agents", 0, "backend", "type")).source == "user.yaml"
    whole = {"id": "one", "backend": {"type": "claude_code"}}
    assert merge(layers(USER, {"agents": [whole]})).body["agents"] == [whole]


def test_who_is_not_in_the_team_can_still_be_chosen_further_up() -> None:
    merged = merge(layers(USER, {"agents": ["one"]}, {"agents": ["two", "nobody"]}))
    assert merged.body["agents"] == [USER["agents"][1], {"id": "nobody"}]


def test_changes_by_name_choose_nobody() -> None:
    change = {"agents": {"three": {"backend": {"argv": ["y"]}}, "one": {"system_message": "No."}}}
    merged = merge(layers(USER, {"agents": ["one", "two"]}, change))
    assert [a["id"] for a in merged.body["agents"]] == ["one", "two"]
    assert merged.body["agents"][0]["system_message"] == "No."
    later = merge(layers(USER, {"agents": ["one"]}, change, {"agents": ["three"]}))
    assert later.body["agents"][0]["backend"]["argv"] == ["y"]


def test_one_agent_is_a_team_of_one() -> None:
    alone = {"agent": {"id": "me", "backend": {"type": "codex"}}}
    merged = merge(layers(USER, alone))
    assert merged.body["agents"] == [alone["agent"]]
    assert merged.origin(("agents", 0, "backend", "type")).shown() == "project.yaml:3:5"
    assert merged.origin(("agents", 0, "backend", "type")).where == ("agent", "backend", "type")
    assert merge(layers({"agent": {"id": "one", "system_message": "x"}, "agents": []})).body == {
        "agent": {"id": "one", "system_message": "x"},
        "agents": [],
    }, "both at once is a mistake, which is told where the whole is checked"


def test_null_takes_a_value_back_and_other_lists_replace() -> None:
    low = {"orchestrator": {"limits": {"max_cost": 3}}, "worktree": {"include": ["a", "b"]}}
    high = {"orchestrator": {"limits": {"max_cost": None}}, "worktree": {"include": ["c"]}}
    assert merge(layers(low, high)).body == high


def test_a_profile_is_a_part_of_a_file_and_is_placed_there() -> None:
    document = parse("x: 1\nprofiles:\n  ci:\n    x: 2\n", "f.yaml")
    base = Layer("project", document, "f.yaml", "project")
    profile = Layer("profile", document, "f.yaml", "project", ("profiles", "ci"))
    origin = merge([base, profile]).origin(("x",))
    assert (origin.layer, origin.author, origin.shown()) == ("profile", "project", "f.yaml:4:5")
    assert origin.where == ("profiles", "ci", "x")


def test_what_nobody_says_is_a_default() -> None:
    assert merge([]).origin(("x",)) == DEFAULT
    assert merge([Layer("editor", Document({"x": 1}), "e", "user")]).origin(("x",)).shown() == "e"
    merged = merge(layers({"permissions": "auto", "list": [1]}))
    assert merged.says(("permissions", "mode")), "one word stands for more"
    assert merged.says(("list", 0))
    assert not merged.says(("list", 1))
    assert not merged.says(("other",))
