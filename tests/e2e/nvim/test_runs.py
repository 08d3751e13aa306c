"""The main job in a real Neovim with the real server and agents that are real programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.served import (
    EVERYTHING,
    TELLING,
    Gate,
    Serve,
    act,
    lines_of,
    opened,
    prompt_of,
    replaced,
    say_yes,
    type_unsaved,
)
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# ── from a command to the buffers ───────────────────────────────────────────────────────────────


def test_the_winner_lands_in_open_buffers_and_one_undo_takes_it_back_in_each(
    neovim: Open, serve: Serve, world: World, project: Path
) -> None:
    nvim = neovim()
    command = serve(EVERYTHING)
    one, two = project / "one.py", project / "two.py"
    opened(nvim, command, project / "old_name.py", project / "gone.py", one)
    before = type_unsaved(nvim, project)
    dot_git = {k: v for k, v in world.fingerprint().items() if "/.git/" in k}
    say_yes(nvim)

    nvim.command("Massgen tidy up")

    started = nvim.wait_for("MassgenRunStarted")
    assert started["prompt"] == "tidy up"
    settled = nvim.wait_for("MassgenRunSettled")
    assert (settled["outcome"], settled["winner"]) == ("won", "first.1")
    asked = nvim.wait_for("select")
    assert "first.1" in asked["prompt"]
    applied = nvim.wait_for("MassgenApplied")
    assert applied["conflicts"] == []
    assert applied["run"] == started["run"] == settled["run"]

    landed = {
        one: [
            *replaced(before[one], unsaved_one="unsaved_one = 2", one_10="TEN = 10"),
            "last = 1",
        ],
        two: replaced(before[two], **{"two_5 ": "FIVE = 5"}),
    }
    assert {file: lines_of(nvim, file) for file in landed} == landed
    made, new = project / "pkg/made.py", project / "new_name.py"
    assert lines_of(nvim, made) == ["made = 1", 'by = "agents"']
    assert lines_of(nvim, new)[:3] == ["old_1 = 1", "OLD_2 = 2", "old_3 = 3"]
    assert not (project / "old_name.py").exists()
    assert not (project / "gone.py").exists()
    assert nvim.lua("return vim.fn.bufloaded(...)", str(project / "gone.py")) == 0
    # Nothing was saved for the user, and nothing of theirs in .git was touched.
    assert one.read_text().startswith("one_1 = 1\n")
    assert {k: v for k, v in world.fingerprint().items() if "/.git/" in k} == dot_git
    for file in (one, two, made, new):
        assert nvim.lua("return vim.bo[vim.fn.bufnr(...)].modified", str(file)), file

    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("u")
        nvim.until("undone", f"vim.api.nvim_buf_line_count(0) == {len(before[file])}")
        assert lines_of(nvim, file) == before[file]
        nvim.keys("<C-r>")
        nvim.until("redone", f"vim.api.nvim_buf_line_count(0) == {len(landed[file])}")
        assert lines_of(nvim, file) == landed[file]
    nvim.command("wall")
    assert made.read_text() == 'made = 1\nby = "agents"\n'
    assert one.read_text() == "".join(line + "\n" for line in landed[one])


def test_a_winner_is_left_alone_when_the_user_says_no_and_applied_later(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    opened(nvim, serve(EVERYTHING), project / "one.py")
    before = type_unsaved(nvim, project)
    nvim.lua("_G.pick = function() return '' end")
    nvim.command("Massgen tidy up")
    nvim.wait_for("select")
    run = nvim.wait_for("MassgenRunSettled")["run"]
    assert {file: lines_of(nvim, file) for file in before} == before
    assert (project / "gone.py").exists()
    nvim.command("Massgen show")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    report = "\n".join(nvim.call("nvim_buf_get_lines", 0, 0, -1, True))
    assert report.startswith("# tidy up\n")
    assert "first.1 (winner)" in report
    assert "`new_name.py` from `old_name.py`" in report
    nvim.command(f"Massgen show {run} first.1")
    nvim.until("the diff", "vim.bo.filetype == 'diff' and vim.api.nvim_buf_line_count(0) > 5")
    assert "+TEN = 10" in nvim.call("nvim_buf_get_lines", 0, 0, -1, True)
    nvim.command("Massgen apply")
    nvim.wait_for("MassgenApplied")
    assert "TEN = 10" in lines_of(nvim, project / "one.py")


# ── typing meanwhile ────────────────────────────────────────────────────────────────────────────


def test_the_user_types_on_and_a_conflict_is_reported_and_not_written(
    neovim: Open, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim()
    one, two = project / "one.py", project / "two.py"
    opened(nvim, serve(gate.program + EVERYTHING), one, two)
    before = type_unsaved(nvim, project)
    nvim.command("Massgen! tidy up")
    held = gate.reached(nvim)
    # Elsewhere in one buffer, the very line in the other.
    nvim.command(f"buffer {one}")
    nvim.keys("5Gotyped meanwhile<Esc>")
    nvim.command(f"buffer {two}")
    nvim.keys("5Gccmine<Esc>")
    nvim.until("typed", "vim.api.nvim_buf_get_lines(0, 4, 5, true)[1] == 'mine'")
    mine = lines_of(nvim, two)
    nvim.command(f"buffer {one}")
    nvim.keys("16Gotyping still")
    os.close(held)
    applied = nvim.wait_for("MassgenApplied")
    assert [each["path"] for each in applied["conflicts"]] == ["two.py"]
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "i"
    nvim.keys(" and on<Esc>")
    nvim.until("typed", "vim.api.nvim_get_mode().mode == 'n'")
    shown = lines_of(nvim, one)
    assert shown[0] == "unsaved_one = 2"
    assert shown[5] == "typed meanwhile"
    assert "TEN = 10" in shown
    assert "typing still and on" in shown
    assert lines_of(nvim, two) == mine
    listed = nvim.lua(
        """
        return vim.tbl_map(function(item)
          return { vim.api.nvim_buf_get_name(item.bufnr), item.lnum }
        end, vim.fn.getqflist())
        """
    )
    assert listed == [[str(two), 5]]
    # Undo: what was typed after it, then the agents' change alone, then what was typed before it.
    nvim.keys("u")
    nvim.until("undone", "not vim.fn.join(vim.fn.getline(1, '$')):match('still and on')")
    assert "TEN = 10" in lines_of(nvim, one)
    nvim.keys("u")
    nvim.until("undone", "vim.fn.getline(1) == 'unsaved_one = 1'")
    alone = [*before[one][:5], "typed meanwhile", *before[one][5:]]
    assert lines_of(nvim, one) == [*alone[:16], "typing still", *alone[16:]]


# ── cancelling ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["command", "all", "progress"])
def test_a_run_can_be_cancelled(
    neovim: Open, serve: Serve, gate: Gate, world: World, project: Path, how: str
) -> None:
    nvim = neovim()
    before = world.fingerprint()
    opened(nvim, serve(gate.program), project / "one.py")
    nvim.command("Massgen wait for ever")
    begun = nvim.wait_for("progress", lambda value: value["kind"] == "begin")
    held = gate.reached(nvim)
    status = nvim.until("a status", "require('massgen').status()")
    assert status.startswith("massgen 0/1 ")
    if how == "command":
        nvim.command("Massgen cancel")
    elif how == "all":
        nvim.command("Massgen cancel all")
    else:
        nvim.lua(
            """
            vim.lsp.get_clients({ name = 'massgen' })[1]:notify(
              'window/workDoneProgress/cancel', { token = ... })
            """,
            begun["token"],
        )
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "cancelled"
    nvim.wait_for("progress", lambda value: value["kind"] == "end")
    os.close(held)
    assert nvim.lua("return require('massgen').status()") == ""
    assert world.fingerprint() == before


# ── code actions ────────────────────────────────────────────────────────────────────────────────


def test_a_code_action_on_a_selection_starts_a_run_about_it(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    opened(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("3GVjj")
    nvim.until("selected", "vim.api.nvim_get_mode().mode == 'V'")
    act(nvim, "vim.lsp.buf.code_action()", "selection")
    nvim.keys("<Esc>")
    told = prompt_of(nvim, project)
    assert "one.py" in told
    assert "3" in told
    assert "5" in told


def test_a_code_action_on_a_diagnostic_hands_it_to_the_agents(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    opened(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("7G")
    nvim.lua(
        """
        local namespace = vim.api.nvim_create_namespace('a linter')
        vim.diagnostic.set(namespace, 0, {
          { lnum = 6, col = 0, end_col = 5, message = 'one_7 is badly named', source = 'lint' },
        })
        """
    )
    act(
        nvim,
        """
        vim.lsp.buf.code_action({ context = {
          diagnostics = vim.lsp.diagnostic.from(vim.diagnostic.get(0, { lnum = 6 })),
        } })
        """,
        "badly named",
    )
    told = prompt_of(nvim, project)
    assert "one_7 is badly named" in told
    assert "one.py" in told


def test_a_code_action_on_a_task_comment_runs_the_task(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    opened(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("4Go# massgen: count from zero<Esc>")
    nvim.until("typed", "vim.fn.getline('.') == '# massgen: count from zero'")
    act(nvim, "vim.lsp.buf.code_action()", "count from zero")
    assert "count from zero" in prompt_of(nvim, project)
