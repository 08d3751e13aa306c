"""Questions, events, progress: what a stand-in server tells a real Neovim."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.stand import RUN, sent, served, shown, tell

pytestmark = pytest.mark.e2e

CANDIDATE = {
    "id": "tidy.1",
    "seat": "tidy",
    "tree": "t1",
    "changes": {"files": [{"path": "one.py", "kind": "modify", "added": 3, "removed": 1}]},
}


def test_a_question_waits_until_the_user_has_stopped_typing(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("_G.pick = function() return 'Apply' end")
    nvim.keys("Otyping")
    nvim.lua(
        """
        stand.ask('window/showMessageRequest', {
          type = 3, message = 'tidy.1 won.', actions = { { title = 'Apply' }, { title = 'No' } },
        })
        """
    )
    nvim.keys(" 1<CR>2<CR>")
    assert not [name for name, _ in nvim.news if name == "select"]
    nvim.keys("<Esc>")
    asked = nvim.wait_for("select")
    assert asked == {"kind": "massgen", "prompt": "tidy.1 won.", "items": ["Apply", "No"]}
    nvim.until("the answer", "#stand.replies == 1")
    assert nvim.lua("return stand.replies[1].result") == {"title": "Apply"}
    assert shown(nvim)[:3] == ["typing 1", "2", ""]


def test_a_diff_that_was_asked_for_is_not_covered_by_its_question(
    neovim: Open, project: Path
) -> None:
    nvim = served(neovim(), project / "one.py", apply={"applied": True, "paths": []})
    nvim.lua("_G.pick = function() return 'Show diff' end")
    ask = """
        stand.ask('window/showMessageRequest', {
          type = 3, message = 'tidy.1 won.',
          actions = { { title = 'Apply' }, { title = 'Show diff' } },
        })
        """
    nvim.lua(ask)
    nvim.until("the answer", "#stand.replies == 1")
    nvim.lua("stand.answers['workspace/textDocumentContent'] = { text = '+a\\n-b\\n' }")
    uri = f"massgen:/{RUN}/tidy.1.diff"
    nvim.lua("stand.ask('window/showDocument', { uri = ..., takeFocus = true })", uri)
    nvim.until("the document", "vim.bo.filetype == 'diff'")
    nvim.lua(ask)
    nvim.until("no choice", "#stand.replies == 3 and stand.replies[3].result == vim.NIL")
    assert len([name for name, _ in nvim.news if name == "select"]) == 1
    nvim.until("the keys", "vim.wo.winbar:match('a apply')")
    assert shown(nvim) == ["+a", "-b"]
    nvim.keys("a")
    assert sent(nvim, "massgen/apply") == [{"runId": RUN, "candidateId": "tidy.1"}]
    nvim.keys("q")
    nvim.until("the file again", "vim.fn.expand('%:t') == 'one.py' and vim.wo.winbar == ''")
    nvim.lua(ask)  # another time it is a question again
    nvim.until("a question", "#stand.replies == 4")
    assert nvim.lua("return stand.replies[4].result") == {"title": "Show diff"}


def test_a_status_line_has_a_clock_also_below_a_floating_window(
    neovim: Open, project: Path
) -> None:
    nvim = served(neovim(), project / "one.py")
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": [{"id": "tidy"}]})
    tell(nvim, "attempt_started", seat="tidy", attempt=1)
    nvim.wait_for("MassgenRunStarted")
    nvim.lua(
        """
        _G.drawn = 0
        _G.line = function() _G.drawn = _G.drawn + 1; return require('massgen').status() end
        vim.o.laststatus = 2
        vim.o.statusline = '%!v:lua.line()'
        local buf = vim.api.nvim_create_buf(false, true)
        local place = { relative = 'editor', row = 1, col = 1, width = 9, height = 2 }
        vim.api.nvim_open_win(buf, true, place)
        vim.cmd('redraw!')
        _G.first = _G.drawn
        """
    )
    nvim.until("drawn twice more", "_G.first > 0 and _G.drawn >= _G.first + 2")


def test_events_become_autocommands_and_a_status_line(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    status = "return require('massgen').status():gsub('%d+s$', 'Ns')"
    assert nvim.lua(status) == ""
    agents = [{"id": "tidy"}, {"id": "bold"}]
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": agents}, folder="/f")
    started = nvim.wait_for("MassgenRunStarted")
    assert (started["run"], started["prompt"], started["folder"]) == (RUN, "go", "/f")
    tell(nvim, "attempt_started", seat="tidy", attempt=1)
    tell(nvim, "attempt_ended", seat="tidy", attempt=1, outcome="done")
    tell(nvim, "candidate_captured", candidate=CANDIDATE)
    assert nvim.wait_for("MassgenCandidate")["paths"] == ["one.py"]
    assert nvim.lua(status) == "massgen 1/2 Ns"
    tell(nvim, "a_kind_of_the_future", anything=[1])
    tell(nvim, "run_settled", verdict={"outcome": "won", "winner": "tidy.1", "why": "It is best."})
    settled = nvim.wait_for("MassgenRunSettled")
    assert settled["outcome"] == "won"
    assert settled["winner"] == "tidy.1"
    assert settled["candidates"] == ["tidy.1"]
    assert nvim.lua(status) == ""


def test_conflicts_become_a_quickfix_list(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    tell(nvim, "snapshot_taken", snapshot={"root": str(project)})
    conflict = {
        "path": "two.py",
        "reason": "overlap",
        "base": [4, 5],
        "live": [4, 6],
        "candidate": [4, 5],
        "live_text": "mine\n",
        "candidate_text": "theirs\n",
    }
    tell(nvim, "delivered", candidate="tidy.1", paths=["one.py"], conflicts=[conflict])
    applied = nvim.wait_for("MassgenApplied")
    assert applied["paths"] == ["one.py"]
    assert len(applied["conflicts"]) == 1
    assert ":copen" in nvim.wait_for("notify")["text"]
    entry = nvim.lua("return vim.fn.getqflist()[1]")
    name = nvim.lua("return vim.api.nvim_buf_get_name(...)", entry["bufnr"])
    assert (name, entry["lnum"], entry["end_lnum"]) == (str(project / "two.py"), 5, 6)
    assert entry["text"] == "overlap: theirs"


def test_conflicts_of_an_edit_that_did_not_land_are_listed_too(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    conflict = {"path": "two.py", "reason": "overlap", "live": [4, 6], "candidate_text": "x\n"}
    tell(nvim, "delivery_refused", candidate="tidy.1", reason="no", conflicts=[conflict])
    assert "1 conflict left as your text has it" in nvim.wait_for("notify")["text"]
    assert nvim.lua("return #vim.fn.getqflist()") == 1


def test_what_fits_beside_a_conflict_is_applied_when_the_user_says_so(
    neovim: Open, project: Path
) -> None:
    conflict = {"path": "two.py", "reason": "overlap", "hunks": [1]}
    held = {"two.py": [0, 2], "one.py": [4]}
    answer = {"applied": False, "paths": [], "conflicts": [conflict], "held": held}
    nvim = served(neovim(), project / "one.py", apply={**answer, "candidate": "tidy.1"})
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.lua("_G.pick = function() return 'Leave as it is' end")
    nvim.command("Massgen apply")
    asked = nvim.wait_for("select")
    assert asked["prompt"] == (
        "3 changes in one.py, two.py would fit beside your own, the conflicts would not."
    )
    assert sent(nvim, "massgen/apply") == [{"runId": RUN}]
    nvim.lua("_G.pick = function(items) _G.pick = nil return items[1] end")
    nvim.command("Massgen apply")
    partial = {"runId": RUN, "candidateId": "tidy.1", "paths": ["one.py", "two.py"]}
    assert sent(nvim, "massgen/apply", 3)[2] == {**partial, "partial": True}


def test_runs_of_a_server_that_is_gone_are_over(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.lua("stand.die()")
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "interrupted"
    assert nvim.lua("return require('massgen').status()") == ""


def test_progress_is_one_short_line(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua(
        """
        _G.echoed = {}
        local echo = vim.api.nvim_echo
        vim.api.nvim_echo = function(chunks, ...) table.insert(_G.echoed, chunks[1][1]) end
        """
    )
    value = {"kind": "begin", "title": "massgen", "message": "3 agents\nat work " + "x" * 500}
    nvim.lua("stand.tell('$/progress', { token = 't', value = ... })", value)
    shown = nvim.until("a line", "_G.echoed[1]")
    assert shown.startswith("massgen · 3 agents at work xxx")
    assert len(shown) <= nvim.lua("return vim.v.echospace")
