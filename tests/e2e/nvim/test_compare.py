"""Candidates side by side in diff mode, and hunk by hunk from the quickfix list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.served import EVERYTHING, Serve, lines_of, opened, type_unsaved
from tests.e2e.nvim.stand import RUN, sent, served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

BOLD = "t = open('one.py').read(); open('one.py', 'w').write(t.replace('one_10 = 10', 'ZEHN'))"


def windows(nvim: Neovim) -> list[list[Any]]:
    """Of the windows of this tab page in diff mode: the buffer's last name, and its lines."""
    return nvim.lua(
        """
        local found = {}
        for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
          if vim.wo[win].diff then
            local buf = vim.api.nvim_win_get_buf(win)
            local name = vim.api.nvim_buf_get_name(buf)
            table.insert(found, { name, vim.api.nvim_buf_get_lines(buf, 0, -1, true) })
          end
        end
        return found
        """
    )


def finished(nvim: Neovim, *, seats: int = 1) -> str:
    """A run of these agents that is over, with nothing applied; returns its id."""
    nvim.lua("_G.pick = function() return '' end")
    nvim.command("Massgen run apply=none -- tidy up")
    settled = nvim.wait_for("MassgenRunSettled")
    assert len(settled["candidates"]) == seats
    return settled["run"]


