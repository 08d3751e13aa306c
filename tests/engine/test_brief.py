"""The full text that an agent is given, word for word."""

from __future__ import annotations

from massgen_ls.core.changes import rel_path
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    Diagnostic,
    LineRange,
    Origin,
    RunSpec,
    Scope,
    SeatId,
    Task,
)
from massgen_ls.engine.brief import brief
from massgen_ls.ports import Access, Brief

AGENT = AgentSpec(AgentId("a"), "claude_code", {}, " You are careful. \n")
SCOPE = Scope(
    rel_path("pkg/a.py"),
    LineRange(3, 9),
    (
        Diagnostic(rel_path("pkg/a.py"), 4, "unused import {x}", "ruff", "F401"),
        Diagnostic(rel_path("b.py"), 1, "bad"),
    ),
)
CHECKS = (CheckSpec("tests", ("pytest", "-k", "a b")), CheckSpec("lint", ("ruff", "check")))
ACCESS = Access("http://127.0.0.1:1/mcp", "secret-token", "massgen", ("submit_summary",))

RULES = """\
## Where you work
This folder is a git worktree of your own, made from the user's files as they are on the screen at
this moment, unsaved changes included. Others get the same task in worktrees of their own; the best
change is merged into what the user sees.

- Change files below this folder only. Everything else on this machine is to be left alone.
- Leave the result in the files. You need not commit, and there is nowhere to push to.
- Nobody can answer questions while you work: decide, and say in your summary how.
- Change what the task needs and nothing else: no reformatting, no renaming, no new dependencies on
  the way. Remove scratch files and build products that you made.
"""
DONE = """\
## When you are done
The task is solved, the files are saved, and nothing that worked before is broken. Then end with a
summary of at most five sentences: what you changed and why, and what you left undone."""


def spec(task: Task, checks: tuple[CheckSpec, ...] = ()) -> RunSpec:
    return RunSpec(task, (AGENT,), checks)


def text(run: RunSpec, access: Access | None = None) -> str:
    return brief(AGENT, run, 2, briefed=True, access=access).prompt


def test_a_plain_wish_with_the_rules() -> None:
    task = Task("Fix it, {please} %s.")
    assert brief(AGENT, spec(task), 2, briefed=True) == Brief(
        task, SeatId("a"), 2, f"Fix it, {{please}} %s.\n\n{RULES}\n{DONE}", "You are careful."
    )


def test_only_its_own_kind_goes_on_with_a_conversation() -> None:
    for kind, origin in ((AGENT.type, "s1"), ("other", "")):
        task = Task("x", context="ADA DID IT", origin=Origin(kind, "s1"))
        told = brief(AGENT, spec(task), 1, briefed=True, past="/home/past")
        assert (told.origin, told.session) == (origin, "")
        assert "ADA DID IT" in told.prompt
        assert "ADA DID IT" not in told.onward
        assert (told.past, bool(told.onward)) == (("/home/past", True) if origin else ("", False))


def test_our_own_placeholders_are_no_part_of_a_command_that_an_agent_reads() -> None:
    check = CheckSpec("tests", ("{python}", "-m", "pytest", "--junitxml={junit}", "a b"))
    assert "tests (`python -m pytest --junitxml=junit 'a b'`)" in text(spec(Task("x"), (check,)))


def test_everything_at_once() -> None:
    task = Task("Fix it.", SCOPE, "### What ada did\nIt changed: {a}.py")
    assert text(spec(task, CHECKS), ACCESS) == (
        """\
Fix it.

Scope: pkg/a.py, lines 3 to 9.
Diagnostic: pkg/a.py:4: ruff: unused import {x} [F401]
Diagnostic: b.py:1: bad

## What was done before
Other agents worked on this project before you. Their results may or may not be in the files here:
look, and go on from what you find.

### What ada did
It changed: {a}.py

"""
        + RULES
        + """\
- Afterwards these checks are run on your result, and on the files as they were: tests (`pytest -k \
'a b'`), lint (`ruff check`). What fails
  there and did not fail before rules your change out: run them yourself before you end.

"""
        + DONE
        + """ Give it
through the tool `submit_summary` of the MCP server `massgen` if you have it.
Through the same server you can see what others have finished (`list_candidates`,
`read_candidate`) and vote for the best one (`vote`). Make your own change first."""
    )


def test_a_token_is_never_told() -> None:
    assert "secret-token" not in repr(brief(AGENT, spec(Task("x")), 1, briefed=True, access=ACCESS))


def test_a_program_gets_the_users_words_and_nothing_else() -> None:
    task = Task("Fix it.", SCOPE, "what was done")
    told = brief(AGENT, spec(task, CHECKS), 1, briefed=False)
    assert told == Brief(
        task,
        SeatId("a"),
        1,
        "You are careful.\n\nFix it.\n\nScope: pkg/a.py, lines 3 to 9.\n"
        "Diagnostic: pkg/a.py:4: ruff: unused import {x} [F401]\nDiagnostic: b.py:1: bad",
    )
