"""What has to hold with the real coding agents, and the tests that hold it for each of them.

Most of it is said once for all, in `tests.agents.conformance`: every program has a class of its own
that runs all of that, and may say there what differs.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from tests.agents import conformance
from tests.agents.conformance import FAULTS, Conformance

TESTS = Path(__file__).parent.parent
PROGRAMS = {
    "Claude Code": "agents/test_claude_code.py",
    "Codex": "agents/test_codex.py",
    "Gemini CLI": "agents/test_gemini_conformance.py",
}
WAYS = {"model", "shell", "halt", "cancel", "timeout"}
"""How and where an agent is stopped."""

ROWS: dict[str, tuple[str, ...]] = {
    "an edit": ("test_it_works",),
    "a new file": ("test_it_works",),
    "a multi-file change with a rename": ("test_it_works",),
    "a shell command": ("test_it_works",),
    "a vote": ("test_a_judgement", "test_a_judgement_that_never_comes"),
    "a second turn": ("test_a_conversation_goes_on", "test_a_note_at_the_last_moment"),
    "cancel in the middle of a model wait": ("test_it_is_stopped[cancel-model]",),
    "cancel in the middle of a shell command": ("test_it_is_stopped[cancel-shell]",),
    "interrupt": ("test_it_is_stopped[halt-model]", "test_it_is_stopped[halt-shell]"),
    "eight at once": ("test_several_at_once",),
    "401": ("test_a_fault[401]",),
    "403": ("test_a_fault[403]",),
    "429 with Retry-After": ("test_a_fault[429]",),
    "500": ("test_a_fault[500]",),
    "529": ("test_a_fault[529]",),
    "a refused connection": ("test_nobody_answers",),
    "reset": ("test_a_fault[reset]",),
    "a cut stream": ("test_a_fault[cut in a text]", "test_a_fault[cut in a tool]"),
    "garbage": ("test_a_fault[garbage]",),
    "endless silence": ("test_endless_silence",),
    "context too long": ("test_a_fault[too long]",),
    "out of turns": ("test_out_of_turns",),
    "background daemons of the agent's shell": ("test_a_daemon_of_its_shell_ends_with_it",),
}
"""By item: methods of `Conformance`, with the case that is meant."""

WHOLE_RUNS: dict[str, str] = {
    "two at once": "e2e/test_agents_many.py::test_two_seats_of_each_kind_and_the_same_model",
    "eight at once": "e2e/test_agents_many.py::test_eight_seats_keep_apart",
    "a vote": "e2e/test_agents.py::test_a_summary_through_our_tool_and_a_vote",
    "429 with Retry-After": "e2e/test_agents.py::test_a_busy_service_is_waited_for",
    "cancel": "e2e/test_agents_ended.py::test_ctrl_c_ends_every_agent_and_keeps_its_half",
    "kill -9": "e2e/test_agents_ended.py::test_kill_9_leaves_nothing_after_the_next_start",
    "daemons": "e2e/test_agents_ended.py::test_what_an_agents_shell_leaves_behind_is_ended",
    "three kinds in one editor": (
        "e2e/nvim/test_agents.py::test_the_winner_lands_while_the_user_types_and_undo_takes_it_back"
    ),
}
"""With all of the programs in one run, and then processes, leases and every byte looked at."""


def defined(path: str) -> dict[str, ast.stmt]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name: node for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests(row: str) -> None:
    for test in ROWS[row]:
        name, _, case = test.rstrip("]").partition("[")
        assert inspect.iscoroutinefunction(getattr(Conformance, name)), test
        assert not case or case in FAULTS or set(case.split("-")) <= WAYS, test


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_runs_all_of_it(program: str) -> None:
    classes = [n for n in defined(PROGRAMS[program]).values() if isinstance(n, ast.ClassDef)]
    (runs,) = [c for c in classes if [ast.unparse(b) for b in c.bases] == [Conformance.__name__]]
    own = {n.name for n in runs.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    # What differs is tried all the same, by a test of its own under the same name.
    held = {test.partition("[")[0] for tests in ROWS.values() for test in tests}
    assert not own & held
    assert own <= {name for name, _ in inspect.getmembers(Conformance)}
    assert runs.name.startswith("Test"), "else nobody collects it"


def test_429_comes_with_a_wait() -> None:
    step, _ = conformance.FAULTS["429"]
    assert getattr(step, "headers", {}).get("retry-after")


@pytest.mark.parametrize("what", WHOLE_RUNS)
def test_whole_runs_have_their_tests(what: str) -> None:
    path, _, name = WHOLE_RUNS[what].partition("::")
    assert name in defined(path)
