"""Reports, diffs and files as buffers, and the commands; the server is a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.stand import RUN, sent, served, shown, tell

pytestmark = pytest.mark.e2e

# ── what there is ───────────────────────────────────────────────────────────────────────────────

DIFF = "--- a/one.py\n+++ b/one.py\n@@ -1 +1 @@\n-one_1 = 1\n+one_1 = '```'\n"
READ = {
    "kind": "run",
    "run": RUN,
    "task": {"prompt": "tidy up\nand more"},
    "verdict": {"outcome": "won", "winner": "tidy.1", "why": "It clears every check."},
    "notices": [],
    "seats": [{"seat": "slow", "phase": "ended", "outcome": "timed_out", "reason": "too slow"}],
    "candidates": [
        {
            "id": "tidy.1",
            "files": [
                {"path": "one.py", "kind": "modified", "added": 1, "removed": 1},
                {
                    "path": "b.py",
                    "kind": "renamed",
                    "oldPath": "a.py",
                    "added": 0,
                    "removed": 0,
                },
            ],
            "checks": [
                {
                    "check": "tests",
                    "outcome": "failed",
                    "new_failures": ["t::a"],
                    "fixed": [],
                    "note": "",
                }
            ],
            "diff": DIFF,
        },
        {"id": "bold.1", "files": [], "checks": [], "diff": "+bold\n", "discarded": True},
    ],
}
TEAM = {
    "agents": [{"id": "tidy", "type": "command"}, {"id": "bold", "type": "command"}],
    "checks": ["tests"],
    "modes": ["best_of_n", "consensus"],
}
LIST = {
    "runs": [
        {"run": RUN, "prompt": "tidy", "outcome": "won", "candidates": ["tidy.1", "bold.1"]},
        {"run": "20261120-1", "prompt": "older", "outcome": "running", "candidates": []},
    ]
}


def test_a_run_is_shown_as_markdown_and_a_candidate_as_a_diff(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", read=READ, list=LIST)
    nvim.command("Massgen show")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    text = "\n".join(shown(nvim))
    assert text.startswith("# tidy up\n\nand more\n")
    assert f"Run {RUN}: **won**\n\nIt clears every check." in text
    assert "- slow: timed out: too slow" in text
    assert "## tidy.1 (winner)" in text
    assert "## bold.1 (discarded)" in text
    assert "- `b.py` from `a.py`: renamed, +0 −0" in text
    assert "- check `tests`: failed; breaks t::a" in text
    assert "````diff\n--- a/one.py" in text, "a fence in the diff does not end the block"
    assert not nvim.lua("return vim.bo.modifiable")
    nvim.command(f"Massgen show {RUN} bold.1")
    nvim.until("the diff", "vim.bo.filetype == 'diff'")
    assert shown(nvim) == ["+bold"]
    nvim.command("edit")
    nvim.until("the diff again", "vim.api.nvim_buf_get_lines(0, 0, -1, true)[1] == '+bold'")


def test_a_file_of_a_candidate_can_be_read(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", read={"text": "a = 1\nb = 2\n"})
    nvim.command(f"edit massgen://{RUN}/tidy.1/sub/one.py")
    nvim.until("the file", "vim.bo.filetype == 'python'")
    assert shown(nvim) == ["a = 1", "b = 2"]
    assert sent(nvim, "massgen/read") == [
        {"runId": RUN, "candidateId": "tidy.1", "path": "sub/one.py"}
    ]


def test_a_document_that_the_server_names_is_shown(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("stand.answers['workspace/textDocumentContent'] = { text = '+a\\n-b\\n' }")
    uri = f"massgen:/{RUN}/tidy.1.diff"
    nvim.lua("stand.ask('window/showDocument', { uri = ..., takeFocus = true })", uri)
    nvim.until("the document", "vim.bo.filetype == 'diff'")
    assert shown(nvim) == ["+a", "-b"]
    assert sent(nvim, "workspace/textDocumentContent") == [{"uri": uri}]
    assert nvim.lua("return stand.replies[1].result") == {"success": True}


def test_a_message_waits_until_the_user_has_stopped_typing(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.keys("Otyping")
    nvim.lua("stand.tell('window/showMessage', { type = 2, message = 'massgen: nobody won' })")
    nvim.keys(" on")
    nvim.until("typed", "vim.fn.getline(1) == 'typing on'")
    assert not [name for name, _ in nvim.news if name == "notify"]
    nvim.keys("<Esc>")
    assert nvim.wait_for("notify") == {"text": "massgen: nobody won", "level": 3}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("Massgen apply ", [RUN, "20261120-1", "tidy.1", "bold.1"]),
        (f"Massgen apply {RUN} ", ["tidy.1", "bold.1"]),
        (f"Massgen show {RUN} b", ["bold.1"]),
        ("Massgen cancel ", ["20261120-1", "all"]),
        ("Massgen diff b", ["bold.1"]),
        ("Massgen run mo", ["mode="]),
        ("Massgen run mode=c", ["mode=consensus"]),
        ("Massgen run agents=tidy,b", ["agents=tidy,bold"]),
        ("Massgen run checks=", ["checks=tests"]),
        ("2,3Massgen hu", ["hunks"]),
        ("Massgen discard 20261121", [RUN]),
    ],
)
def test_runs_and_candidates_are_completed(
    neovim: Open, project: Path, typed: str, offered: list[str]
) -> None:
    nvim = served(neovim(), project / "one.py", list=LIST, team=TEAM)
    assert nvim.lua("return vim.fn.getcompletion(..., 'cmdline')", typed) == offered


def test_apply_cancel_and_discard_name_the_newest_run(neovim: Open, project: Path) -> None:
    answer = {"applied": True, "paths": ["one.py"], "conflicts": []}
    nvim = served(
        neovim(), project / "one.py", apply=answer, cancel={"cancelled": True}, discard={}
    )
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.command("Massgen cancel")
    assert sent(nvim, "massgen/cancel") == [{"runId": RUN}]
    nvim.command("Massgen apply")
    nvim.command("Massgen discard 20261120-1 tidy.1")
    assert sent(nvim, "massgen/apply") == [{"runId": RUN}]
    assert sent(nvim, "massgen/discard") == [{"runId": "20261120-1", "candidateId": "tidy.1"}]
    assert "1 file changed" in nvim.wait_for("notify")["text"]


def test_an_error_of_the_server_is_shown(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", run={"error": "No agents are configured."})
    nvim.command("Massgen go")
    assert nvim.wait_for("notify")["text"] == "massgen: No agents are configured."


def test_a_run_can_be_picked_from_the_list(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", list=LIST, read=READ)
    nvim.lua(f"_G.pick = function() return '{RUN}  won       tidy' end")
    nvim.command("Massgen runs")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    assert nvim.lua("return vim.api.nvim_buf_get_name(0)") == f"massgen://{RUN}"
