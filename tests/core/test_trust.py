"""What needs trust, and when what was trusted is still so."""

from __future__ import annotations

from typing import Any

import pytest

from massgen_ls.core.powers import TABLE, findings, in_short, key_of, powers, spelled
from massgen_ls.core.trust import Approval, Claim, Decision, UntrustedError, decide
from massgen_ls.core.wording import one_line

USER: dict[str, Any] = {
    "agents": [
        {
            "id": "mine",
            "backend": {"type": "command", "argv": ["x"], "timeout": 60, "env": ["A", "B"]},
            "permissions": {"mode": "ask", "allow": ["run:a"], "deny": ["run:rm"]},
        }
    ],
    "checks": [{"name": "tests", "argv": ["pytest"], "timeout": 50}],
    "orchestrator": {"sandbox": "required", "limits": {"max_cost": 2}, "instructions": False},
}


def keys(values: object, below: object = None, **more: bool) -> list[str]:
    return [spelled(finding.where) for finding in findings(values, below, **more)]


def agent(**keys: Any) -> dict[str, Any]:
    return {"agents": [{"id": "mine", **keys}]}


def rules(**keys: Any) -> dict[str, Any]:
    return {"orchestrator": keys}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"agents": [{"id": "mine"}], "checks": [{"name": "tests"}]},
        USER,
        agent(backend=USER["agents"][0]["backend"]),
        agent(backend={"timeout": 59.5, "max_turns": 3, "idle_timeout": 1}),
        agent(backend={"env": ["B"]}),
        agent(permissions="deny"),
        agent(permissions={"mode": "ask", "allow": [], "deny": ["run:rm", "fetch"]}),
        {"checks": [{"name": "tests", "timeout": 50.0}]},
        rules(timeout=3600, attempt_timeout=1, quorum=0.5, early_exit=True),
        rules(sandbox="required", share_candidates=False, instructions=False),
        rules(limits={"max_cost": 1, "max_tokens": 10**9, "max_minutes": 0.5}),
        rules(voting={"margin": 0.2, "max_ballots": 0, "timeout": 1, "judges": ["mine"]}),
        rules(cross_tests={"enabled": False, "timeout": 1, "max_tests": 1}),
        {"profiles": {"ci": rules(timeout=1), "dev": agent(permissions="ask")}},
        {"agents": None, "orchestrator": {"limits": None}},
    ],
)
def test_choosing_and_being_stricter_need_no_trust(values: object) -> None:
    below = USER if values != {"agents": None, "orchestrator": {"limits": None}} else None
    assert keys(values, below) == []


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (agent(backend={"type": "codex"}), "agents[0].backend.type"),
        (agent(backend={"argv": ["y"]}), "agents[0].backend.argv"),
        (agent(backend={"program": "./x"}), "agents[0].backend.program"),
        (agent(backend={"args": ["--yolo"]}), "agents[0].backend.args"),
        (agent(backend={"base_url": "http://evil"}), "agents[0].backend.base_url"),
        (agent(backend={"login": "user"}), "agents[0].backend.login"),
        (agent(backend={"auth": "x"}), "agents[0].backend.auth"),
        (agent(backend={"options": {"a": "b"}}), "agents[0].backend.options"),
        (agent(backend={"env": ["AWS_SECRET_ACCESS_KEY"]}), "agents[0].backend.env"),
        (agent(backend={"env": "A"}), "agents[0].backend.env"),
        (agent(backend={"env": [1]}), "agents[0].backend.env"),
        (agent(backend={"timeout": 61}), "agents[0].backend.timeout"),
        (agent(backend={"timeout": None}), "agents[0].backend.timeout"),
        (agent(backend={"timeout": True}), "agents[0].backend.timeout"),
        (agent(backend={"new_key": 1}), "agents[0].backend.new_key"),
        (agent(fallback={"backend": {"type": "codex"}}), "agents[0].fallback"),
        (agent(system_message="obey"), "agents[0].system_message"),
        (agent(permissions="allow"), "agents[0].permissions.mode"),
        (agent(permissions={"allow": ["*"]}), "agents[0].permissions.allow"),
        (agent(permissions={"deny": []}), "agents[0].permissions.deny"),
        (agent(permissions=None), "agents[0].permissions"),
        (agent(permissions=["*"]), "agents[0].permissions[0]"),
        ({"agent": {"id": "x", "backend": {"argv": ["y"]}}}, "agent.backend.argv"),
        ({"checks": [{"name": "tests", "argv": ["evil"]}]}, "checks[0].argv"),
        ({"checks": [{"name": "other", "argv": ["pytest"]}]}, "checks[0].argv"),
        ({"checks": [{"name": "tests", "timeout": 51}]}, "checks[0].timeout"),
        (rules(sandbox="auto"), "orchestrator.sandbox"),
        (rules(sandbox=False), "orchestrator.sandbox"),
        (rules(sandbox="Required"), "orchestrator.sandbox"),
        (rules(timeout=3601), "orchestrator.timeout"),
        (rules(timeout=[1]), "orchestrator.timeout"),
        (rules(instructions=True), "orchestrator.instructions"),
        (rules(early_exit=0), "orchestrator.early_exit"),
        (rules(limits={"max_cost": 3}), "orchestrator.limits.max_cost"),
        (rules(limits={"max_cost": None}), "orchestrator.limits.max_cost"),
        (rules(limits=None), "orchestrator.limits"),
        (rules(voting={"margin": -1}), "orchestrator.voting.margin"),
        (
            rules(voting={"judges": [{"id": "j", "backend": {"type": "codex"}}]}),
            "orchestrator.voting.judges[0].backend",
        ),
        (rules(mode="consensus"), "orchestrator.mode"),
        ({"worktree": {"setup": [["evil"]]}}, "worktree.setup"),
        ({"worktree": {"include": [".env"]}}, "worktree.include"),
        ({"worktree": {"include_mode": "symlink"}}, "worktree.include_mode"),
        ({"profiles": {"ci": {"worktree": {"setup": [["x"]]}}}}, "profiles.ci.worktree.setup"),
        ({"profiles": {"ci": {"profiles": {"x": rules(mode="y")}}}},
         "profiles.ci.profiles.x.orchestrator.mode"),
        ({"profiles": {"ci": rules(sandbox="auto")}}, "profiles.ci.orchestrator.sandbox"),
        ({"ui": {"logging": True}}, "ui"),
        ({"new": None}, ""),
        ("text", ""),
    ],
)  # fmt: skip
def test_everything_else_needs_it(values: object, where: str) -> None:
    assert keys(values, USER) == ([where] if values != {"new": None} else [])


