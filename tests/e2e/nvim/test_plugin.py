"""What the plug-in does by itself, in a real Neovim; the server is a stand-in inside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import HERE, PLUGIN, Open
from tests.e2e.nvim.nvim_embed import Neovim

pytestmark = pytest.mark.e2e

RUN = "20261121-065512-k3f9"


def _served(nvim: Neovim, *files: Path, **answers: Any) -> Neovim:
    """Opens the files with the stand-in as their server."""
    nvim.lua(
        """
        local here, answers = ...
        local cmd = dofile(here .. '/stand_in.lua')
        stand.answers = answers
        stand.answers['massgen/run'] = answers['massgen/run'] or { runId = '1' }
        require('massgen').setup({ lsp = { cmd = cmd } })
        """,
        str(HERE),
        {f"massgen/{verb}": answer for verb, answer in answers.items()},
    )
    for file in files:
        nvim.command(f"edit {file}")
    if files:
        nvim.until("attached", "#vim.lsp.get_clients({ bufnr = 0 }) == 1")
        nvim.until("initialized", "vim.lsp.get_clients({ bufnr = 0 })[1].initialized == true")
    return nvim


def _sent(nvim: Neovim, method: str, count: int = 1) -> list[Any]:
    nvim.until(method, f"#stand.sent('{method}') >= {count}")
    return nvim.lua("return stand.sent(...)", method)


def _lines(nvim: Neovim, file: Path | None = None) -> list[str]:
    buffer = nvim.lua("return vim.fn.bufnr(...)", str(file)) if file else 0
    return nvim.call("nvim_buf_get_lines", buffer, 0, -1, True)


def _version(nvim: Neovim, file: Path) -> int:
    return nvim.lua("return vim.lsp.util.buf_versions[vim.fn.bufnr(...)]", str(file))


def _change(file: Path, version: int | None, *edits: tuple[int, int, str]) -> dict[str, Any]:
    """A document edit that replaces whole lines [first, last)."""
    return {
        "textDocument": {"uri": file.as_uri(), "version": version},
        "edits": [
            {
                "range": {
                    "start": {"line": first, "character": 0},
                    "end": {"line": last, "character": 0},
                },
                "newText": text,
            }
            for first, last, text in edits
        ],
    }


def _apply(nvim: Neovim, *changes: dict[str, Any]) -> dict[str, Any]:
    """Sends workspace/applyEdit and returns the answer."""
    nvim.lua("stand.replies = {}")
    nvim.lua(
        "stand.ask('workspace/applyEdit', { edit = { documentChanges = ... } })", list(changes)
    )
    nvim.until("the answer", "#stand.replies == 1")
    return nvim.lua("return stand.replies[1].result")


# ── start-up ────────────────────────────────────────────────────────────────────────────────────


def test_start_up_defines_commands_and_loads_nothing(neovim: Open) -> None:
    nvim = neovim()
    names = {"Massgen", "MassgenApply", "MassgenCancel", "MassgenDiscard", "MassgenRuns"}
    assert names | {"MassgenShow"} <= set(nvim.lua("return vim.api.nvim_get_commands({})"))
    loaded = nvim.lua("return vim.tbl_keys(package.loaded)")
    assert not [module for module in loaded if module.startswith("massgen")]
    assert nvim.lua("return #vim.lsp.get_clients()") == 0


def test_the_help_has_every_command_and_its_tags_are_whole(neovim: Open, tmp_path: Path) -> None:
    nvim = neovim(plugin=False)
    # A copy: tags are written beside the help file.
    copy = shutil.copytree(PLUGIN, tmp_path / "plug-in")
    nvim.command(f"set runtimepath^={copy}")
    nvim.command("runtime plugin/massgen.lua")
    nvim.command(f"helptags {copy / 'doc'}")
    for name in nvim.lua("return vim.tbl_keys(vim.api.nvim_get_commands({}))"):
        if name.startswith("Massgen"):
            nvim.command(f"help :{name}")
    nvim.command("help massgen")
    assert nvim.lua("return vim.bo.filetype") == "help"


def test_a_missing_server_is_said_with_what_to_do(neovim: Open, project: Path) -> None:
    nvim = neovim()
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua("vim.lsp.config('massgen', { cmd = { 'no-such-massgen-ls' } })")
    nvim.command("Massgen clean up")
    said = nvim.wait_for("notify")
    assert "no-such-massgen-ls is not to be found" in said["text"]
    assert "vim.lsp.config" in said["text"]


def test_outside_a_repository_it_says_so(neovim: Open, tmp_path: Path) -> None:
    nvim = neovim(cwd=tmp_path)
    _served(nvim)
    (tmp_path / "loose.txt").write_text("text\n")
    nvim.command(f"edit {tmp_path / 'loose.txt'}")
    nvim.command("Massgen clean up")
    assert "is not in a git repository" in nvim.wait_for("notify")["text"]


# ── starting a run ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "prompt", "scope", "apply"),
    [
        ("Massgen tidy | up", "tidy | up", None, "ask"),
        ("Massgen! tidy up", "tidy up", None, "auto"),
        ("%Massgen tidy", "tidy", "file", "ask"),
        ("2,3Massgen tidy", "tidy", ((1, 0), (2, 9)), "ask"),
        ("20Massgen tidy", "tidy", ((19, 0), (19, 11)), "ask"),
    ],
)
def test_a_task_is_sent_with_its_range_as_scope(
    neovim: Open, project: Path, command: str, prompt: str, scope: Any, apply: str
) -> None:
    nvim = _served(neovim(), project / "one.py")
    nvim.command(command)
    expected: dict[str, Any] = {"prompt": prompt, "apply": apply}
    if scope is not None:
        expected["scope"] = {"textDocument": {"uri": (project / "one.py").as_uri()}}
    if isinstance(scope, tuple):
        (a, b), (c, d) = scope
        expected["scope"]["range"] = {
            "start": {"line": a, "character": b},
            "end": {"line": c, "character": d},
        }
    assert _sent(nvim, "massgen/run") == [expected]


def test_without_a_task_it_asks_and_an_empty_answer_starts_nothing(
    neovim: Open, project: Path
) -> None:
    nvim = _served(neovim(), project / "one.py")
    nvim.lua("_G.reply = '  '")
    nvim.command("Massgen")
    nvim.wait_for("input")
    nvim.lua("_G.reply = ' shorter names '")
    nvim.command("Massgen")
    assert [each["prompt"] for each in _sent(nvim, "massgen/run")] == ["shorter names"]


def test_a_code_action_without_a_prompt_asks_for_it(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    nvim.lua("_G.reply = 'make it plain'")
    nvim.lua(
        """
        vim.lsp.get_clients({ name = 'massgen' })[1]:exec_cmd({
          title = 'x', command = 'massgen.run', arguments = { { apply = 'auto' } },
        })
        """
    )
    assert _sent(nvim, "massgen/run") == [{"prompt": "make it plain", "apply": "auto"}]


def test_the_server_knows_every_loaded_file_before_the_run_also_without_a_filetype(
    neovim: Open, project: Path
) -> None:
    nvim = neovim()
    odd = project / "odd.zzz"
    odd.write_text("plain\n")
    nvim.command(f"edit {odd}")
    nvim.keys("oNOT SAVED<Esc>")
    nvim.command(f"edit {project / 'one.py'}")
    # No server runs: the command starts it.
    nvim.lua("dofile(... .. '/stand_in.lua')", str(HERE))
    nvim.lua("vim.lsp.config('massgen', { cmd = dofile(... .. '/stand_in.lua') })", str(HERE))
    nvim.command("Massgen tidy")
    _sent(nvim, "massgen/run")
    methods = nvim.lua("return vim.tbl_map(function(s) return s.method end, stand.seen)")
    opened = {
        doc["textDocument"]["uri"]: doc["textDocument"]["text"]
        for doc in _sent(nvim, "textDocument/didOpen")
    }
    assert opened[odd.as_uri()] == "plain\nNOT SAVED\n"
    assert (project / "one.py").as_uri() in opened
    last_open = len(methods) - methods[::-1].index("textDocument/didOpen")
    assert last_open <= methods.index("massgen/run")
    # And one that is opened later.
    late = project / "late.zzz"
    nvim.command(f"edit {late}")
    _sent(nvim, "textDocument/didOpen", 3)


def test_a_task_that_is_given_before_the_server_has_started_is_not_lost(
    neovim: Open, project: Path
) -> None:
    nvim = neovim()
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua(
        """
        local cmd = dofile(... .. '/stand_in.lua')
        stand.slow, stand.answers['massgen/run'] = true, { runId = '1' }
        require('massgen').setup({ lsp = { cmd = cmd } })
        """,
        str(HERE),
    )
    nvim.until("it starts", "stand.wake ~= nil")
    nvim.command("Massgen at once")
    nvim.lua("vim.schedule(stand.wake)")
    assert [each["prompt"] for each in _sent(nvim, "massgen/run")] == ["at once"]
    assert len(_sent(nvim, "initialize")) == 1


# ── edits ───────────────────────────────────────────────────────────────────────────────────────


def test_an_edit_lands_in_all_buffers_and_one_undo_takes_it_back_in_each(
    neovim: Open, project: Path
) -> None:
    one, two = project / "one.py", project / "two.py"
    nvim = _served(neovim(), one, two)
    nvim.keys("Gotyped before<Esc>")
    before = {file: _lines(nvim, file) for file in (one, two)}
    answer = _apply(
        nvim,
        _change(one, _version(nvim, one), (0, 1, "first\n"), (10, 12, ""), (20, 20, "last\n")),
        _change(two, _version(nvim, two), (0, 0, "# top\n"), (5, 6, "sixth\n")),
    )
    assert answer == {"applied": True}
    after = {file: _lines(nvim, file) for file in (one, two)}
    assert after[one] == ["first", *before[one][1:10], *before[one][12:], "last"]
    assert after[two] == ["# top", *before[two][:5], "sixth", *before[two][6:]]
    for file in (one, two):
        nvim.command(f"buffer {file}")
        assert nvim.lua("return vim.bo.modified")
        nvim.keys("u")
        assert _lines(nvim, file) == before[file]
    nvim.keys("<C-r>")
    assert _lines(nvim, two) == after[two]
    assert one.read_text().startswith("one_1 = 1\n")


def test_an_edit_in_the_middle_of_typing_is_an_undo_step_of_its_own(
    neovim: Open, project: Path
) -> None:
    one = project / "one.py"
    nvim = _served(neovim(), one)
    start = _lines(nvim)
    nvim.keys("Otyping")
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "i"
    answer = _apply(
        nvim, _change(one, _version(nvim, one), (3, 4, "agent\n"), (20, 21, "agent too\n"))
    )
    assert answer == {"applied": True}
    nvim.keys(" goes on<CR>and on<Esc>")
    landed = _lines(nvim)
    assert landed[:3] == ["typing goes on", "and on", start[0]]
    assert (landed[4], landed[-1]) == ("agent", "agent too")
    nvim.keys("u")
    assert _lines(nvim)[:2] == ["typing", start[0]]
    assert _lines(nvim)[3] == "agent"
    nvim.keys("u")
    assert _lines(nvim) == ["typing", *start]
    nvim.keys("u")
    assert _lines(nvim) == start


def test_an_edit_for_text_that_has_moved_on_is_refused_whole(neovim: Open, project: Path) -> None:
    one, two = project / "one.py", project / "two.py"
    nvim = _served(neovim(), one, two)
    stale = _version(nvim, two)
    nvim.keys("ggOnewer<Esc>")
    before = _lines(nvim, one), _lines(nvim, two)
    answer = _apply(
        nvim,
        _change(one, _version(nvim, one), (0, 1, "first\n")),
        _change(two, stale, (0, 1, "wrong place\n")),
    )
    assert answer == {"applied": False, "failureReason": "two.py has changed meanwhile"}
    assert (_lines(nvim, one), _lines(nvim, two)) == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([{"kind": "create", "uri": "two.py"}], "two.py exists already"),
        ([{"kind": "rename", "oldUri": "one.py", "newUri": "two.py"}], "two.py exists already"),
        ([{"kind": "rename", "oldUri": "none.py", "newUri": "new.py"}], "none.py is gone"),
        ([{"kind": "delete", "uri": "folder"}], "folder is a folder"),
        ([{"kind": "splice", "uri": "two.py"}], "Neovim cannot splice files"),
        ([{"textDocument": {"uri": "none.py"}, "edits": []}], "none.py is gone"),
    ],
)
def test_file_operations_that_would_lose_something_are_refused_before_anything_is_done(
    neovim: Open, project: Path, changes: list[dict[str, Any]], reason: str
) -> None:
    (project / "folder").mkdir()
    one = project / "one.py"
    nvim = _served(neovim(), one)

    def absolute(node: Any) -> Any:
        match node:
            case dict():
                return {
                    key: (project / each).as_uri()
                    if key.lower().endswith("uri")
                    else absolute(each)
                    for key, each in node.items()
                }
            case _:
                return node

    first = _change(one, _version(nvim, one), (0, 1, "first\n"))
    files = {path: path.read_bytes() for path in project.glob("*.py")}
    answer = _apply(nvim, first, *map(absolute, changes))
    assert answer == {"applied": False, "failureReason": reason}
    assert _lines(nvim)[0] == "one_1 = 1"
    assert {path: path.read_bytes() for path in project.glob("*.py")} == files


def test_files_are_created_renamed_and_deleted_and_no_formatter_comes_between(
    neovim: Open, project: Path
) -> None:
    old, new = project / "old_name.py", project / "sub" / "new_name.py"
    nvim = _served(neovim(), project / "gone.py", old)
    nvim.lua(
        """
        vim.api.nvim_create_autocmd('BufWritePre', {
          callback = function() vim.api.nvim_buf_set_lines(0, 0, 0, false, { 'formatted' }) end,
        })
        """
    )
    nvim.keys("Gonot saved<Esc>")
    before = _lines(nvim)
    fresh = project / "fresh.py"
    answer = _apply(
        nvim,
        {"kind": "rename", "oldUri": old.as_uri(), "newUri": new.as_uri()},
        {"kind": "create", "uri": fresh.as_uri()},
        _change(fresh, None, (0, 0, "made = 1\nby = 'agents'\n")),
        _change(new, None, (0, 1, "moved = 2\n")),
        {"kind": "delete", "uri": (project / "gone.py").as_uri()},
    )
    assert answer == {"applied": True}
    assert not old.exists()
    assert not (project / "gone.py").exists()
    assert _lines(nvim, new) == ["moved = 2", *before[1:]]
    assert _lines(nvim, fresh) == ["made = 1", "by = 'agents'"]
    assert nvim.lua("return vim.fn.bufloaded(...)", str(project / "gone.py")) == 0
    nvim.command(f"buffer {new}")
    nvim.keys("u")
    assert _lines(nvim, new) == before
    # What follows is about the new name.
    opened = [each["textDocument"]["uri"] for each in _sent(nvim, "textDocument/didOpen", 4)]
    assert {new.as_uri(), fresh.as_uri()} <= set(opened)


# ── questions, events ───────────────────────────────────────────────────────────────────────────


def test_a_question_waits_until_the_user_has_stopped_typing(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
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
    assert _lines(nvim)[:3] == ["typing 1", "2", ""]


def _tell(nvim: Neovim, kind: str, **fields: Any) -> None:
    event = {"kind": kind, "run": RUN, **fields}
    nvim.lua("stand.tell('massgen/event', ...)", event)


def test_events_become_autocommands_and_a_status_line(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    status = "return require('massgen').status():gsub('%d+s$', 'Ns')"
    assert nvim.lua(status) == ""
    agents = [{"id": "tidy"}, {"id": "bold"}]
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": agents}, folder="/f")
    started = nvim.wait_for("MassgenRunStarted")
    assert (started["run"], started["prompt"], started["folder"]) == (RUN, "go", "/f")
    _tell(nvim, "attempt_started", seat="tidy", attempt=1)
    _tell(nvim, "attempt_ended", seat="tidy", attempt=1, outcome="done")
    _tell(nvim, "candidate_captured", candidate={"id": "tidy.1"})
    assert nvim.lua(status) == "massgen 1/2 Ns"
    _tell(nvim, "a_kind_of_the_future", anything=[1])
    _tell(nvim, "run_settled", verdict={"outcome": "won", "winner": "tidy.1", "why": "It is best."})
    settled = nvim.wait_for("MassgenRunSettled")
    assert settled["outcome"] == "won"
    assert settled["winner"] == "tidy.1"
    assert settled["candidates"] == ["tidy.1"]
    assert nvim.lua(status) == ""


def test_conflicts_become_a_quickfix_list(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    _tell(nvim, "snapshot_taken", snapshot={"root": str(project)})
    conflict = {
        "path": "two.py",
        "reason": "overlap",
        "base": [4, 5],
        "live": [4, 6],
        "candidate": [4, 5],
        "live_text": "mine\n",
        "candidate_text": "theirs\n",
    }
    _tell(nvim, "delivered", candidate="tidy.1", paths=["one.py"], conflicts=[conflict])
    applied = nvim.wait_for("MassgenApplied")
    assert applied["paths"] == ["one.py"]
    assert len(applied["conflicts"]) == 1
    assert ":copen" in nvim.wait_for("notify")["text"]
    entry = nvim.lua("return vim.fn.getqflist()[1]")
    name = nvim.lua("return vim.api.nvim_buf_get_name(...)", entry["bufnr"])
    assert (name, entry["lnum"], entry["end_lnum"]) == (str(project / "two.py"), 5, 6)
    assert entry["text"] == "overlap: theirs"


def test_conflicts_of_an_edit_that_did_not_land_are_listed_too(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    conflict = {"path": "two.py", "reason": "overlap", "live": [4, 6], "candidate_text": "x\n"}
    _tell(nvim, "delivery_refused", candidate="tidy.1", reason="no", conflicts=[conflict])
    assert "1 conflict left as your text has it" in nvim.wait_for("notify")["text"]
    assert nvim.lua("return #vim.fn.getqflist()") == 1


def test_what_fits_beside_a_conflict_is_applied_when_the_user_says_so(
    neovim: Open, project: Path
) -> None:
    conflict = {"path": "two.py", "reason": "overlap", "hunks": [1]}
    held = {"two.py": [0, 2], "one.py": [4]}
    answer = {"applied": False, "paths": [], "conflicts": [conflict], "held": held}
    nvim = _served(neovim(), project / "one.py", apply={**answer, "candidate": "tidy.1"})
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.lua("_G.pick = function() return 'Leave as it is' end")
    nvim.command("MassgenApply")
    asked = nvim.wait_for("select")
    assert asked["prompt"] == (
        "3 changes in one.py, two.py would fit beside your own, the conflicts would not."
    )
    assert _sent(nvim, "massgen/apply") == [{"runId": RUN}]
    nvim.lua("_G.pick = function(items) _G.pick = nil return items[1] end")
    nvim.command("MassgenApply")
    partial = {"runId": RUN, "candidateId": "tidy.1", "paths": ["one.py", "two.py"]}
    assert _sent(nvim, "massgen/apply", 3)[2] == {**partial, "partial": True}


def test_runs_of_a_server_that_is_gone_are_over(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.lua("stand.die()")
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "interrupted"
    assert nvim.lua("return require('massgen').status()") == ""


def test_progress_is_one_short_line(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
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
LIST = {
    "runs": [
        {"run": RUN, "prompt": "tidy", "outcome": "won", "candidates": ["tidy.1", "bold.1"]},
        {"run": "20261120-1", "prompt": "older", "outcome": "running", "candidates": []},
    ]
}


def test_a_run_is_shown_as_markdown_and_a_candidate_as_a_diff(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py", read=READ, list=LIST)
    nvim.command("MassgenShow")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    text = "\n".join(_lines(nvim))
    assert text.startswith("# tidy up\n\nand more\n")
    assert f"Run {RUN}: **won**\n\nIt clears every check." in text
    assert "- slow: timed out: too slow" in text
    assert "## tidy.1 (winner)" in text
    assert "## bold.1 (discarded)" in text
    assert "- `b.py` from `a.py`: renamed, +0 −0" in text
    assert "- check `tests`: failed; breaks t::a" in text
    assert "````diff\n--- a/one.py" in text, "a fence in the diff does not end the block"
    assert not nvim.lua("return vim.bo.modifiable")
    nvim.command(f"MassgenShow {RUN} bold.1")
    nvim.until("the diff", "vim.bo.filetype == 'diff'")
    assert _lines(nvim) == ["+bold"]
    nvim.command("edit")
    nvim.until("the diff again", "vim.api.nvim_buf_get_lines(0, 0, -1, true)[1] == '+bold'")


def test_a_file_of_a_candidate_can_be_read(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py", read={"text": "a = 1\nb = 2\n"})
    nvim.command(f"edit massgen://{RUN}/tidy.1/sub/one.py")
    nvim.until("the file", "vim.bo.filetype == 'python'")
    assert _lines(nvim) == ["a = 1", "b = 2"]
    assert _sent(nvim, "massgen/read") == [
        {"runId": RUN, "candidateId": "tidy.1", "path": "sub/one.py"}
    ]


def test_a_document_that_the_server_names_is_shown(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
    nvim.lua("stand.answers['workspace/textDocumentContent'] = { text = '+a\\n-b\\n' }")
    uri = f"massgen:/{RUN}/tidy.1.diff"
    nvim.lua("stand.ask('window/showDocument', { uri = ..., takeFocus = true })", uri)
    nvim.until("the document", "vim.bo.filetype == 'diff'")
    assert _lines(nvim) == ["+a", "-b"]
    assert _sent(nvim, "workspace/textDocumentContent") == [{"uri": uri}]
    assert nvim.lua("return stand.replies[1].result") == {"success": True}


def test_a_message_waits_until_the_user_has_stopped_typing(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py")
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
        ("MassgenApply ", [RUN, "20261120-1"]),
        (f"MassgenApply {RUN} ", ["tidy.1", "bold.1"]),
        (f"MassgenShow {RUN} b", ["bold.1"]),
        ("MassgenCancel ", ["20261120-1"]),
        ("MassgenDiscard 20261121", [RUN]),
    ],
)
def test_runs_and_candidates_are_completed(
    neovim: Open, project: Path, typed: str, offered: list[str]
) -> None:
    nvim = _served(neovim(), project / "one.py", list=LIST)
    assert nvim.lua("return vim.fn.getcompletion(..., 'cmdline')", typed) == offered


def test_apply_cancel_and_discard_name_the_newest_run(neovim: Open, project: Path) -> None:
    answer = {"applied": True, "paths": ["one.py"], "conflicts": []}
    nvim = _served(
        neovim(), project / "one.py", apply=answer, cancel={"cancelled": True}, discard={}
    )
    _tell(nvim, "run_started", spec={"task": {"prompt": "go"}}, folder=str(project))
    nvim.command("MassgenCancel")
    assert _sent(nvim, "massgen/cancel") == [{"runId": RUN}]
    nvim.command("MassgenApply")
    nvim.command("MassgenDiscard 20261120-1 tidy.1")
    assert _sent(nvim, "massgen/apply") == [{"runId": RUN}]
    assert _sent(nvim, "massgen/discard") == [{"runId": "20261120-1", "candidateId": "tidy.1"}]
    assert "1 file changed" in nvim.wait_for("notify")["text"]


def test_an_error_of_the_server_is_shown(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py", run={"error": "No agents are configured."})
    nvim.command("Massgen go")
    assert nvim.wait_for("notify")["text"] == "massgen: No agents are configured."


def test_a_run_can_be_picked_from_the_list(neovim: Open, project: Path) -> None:
    nvim = _served(neovim(), project / "one.py", list=LIST, read=READ)
    nvim.lua(f"_G.pick = function() return '{RUN}  won       tidy' end")
    nvim.command("MassgenRuns")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    assert nvim.lua("return vim.api.nvim_buf_get_name(0)") == f"massgen://{RUN}"
