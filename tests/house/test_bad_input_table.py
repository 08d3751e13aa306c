"""What may go wrong from outside, and the tests that make it go wrong.

Each row is held by real processes on real git; `World.check_clean` then looks for processes,
leases and any changed byte of the user's repository. `test_kill_9_at_any_step_loses_nothing` does
so at every step of a run, with what was captured listed and applied afterwards.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.e2e.test_bad_input import HOSTILE, STEPS

TESTS = Path(__file__).parent.parent
E2E = "e2e/test_bad_input.py"

ROWS: dict[str, tuple[str, ...]] = {
    "not a git repository": (
        f"{E2E}::test_a_folder_that_is_no_repository",
        f"{E2E}::test_a_bare_repository",
        "adapters/test_repositories.py::test_no_working_tree_is_a_clear_error",
    ),
    "git missing or older than 2.35": (
        f"{E2E}::test_a_git_that_cannot_be_used",
        "adapters/test_snapshots.py::test_git_missing_or_too_old",
    ),
    "an unwritable cache folder": (
        f"{E2E}::test_a_folder_of_ours_that_cannot_be_written",
        "adapters/test_snapshots.py::test_a_cache_that_cannot_be_written",
    ),
    "a full cache folder": (
        f"{E2E}::test_a_full_cache_folder",
        "adapters/test_snapshots.py::test_a_full_cache",
    ),
    "an agent program is missing": (f"{E2E}::test_a_program_that_is_missing_or_cannot_run",),
    "it hangs": (
        f"{E2E}::test_an_agent_that[hangs]",
        f"{E2E}::test_an_agent_that[hangs deaf to TERM]",
    ),
    "it crashes": (
        f"{E2E}::test_an_agent_that[crashes]",
        f"{E2E}::test_an_agent_that[dies of a signal]",
    ),
    "it prints binary": (f"{E2E}::test_an_agent_that[prints binary]",),
    "it prints a line of 50 MB": (f"{E2E}::test_an_agent_that[prints a line of 50 MB]",),
    "it forks daemons": (f"{E2E}::test_an_agent_that[leaves daemons]",),
    "it deletes .git of its worktree": (
        f"{E2E}::test_an_agent_that[deletes its .git]",
        f"{E2E}::test_an_agent_that[replaces its .git]",
    ),
    "it writes outside": (
        f"{E2E}::test_an_agent_that_writes_outside_of_its_worktree",
        f"{E2E}::test_an_agent_that_rewrites_the_set_up_for_the_checks",
        "adapters/test_sandbox.py::test_the_worktree_can_be_written_and_nothing_else",
    ),
    "it makes links that point outside": (
        f"{E2E}::test_an_agent_that[makes links that lead outside]",
        "adapters/test_capture.py::test_links_that_lead_outside_are_kept_out",
    ),
    "huge files": (
        f"{E2E}::test_an_agent_that[makes a huge file]",
        "adapters/test_snapshots.py::test_huge_untracked_files_and_special_files_are_left_out",
    ),
    "file names with newlines": (
        f"{E2E}::test_an_agent_that[makes odd names]",
        "adapters/test_snapshots.py::test_names_of_every_kind",
    ),
    "unicode normalisation twins": (
        f"{E2E}::test_an_agent_that[makes odd names]",
        "adapters/test_capture.py::test_twins_and_case_only_renames",
    ),
    "case-only renames": (
        f"{E2E}::test_an_agent_that[renames by case only]",
        "adapters/test_disk_files.py::test_a_rename_of_the_case_alone",
    ),
    "a check that hangs": (
        f"{E2E}::test_a_check_that_hangs",
        f"{E2E}::test_a_check_that_hangs_on_the_base_is_held_against_nobody",
    ),
    "a client that never answers applyEdit": (
        "lsp/test_bare_editors.py::test_an_edit_that_nobody_answers_or_shows_is_reported_as_such",
    ),
    "a client that stops reading": (
        "lsp/test_front.py::test_a_client_that_stops_reading_freezes_nothing",
    ),
    "a client that sends positions past the end": (
        "laws/test_text_laws.py::test_any_position_is_clamped_to_the_start_of_a_character",
        "lsp/test_conversation.py::test_a_selection_becomes_whole_lines_and_never_passes_the_end",
    ),
    "a client that closes without shutdown": (
        "lsp/test_front.py::test_however_the_client_goes_the_engine_is_left_in_order",
        "lsp/test_front.py::test_the_death_of_the_editors_process_ends_the_server",
    ),
    "kill -9 of the server at any step": (
        *(f"{E2E}::test_kill_9_at_any_step_loses_nothing[{step}]" for step in STEPS),
        f"{E2E}::test_kill_9_leaves_nothing_in_the_homes_of_agents",
        "e2e/test_killed_apply.py::test_the_next_command_takes_it_back_and_says_so",
        "adapters/test_setups.py::test_an_interrupted_set_up_leaves_nothing_behind",
        "adapters/test_journal.py::test_a_killed_owner_leaves_nothing_once_its_successor_has_looked",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests(row: str) -> None:
    for test in ROWS[row]:
        path, _, name = test.partition("::")
        function, _, case = name.rstrip("]").partition("[")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        defined = {
            n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert function in defined, test
        assert not case or case in {*HOSTILE, *STEPS}, test
