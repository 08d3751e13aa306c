"""What an agent may do when it asks: a rule never allows more than it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.permissions import Action, Decision, Permissions, judge


def word(
    target: str, *allow: str, kind: str = "run", deny: tuple[str, ...] = (), **rule: str
) -> str:
    action = Action(kind, target)  # type: ignore[arg-type]
    permissions = Permissions(rule.get("mode", "deny"), allow, deny)  # type: ignore[arg-type]
    return judge(action, permissions, confined=False).word


@pytest.mark.parametrize("command", ["pytest x", "pytest -q tests/a.py", "pytest -k 'a and b'"])
def test_an_allowed_command_is_allowed(command: str) -> None:
    assert word(command, "run:pytest *") == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "pytestx y",
        "pytest x; rm -rf ~",
        "pytest x;rm -rf ~",
        "pytest x && rm -rf ~",
        "pytest x || rm -rf ~",
        "pytest x & rm -rf ~",
        "pytest x | sh",
        "pytest x |& sh",
        "pytest $(x)",
        'pytest "$(x)"',
        "pytest `x`",
        "pytest x\nrm -rf ~",
        "pytest x\r\nrm -rf ~",
        "pytest x\rrm -rf ~",
        "pytest x \\\n; rm",
        "pytest > ~/.bashrc",
        "pytest x >> ~/.ssh/authorized_keys",
        "pytest < /etc/shadow",
        "pytest <(x)",
        "pytest >(x)",
        "pytest =(x)",
        "pytest *(e:x:)",
        "pytest ${y:=$(x)}",
        "pytest $[a[$(x)]]",
        "pytest ${y@P}",
        "PYTHONSTARTUP=evil.py pytest x",
        "env A=1 pytest x",
        "sudo pytest x",
        "./pytest x",
        "pytest\tx",
        " pytest x",
        "rm -rf ~ # pytest x",
    ],
)
def test_leave_for_one_command_is_no_leave_for_another(command: str) -> None:
    assert word(command, "run:pytest *") == "deny"


@pytest.mark.parametrize(
    ("pattern", "command"),
    [
        ("run", "a; b"),
        ("run:*", "a; b"),
        ("*", "a; b"),
        ("*:*", "a; b"),
        ("run:make", "make"),
        ("run:[mn]ake ?", "make x"),
    ],
)
def test_leave_for_everything_is_leave_for_everything(pattern: str, command: str) -> None:
    assert word(command, pattern) == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf ~",
        "cd /; rm -rf ~",
        "pytest x && rm x",
        "x | rm y",
        "A=1 rm x",
        "sudo rm x",
        "/bin/rm x",
        "rm\t-rf ~",
        "rm  -rf ~",
        "rm \\\n -rf ~",
        "true\nrm x",
        "echo $(rm x)",
        "echo `rm x`",
    ],
)
def test_a_denied_command_is_denied_wherever_it_stands(command: str) -> None:
    assert word(command, "*", deny=("run:rm *",), mode="allow") == "deny"


@pytest.mark.parametrize(
    ("target", "pattern", "expected"),
    [
        ("src/a.py", "read:src/*", "allow"),
        ("./src/a.py", "read:src/*", "allow"),
        ("src/../../../home/u/.ssh/id_rsa", "read:src/*", "deny"),
        ("src/..", "read:src/*", "deny"),
        ("/etc/../root/x", "read:/etc/*", "deny"),
        ("/etc/x/../hosts", "read:/etc/*", "allow"),
        ("..", "read:..", "allow"),
        ("src/a.py", "edit:src/*", "deny"),
    ],
)
def test_a_path_counts_as_what_it_leads_to(target: str, pattern: str, expected: str) -> None:
    assert word(target, pattern, kind="read") == expected


@pytest.mark.parametrize(
    "target", ["secrets/k", "./secrets/k", "src/../secrets/k", "secrets//k", "secrets/./k"]
)
@pytest.mark.parametrize("kind", ["read", "edit"])
def test_a_denied_path_is_denied_however_it_is_written(target: str, kind: str) -> None:
    assert word(target, "*", deny=("*:secrets/*",), kind=kind, mode="allow") == "deny"


def test_an_address_is_no_path() -> None:
    assert word("https://x.org/a/../b", "fetch:https://x.org/a/*", kind="fetch") == "allow"
    assert word("https://evil.org/", "fetch:https://x.org/*", kind="fetch") == "deny"


@pytest.mark.parametrize(
    ("action", "mode", "confined", "decision"),
    [
        (Action("edit", "a"), "auto", False, Decision("allow", "it stays in its worktree")),
        (Action("read", "a"), "auto", False, Decision("allow", "it stays in its worktree")),
        (Action("run", "a"), "auto", True, Decision("allow", "the sandbox confines it")),
        (Action("run", "a"), "auto", False, Decision("ask", "no sandbox confines it")),
        (Action("fetch", "a"), "auto", False, Decision("ask", "no sandbox confines it")),
        (
            Action("read", "/a", inside=False), "auto", False,
            Decision("ask", "no sandbox confines it"),
        ),
        (
            Action("edit", "a"), "ask", True,
            Decision("ask", "`permissions: ask` in the configuration"),
        ),
        (
            Action("run", "a; b"), "allow", False,
            Decision("allow", "`permissions: allow` in the configuration"),
        ),
        (
            Action("edit", "/a", inside=False), "allow", True,
            Decision("deny", "/a lies outside of its worktree"),
        ),
    ],
)  # fmt: skip
def test_what_no_pattern_answers_the_mode_does(
    action: Action, mode: str, confined: bool, decision: Decision
) -> None:
    assert judge(action, Permissions(mode), confined=confined) == decision  # type: ignore[arg-type]


targets = st.text(st.sampled_from("ab ./*;$(|\n[]?~"), max_size=8) | st.sampled_from(
    ["pytest x", "pytest x; rm", "/etc/x", "../x"]
)
patterns = st.builds(
    lambda kind, glob: f"{kind}:{glob}" if glob is not None else kind,
    st.sampled_from(["read", "edit", "run", "fetch", "other", "*", "nonsense", ""]),
    st.none() | targets | st.just("*"),
)
several = st.lists(patterns, max_size=4).map(tuple)
actions = st.builds(
    Action,
    st.sampled_from(["read", "edit", "run", "fetch", "other"]),
    targets,
    inside=st.booleans(),
)
rules = st.builds(Permissions, st.sampled_from(["auto", "allow", "ask", "deny"]), several, several)
RANK = {"deny": 0, "ask": 1, "allow": 2}


@given(actions, rules, st.booleans())
def test_no_rule_lets_anybody_edit_outside(
    action: Action, rule: Permissions, confined: bool
) -> None:
    outside = replace(action, kind="edit", inside=False)
    assert judge(outside, rule, confined=confined).word == "deny"


@given(actions, rules, several, st.booleans())
def test_one_more_denial_never_allows_more(
    action: Action, rule: Permissions, more: tuple[str, ...], confined: bool
) -> None:
    stricter = replace(rule, deny=(*more, *rule.deny))
    before, after = (judge(action, r, confined=confined).word for r in (rule, stricter))
    assert RANK[after] <= RANK[before]


@given(actions, rules, several, st.booleans())
def test_one_more_leave_never_forbids_more(
    action: Action, rule: Permissions, more: tuple[str, ...], confined: bool
) -> None:
    looser = replace(rule, allow=(*rule.allow, *more))
    before, after = (judge(action, r, confined=confined).word for r in (rule, looser))
    assert RANK[after] >= RANK[before]


@given(actions, rules, st.booleans())
def test_what_is_both_allowed_and_denied_is_denied(
    action: Action, rule: Permissions, confined: bool
) -> None:
    for pattern in rule.allow:
        if judge(action, Permissions("deny", (pattern,)), confined=confined).word == "allow":
            both = replace(rule, deny=(*rule.deny, pattern))
            assert judge(action, both, confined=confined).word == "deny"


@given(actions, rules, st.booleans())
def test_a_sandbox_never_takes_anything_away(
    action: Action, rule: Permissions, confined: bool
) -> None:
    without, within = (judge(action, rule, confined=c).word for c in (False, True))
    assert RANK[without] <= RANK[within]