def test_a_candidate_stands_beside_the_live_buffer_and_files_are_stepped_through(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    one = project / "one.py"
    opened(nvim, serve(EVERYTHING, BOLD), one)
    type_unsaved(nvim, project)
    run = finished(nvim, seats=2)
    live = lines_of(nvim, project / "two.py")
    nvim.command("Massgen diff first.1")
    nvim.until("the comparison", "#vim.api.nvim_tabpage_list_wins(0) == 3 and vim.wo.diff")
    (listed,) = nvim.lua(
        """
        return vim.tbl_map(function(win)
          return vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(win), 0, -1, true)
        end, vim.tbl_filter(function(win)
          return not vim.wo[win].diff
        end, vim.api.nvim_tabpage_list_wins(0)))
        """
    )
    assert [line.split()[:2] for line in listed] == [
        ["D", "gone.py"],
        ["R", "new_name.py"],
        ["M", "one.py"],
        ["A", "pkg/made.py"],
        ["M", "two.py"],
    ]
    shown = windows(nvim)
    assert shown[0] == [str(project / "gone.py"), ["nobody = 'needs this'"]]
    assert shown[1] == ["", [""]]
    for _ in range(4):
        nvim.keys("]f")
    nvim.until("the last file", "vim.api.nvim_buf_get_name(0):match('two.py$') ~= nil")
    (mine, theirs) = windows(nvim)
    assert mine == [str(project / "two.py"), live]
    assert theirs[0] == f"massgen://{run}/first.1/two.py"
    assert "FIVE = 5" in theirs[1]
    assert not nvim.lua("return vim.bo.modifiable")
    assert nvim.lua("return vim.fn.getline('.')") == "FIVE = 5", "the cursor is on the change"
    # Neovim's own keys of diff mode work: the hunk is put into the user's buffer.
    nvim.keys("dp")
    nvim.until(
        "put", "vim.fn.getbufline(vim.fn.bufnr(...), 5)[1] == 'FIVE = 5'", str(project / "two.py")
    )
    nvim.command("Massgen diff prev")
    nvim.until("the file before", "vim.api.nvim_buf_get_name(0):match('made.py$') ~= nil")
    assert windows(nvim)[0] == ["", [""]]
    nvim.keys("q")
    nvim.until("closed", "#vim.api.nvim_list_tabpages() == 1")
    assert not nvim.lua("return vim.wo.diff")

    nvim.command("Massgen diff second.1 first.1")
    nvim.until("the comparison", "#vim.api.nvim_tabpage_list_wins(0) == 3 and vim.wo.diff")
    nvim.keys("]f]f")
    nvim.until("one.py", "vim.api.nvim_buf_get_name(0):match('first.1/one.py$') ~= nil")
    left, right = windows(nvim)
    assert left[0].endswith("/second.1/one.py")
    assert "ZEHN" in left[1]
    assert "TEN = 10" in right[1]


def test_hunks_are_listed_at_their_places_and_applied_one_by_one(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    one = project / "one.py"
    opened(nvim, serve(EVERYTHING), one)
    type_unsaved(nvim, project)
    finished(nvim)
    nvim.command(f"buffer {one}")
    nvim.keys("2Gotyped since<Esc>:1<CR>ccmine<Esc>")
    nvim.until("typed", "vim.fn.getline(1) == 'mine'")
    nvim.command("Massgen hunks")
    nvim.until("the list", "vim.bo.buftype == 'quickfix'")

    def listed() -> list[list[Any]]:
        return nvim.lua(
            """
            return vim.tbl_map(function(item)
              local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(item.bufnr), ':.')
              return { name, item.lnum, item.type, item.text }
            end, vim.fn.getqflist())
            """
        )

    conflict = "+1 −1, conflicts with your change: + unsaved_one = 2"
    assert listed() == [
        ["gone.py", 1, "I", "deleted"],
        ["old_name.py", 2, "I", "+1 −1, renamed to new_name.py: + OLD_2 = 2"],
        ["one.py", 1, "W", conflict],
        ["one.py", 12, "I", "+1 −1: + TEN = 10"],
        ["one.py", 23, "I", "+1 −0: + last = 1"],
        ["pkg/made.py", 1, "I", "new file: + made = 1"],
        ["two.py", 5, "I", "+1 −1: + FIVE = 5"],
    ]
    nvim.keys("4G")
    nvim.command("Massgen accept")
    nvim.until("applied", "vim.fn.getqflist()[4].type == 'N'")
    assert lines_of(nvim, one)[11] == "TEN = 10"
    assert "last = 1" not in lines_of(nvim, one)
    assert nvim.lua("return vim.fn.line('.')") == 5, "goes on to the next"
    nvim.command("6,7Massgen accept")
    nvim.until("applied", "vim.fn.getqflist()[7].type == 'N'")
    assert lines_of(nvim, project / "pkg" / "made.py") == ["made = 1", 'by = "agents"']
    assert "FIVE = 5" in lines_of(nvim, project / "two.py")
    nvim.command("3Massgen accept")
    said = nvim.wait_for("notify", lambda told: "conflict" in told["text"])
    assert said["text"] == "massgen: 1 conflict left as your text has it"
    assert lines_of(nvim, one)[0] == "mine"
    assert nvim.lua("return #vim.fn.getqflist()") == 7, "the list of hunks stays"


def test_without_a_list_or_a_comparison_it_says_what_makes_one(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.command("Massgen accept")
    assert ":Massgen hunks" in nvim.wait_for("notify")["text"]
    nvim.command("Massgen diff next")
    assert nvim.wait_for("notify", lambda told: ":Massgen diff" in told["text"])


def test_a_run_without_a_winner_lets_the_user_pick_and_a_wrong_candidate_is_told(
    neovim: Open, project: Path
) -> None:
    files = [{"path": "one.py", "kind": "modify", "added": 1, "removed": 1}]
    candidates = [{"id": "tidy.1", "files": files}, {"id": "bold.1", "files": files}]
    record = {"run": RUN, "root": str(project), "verdict": {}, "candidates": candidates}
    nvim = served(neovim(), project / "one.py", read=record, list={"runs": [{"run": RUN}]})
    nvim.lua("_G.pick = function(items) return items[2] end")
    nvim.command("Massgen diff")
    assert nvim.wait_for("select")["items"] == ["tidy.1  1 file  ", "bold.1  1 file  "]
    read = sent(nvim, "massgen/read", 3)[2]
    assert read == {"runId": RUN, "candidateId": "bold.1", "path": "one.py"}
    nvim.command("Massgen diff nobody.1")
    told = nvim.wait_for("notify")["text"]
    assert told == f"massgen: run {RUN} has no candidate nobody.1; it has: tidy.1, bold.1"
