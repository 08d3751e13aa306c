"""What `:Massgen` makes of what is typed: a task, a subcommand, or a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.stand import RUN, sent, served, tell

pytestmark = pytest.mark.e2e

TASKS = {
    "tidy up": "tidy up",
    "  tidy up  ": "tidy up",
    "run the tests and mend what fails": "run the tests and mend what fails",
    "running late": "running late",
    "-- show the user a warning": "show the user a warning",
    "refactor": "refactor",
    "Cancel buttons should be red": "Cancel buttons should be red",
    "run -- agents=tidy is a text": "agents=tidy is a text",
    "run": "",
    "": "",
}
VERBS = {
    "show": ["show"],
    f"show {RUN}": ["show", RUN],
    "show 2026": ["show", "2026"],
    "apply tidy.1": ["apply", None, "tidy.1"],
    f"apply {RUN} tidy.1": ["apply", RUN, "tidy.1"],
    "diff a.1 b.2": ["diff", None, "a.1", "b.2"],
    "diff next": ["diff", "next"],
    "cancel all": ["cancel", "all"],
    "note tidy keep it  short": ["note", "tidy", "keep it short"],
    "stop tidy": ["stop", "tidy"],
    f"log {RUN} tidy": ["log", RUN, "tidy"],
    "log tidy": ["log", None, "tidy"],
    "runs": ["runs"],
}
DOUBTS = {
    "show the user a warning": "show",
    "apply the patch in fix.diff": "apply",
    "cancell": "cancel",
    "canc": "cancel",
    "aply tidy.1": "apply",
    "runs faster": "runs",
    "note the callers": "note",
    "stop": None,
    "diff next one": "diff",
    "hunk": "hunks",
}


def test_tasks_subcommands_and_what_may_be_either(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    agents = [{"id": "tidy"}]
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": agents}, folder="/f")

    def read(text: str) -> dict[str, Any]:
        return nvim.lua(
            """
            local found = require('massgen.commands').read(...)
            local args = found.args or {}
            found.args = { found.verb, args[1] or vim.NIL, args[2] or vim.NIL, args[3] or vim.NIL }
            return found
            """,
            text,
        )

    for text, task in TASKS.items():
        found = read(text)
        assert (found.get("task"), found.get("verb"), found.get("doubt")) == (task, None, None)
    for text, wanted in VERBS.items():
        found = read(text)
        assert "task" not in found, text
        assert found["args"] == [*wanted, *[None] * (4 - len(wanted))]
    for text, verb in DOUBTS.items():
        assert read(text).get("doubt") == verb, text


def test_a_run_takes_options(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.command(
        "2,2Massgen run agents=tidy,bold checks=tests mode=best_of_n apply=none "
        f"attach=/a.png,b.jpg context={RUN}/tidy  make it plain"
    )
    (params,) = sent(nvim, "massgen/run")
    assert params.pop("scope")["range"]["start"] == {"line": 1, "character": 0}
    assert params == {
        "prompt": "make it plain",
        "agents": ["tidy", "bold"],
        "checks": ["tests"],
        "mode": "best_of_n",
        "apply": "none",
        "context": {"runId": RUN, "seat": "tidy"},
        "attachments": [
            {"uri": "file:///a.png"},
            {"uri": Path(nvim.lua("return vim.fn.getcwd()")).joinpath("b.jpg").as_uri()},
        ],
    }


def test_nothing_is_started_by_a_slip_and_no_task_is_lost(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("_G.pick = function(items) return items[2] end")
    nvim.command("Massgen cancell")
    asked = nvim.wait_for("select")
    assert asked["prompt"] == "“cancell” is not `:Massgen cancel [run] | all`. Is it a task?"
    assert asked["items"] == ["Start a run with this task", "Do nothing"]
    nvim.lua("_G.pick = function(items) return items[1] end")
    nvim.command("Massgen show the user a warning")
    assert [each["prompt"] for each in sent(nvim, "massgen/run")] == ["show the user a warning"]
    nvim.command("Massgen! cancel")
    assert "`cancel` has no `!`" in nvim.wait_for("notify")["text"]
    assert len(sent(nvim, "massgen/run")) == 1


def test_mappings_run_the_command(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("vim.keymap.set({ 'n', 'x' }, '<F5>', '<Plug>(massgen-run)')")
    nvim.lua("_G.reply = 'about the lines'")
    nvim.keys("2GVj<F5>")
    (params,) = sent(nvim, "massgen/run")
    scope = params["scope"]["range"]
    assert (scope["start"]["line"], scope["end"]["line"]) == (1, 2)
    nvim.keys("<F5>")
    assert "scope" not in sent(nvim, "massgen/run", 2)[1]


def test_what_is_asked_while_a_run_starts_is_about_that_run(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", run={"runId": RUN}, apply={"applied": True})
    tell(nvim, "run_started", spec={"task": {"prompt": "an old one"}}, folder="/f")
    nvim.lua(
        """
        stand.answers['massgen/run'] = function()
          stand.tell('massgen/event', {
            kind = 'run_started', run = '20261121-new', folder = '/f', time = 4e9,
            spec = { task = { prompt = 'new' } },
          })
          return { runId = '20261121-new' }
        end
        """
    )
    nvim.lua("vim.cmd('Massgen go') vim.cmd('Massgen apply')")
    assert sent(nvim, "massgen/apply") == [{"runId": "20261121-new"}]


def test_an_agent_is_told_something_or_stopped(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py", tell={"told": True})
    nvim.command("Massgen note")
    assert nvim.wait_for("notify")["text"] == "massgen: nothing is going on"
    agents = [{"id": "tidy"}, {"id": "bold"}]
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": agents}, folder="/f")
    for seat in ("tidy", "bold"):
        tell(nvim, "attempt_started", seat=seat, attempt=1)
    nvim.command("Massgen note tidy shorter names")
    ref = {"runId": RUN, "seat": "tidy"}
    assert sent(nvim, "massgen/tell") == [{**ref, "text": "shorter names"}]
    nvim.lua("_G.reply = 'by input'")
    nvim.lua("_G.pick = function() return 'bold' end")
    nvim.command("Massgen note")
    assert sent(nvim, "massgen/tell", 2)[1] == {"runId": RUN, "seat": "bold", "text": "by input"}
    nvim.command("Massgen stop all")
    stops = [each["seat"] for each in sent(nvim, "massgen/tell", 4)[2:] if each["stop"]]
    assert stops == ["tidy", "bold"]
    assert nvim.lua("return vim.fn.getcompletion('Massgen note t', 'cmdline')") == ["tidy"]


def test_the_log_of_an_agent_at_work_is_what_it_has_printed(neovim: Open, project: Path) -> None:
    parts = [{"after": 3, "text": "half a "}, {"after": 5, "text": "line\n```\n"}]
    listen = {"parts": parts, "lost": 0}
    nvim = served(neovim(), project / "one.py", read={"transcripts": []}, listen=listen)
    tell(nvim, "run_started", spec={"agents": [{"id": "tidy"}]}, folder="/f")
    nvim.command("Massgen log")
    nvim.until("the log", "vim.bo.filetype == 'markdown'")
    assert sent(nvim, "massgen/listen") == [{"runId": RUN, "seat": "tidy", "stop": True}]
    lately = "What it has printed lately; `:edit` shows what came since."
    text = nvim.call("nvim_buf_get_lines", 0, 0, -1, True)
    assert text == ["# tidy", "", lately, "", "````", "half a line", "```", "````"]


def test_the_log_of_an_agent_is_a_document(neovim: Open, project: Path) -> None:
    parts = [
        {"text": "I look.", "by": "agent", "thinking": False},
        {"tool": "edit", "target": "one.py", "detail": "```\nx\n```", "result": "", "ok": False},
        {"text": "be quick", "by": "user", "thinking": False},
    ]
    told = {"transcripts": [{"agent": "tidy", "parts": parts, "omitted": 2}]}
    nvim = served(neovim(), project / "one.py", read=told)
    agents = [{"id": "tidy"}]
    tell(nvim, "run_started", spec={"task": {"prompt": "go"}, "agents": agents}, folder="/f")
    nvim.command("Massgen log")
    nvim.until("the log", "vim.bo.filetype == 'markdown'")
    assert nvim.lua("return vim.api.nvim_buf_get_name(0)") == f"massgen://{RUN}/log/tidy"
    assert nvim.call("nvim_buf_get_lines", 0, 0, -1, True) == [
        "# tidy",
        "",
        "I look.",
        "",
        "- **edit** one.py (failed)",
        "",
        "  ````",
        "  ```",
        "  x",
        "  ```",
        "  ````",
        "",
        "> be quick",
        "",
        "2 steps in the middle were not kept.",
    ]