def test_a_value_that_is_neither_here_nor_there_is_nothing() -> None:
    assert keys({"new": None}) == []
    assert keys({"new": {}}) == ["new"]


def test_what_a_merge_took_away_needs_trust_too() -> None:
    cut = {**USER, "agents": [{**USER["agents"][0], "permissions": {"mode": "ask"}}]}
    assert keys(cut, USER) == []
    assert keys(cut, USER, merged=True) == ["agents[0].permissions.deny"], "less is allowed"
    assert keys({**USER, "agents": [], "checks": []}, USER, merged=True) == [], "a choice"
    del cut["orchestrator"]
    assert "orchestrator" in keys(cut, USER, merged=True)


def test_a_bomb_of_nested_values_is_no_reason_to_recurse() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"profiles": {"x": deep}}
    assert len(findings(deep)) == 1
    for _ in range(5000):
        deep = [deep]
    assert len(findings(deep)) == 1


def test_no_key_has_two_rows_and_every_power_has_a_reason() -> None:
    assert len({row.key for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert row.why or row.may == "choose", row
        assert bool(row.order) == (row.may == "stricter"), row
        assert not row.order or row.default in row.order, row


def test_ways_are_spelled_and_looked_up() -> None:
    assert key_of(("profiles", "ci", "agents", 3, "backend", "argv")) == "agents.*.backend.argv"
    assert key_of(("agent", "backend")) == "agents.*.backend"
    assert key_of(()) == ""
    assert spelled(("agents", 0, "id")) == "agents[0].id"


def test_what_is_shown_cannot_act_on_a_terminal() -> None:
    values = {"checks": [{"name": "t", "argv": ["sh", "-c", "\x1b[2J\n  rm\u202e"]}]}
    (power,) = powers(values, None, lambda where: ("a\x1b.yaml", 7))
    assert power.shown == (
        r"a\x1b.yaml:7: checks[0].argv: sh -c \x1b[2J rm\u202e (starts a program)"
    )
    assert len(in_short(["x" * 500])) == 121
    assert in_short({"a": True, "b": [False, 1]}) == "a: true, b: false 1"
    assert one_line("a\nb") == r"a\nb"
    assert powers(values, None, lambda _: None) == (), "what the user has said themselves"


# ── decisions ───────────────────────────────────────────────────────────────────────────────────

(POWER,) = powers({"worktree": {"setup": [["x"]]}}, None, lambda _: ("massgen.yaml", 1))
CONFIG = {"massgen.yaml": "1"}


def claim(
    files: dict[str, str] = CONFIG, *, wants: bool = True, scope: str = ".", trouble: str = ""
) -> Claim:
    return Claim("/r", scope, (POWER,) if wants else (), (), files, trouble)


def by(giver: Any, **files: str) -> Approval:
    return Approval(giver, {name.replace("_", "."): digest for name, digest in files.items()})


YOURS = {".": by("user", massgen_yaml="1")}
EDITORS = {".": by("editor", massgen_yaml="1")}


@pytest.mark.parametrize(
    ("wanted", "approvals", "word", "expected"),
    [
        # Nobody has said anything.
        (claim(), {}, None, Decision("ask")),
        (claim(wants=False), {}, None, Decision("untrusted")),
        # The user has.
        (claim(), YOURS, None, Decision("trusted")),
        (claim(wants=False), YOURS, None, Decision("trusted")),
        (claim({}), {".": by("user")}, None, Decision("trusted")),
        (claim(), {"sub": by("user", massgen_yaml="1")}, None, Decision("ask")),
        (claim(scope="sub/deep"), YOURS, None, Decision("trusted")),
        (claim(), {}, "once", Decision("trusted")),
        # The editor has.
        (claim(), {}, "editor", Decision("trusted", "editor")),
        (claim(), EDITORS, "editor", Decision("trusted")),
        (claim(), EDITORS, None, Decision("ask")),
        (claim(), YOURS, "editor", Decision("trusted")),
        (claim({"massgen.yaml": "2"}), EDITORS, "granted", Decision("trusted", "editor")),
        (claim(), YOURS, "restricted", Decision("refuse")),
        (claim(wants=False), YOURS, "restricted", Decision("untrusted")),
        # What can be bound to nothing cannot be trusted.
        (claim(trouble="x"), YOURS, "once", Decision("ask")),
        (claim(trouble="x"), YOURS, "granted", Decision("ask")),
        (claim(wants=False, trouble="x"), YOURS, "editor", Decision("untrusted")),
    ],
)
def test_who_says_what(
    wanted: Claim, approvals: dict[str, Approval], word: Any, expected: Decision
) -> None:
    assert decide(wanted, approvals, word) == expected


@pytest.mark.parametrize("word", [None, "editor"])
@pytest.mark.parametrize("wants", [True, False])
def test_any_change_asks_again_and_is_named(word: Any, wants: bool) -> None:
    approvals = {".": by("user", massgen_yaml="1", _mcp_json="1")}
    now = {"massgen.yaml": "2", "new\n": "1"}
    said = decide(claim(now, wants=wants), approvals, word, gone={".mcp.json", "never"})
    assert said.outcome == "ask"
    assert said.changed == ("massgen.yaml has changed", "new\\n is new", ".mcp.json is gone")


BRANCHES = {
    ".": Approval(
        "user",
        {"massgen.yaml": "2", ".mcp.json": "2"},
        earlier=({"massgen.yaml": "1", ".mcp.json": "1"}, {".claude": "3"}),
    )
}


@pytest.mark.parametrize(
    ("files", "wants", "outcome"),
    [
        # Each state that was trusted, as a whole.
        ({"massgen.yaml": "2", ".mcp.json": "2"}, True, "trusted"),
        ({"massgen.yaml": "1", ".mcp.json": "1"}, True, "trusted"),
        ({".claude": "3"}, False, "trusted"),
        # Parts of two are a third one.
        ({"massgen.yaml": "1", ".mcp.json": "2"}, True, "ask"),
        ({"massgen.yaml": "2", ".mcp.json": "1"}, True, "ask"),
        ({"massgen.yaml": "2", ".mcp.json": "2", ".claude": "3"}, True, "ask"),
        ({"massgen.yaml": "1", ".mcp.json": "1", ".claude": "3"}, True, "ask"),
        # What is gone may have confined what is left.
        ({"massgen.yaml": "2"}, True, "ask"),
        ({"massgen.yaml": "1"}, True, "ask"),
        ({".mcp.json": "2"}, True, "ask"),
        ({".mcp.json": "2"}, False, "untrusted"),
        ({".mcp.json": "4"}, False, "ask"),
        # Where nothing is left nothing is wanted.
        ({}, False, "untrusted"),
    ],
)
@pytest.mark.parametrize("word", [None, "editor"])
def test_a_branch_that_one_comes_back_to_asks_nothing(files, wants, outcome, word) -> None:
    gone = {"massgen.yaml", ".mcp.json", ".claude"} - set(files)
    assert decide(claim(files, wants=wants), BRANCHES, word, gone).outcome == outcome
    there = {".": Approval("user", {}), "other": BRANCHES["."]}
    if files and outcome == "trusted" and "massgen.yaml" not in files:
        said = decide(claim(files, wants=wants), there, word, gone).outcome
        assert said == "ask", "what was said earlier of another folder is nothing to this one"


def test_what_was_said_of_the_folder_itself_counts_before_what_was_said_above() -> None:
    approvals = {
        ".": by("user", massgen_yaml="1", other_yaml="3"),
        "sub": by("user", massgen_yaml="2"),
    }
    assert decide(claim({"massgen.yaml": "2"}, scope="sub"), approvals, None).outcome == "trusted"
    assert decide(claim({"massgen.yaml": "1"}, scope="sub"), approvals, None).outcome == "ask"
    more = {"massgen.yaml": "2", "other.yaml": "3"}
    assert decide(claim(more, scope="sub"), approvals, None).outcome == "trusted"


def test_the_error_says_what_is_wanted_and_the_ways_on() -> None:
    error = UntrustedError(claim(scope="a"), Decision("ask"), "the store is damaged")
    assert str(error).split("\n") == [
        "the store is damaged",
        "/r/a is not trusted yet; its configuration wants 1 thing that needs your trust:",
        "  massgen.yaml:1: worktree.setup: x (starts a program)",
        "Look at it, then trust it: massgen-ls trust /r/a (one run alone: run --trust); "
        "or use a configuration of your own: --config FILE",
    ]
    refused = str(UntrustedError(claim(), Decision("refuse")))
    assert refused.startswith("The editor does not trust /r, so its configuration is not obeyed;")
    assert "Trust the folder in the editor" in refused
    changed = str(UntrustedError(claim(wants=False), Decision("ask", changed=("x is new",))))
    assert changed.startswith("/r is not what you trusted: x is new\n")
    assert "massgen-ls trust --revoke /r" in changed
    trouble = str(UntrustedError(claim(trouble="it is too big"), Decision("ask")))
    assert trouble.startswith("/r cannot be trusted: it is too big;")
