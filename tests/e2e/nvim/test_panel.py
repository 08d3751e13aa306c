"""The floating panel of a run, made from the events of a stand-in server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.stand import RUN, sent, served, tell

pytestmark = pytest.mark.e2e

SPEC = {
    "task": {"prompt": "rename the\nconfig keys"},
    "agents": [{"id": "claude"}, {"id": "tidy"}, {"id": "codex"}],
    "checks": [{"name": "tests"}, {"name": "lint"}],
}
USAGE = {"input": 12_000, "cached": 30_000, "stored": 0, "output": 400, "requests": 3}
FILES = [
    {"path": "one.py", "kind": "modify", "added": 3, "removed": 1},
    {"path": "b.py", "kind": "add", "added": 2, "removed": None},
]
CANDIDATE = {"id": "tidy.1", "seat": "tidy", "tree": "t1", "changes": {"files": FILES}}


def check(nvim: Neovim, tree: str, name: str, outcome: str, *failures: str) -> None:
    result = {"tree": tree, "check": name, "outcome": outcome, "failures": list(failures)}
    tell(nvim, "check_finished", result=result, repeat=0)


def midway(nvim: Neovim) -> None:
    """A run with one agent at work, one that has ended and one that failed."""
    now = nvim.lua("return require('massgen.runs').now()")
    tell(nvim, "run_started", spec=SPEC, folder="/f", time=now - 75)
    tell(nvim, "snapshot_taken", snapshot={"root": "/f", "tree": "t0"})
    for seat in ("claude", "tidy", "codex"):
        tell(nvim, "attempt_started", seat=seat, attempt=1, time=now - 70)
    tell(nvim, "agent_acted", seat="claude", action="edit", target="src/deep/config_of_all.py")
    tell(nvim, "agent_acted", seat="claude", action="run", target="pytest -q")
    tell(nvim, "usage_reported", seat="claude", attempt=1, usage={**USAGE, "cost": 21_000})
    tell(nvim, "attempt_ended", seat="tidy", attempt=1, outcome="done", seconds=2.5)
    tell(nvim, "candidate_captured", candidate=CANDIDATE)
    tell(nvim, "attempt_ended", seat="codex", attempt=1, outcome="failed", reason="no key")
    check(nvim, "t0", "tests", "failed", "test_a")
    check(nvim, "t0", "lint", "passed")
    check(nvim, "t1", "tests", "failed", "test_a")
    check(nvim, "t1", "lint", "failed", "F401")


def panel(nvim: Neovim) -> list[str]:
    """What the floating window shows, without spaces at the ends."""
    lines: list[str] = nvim.lua(
        """
        for _, win in ipairs(vim.api.nvim_list_wins()) do
          if vim.api.nvim_win_get_config(win).relative ~= '' then
            return vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(win), 0, -1, true)
          end
        end
        return {}
        """
    )
    return [line.rstrip() for line in lines]


def edge(nvim: Neovim) -> str:
    """The keys in the lower edge of the window."""
    return nvim.lua("return vim.api.nvim_win_get_config(0).footer[1][1]")


def settle(nvim: Neovim, **verdict: Any) -> None:
    tell(nvim, "run_settled", verdict={"outcome": "won", "winner": "tidy.1", **verdict})


def test_it_shows_agents_checks_spending_and_then_the_verdict(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    midway(nvim)
    nvim.command("Massgen panel")
    shown = panel(nvim)
    time = shown[1].split(" · ")[1]
    assert time.startswith("1m")
    spent = " · 42k tokens · $0.02"
    assert shown[:2] == ["rename the config keys", f"2 of 3 done · {time}{spent}"]
    heads = ["agent", "state", "cost", "tokens", "files", "time"]
    assert sorted(shown[3].split()) == sorted(heads)
    working, done, failed = (line.split() for line in shown[4:7])
    assert working[:5] == ["●", "claude", "working", "run", "pytest"]
    assert working[-4:-1] == ["1", "42k", "$0.02"], shown
    assert done == ["✓", "tidy", "done", "tidy.1", "+5", "−1", "2", "2s"]
    assert failed == ["✗", "codex", "failed", "no", "key"]
    assert shown[8:] == [
        "Checks",
        "  before  tests fails 1  lint passes",
        "  tidy.1  tests as before  lint breaks 1",
    ]
    settle(nvim, why="It clears every gate. " * 6)
    nvim.until("the verdict", "#vim.api.nvim_buf_get_lines(0, 0, -1, true) > 12")
    shown = panel(nvim)
    assert shown[1] == f"won: tidy.1 · {shown[1].split(' · ')[1]}{spent}"
    assert shown[12] == "Verdict"
    assert " ".join(shown[13:]).split() == ("It clears every gate. " * 6).split()
    assert max(map(len, shown)) <= 78
    tell(nvim, "delivered", candidate="tidy.1", paths=["one.py"])
    nvim.until("that it landed", "vim.fn.getline(6):find('tidy.1 applied ')")
    for fate, said in (("edited", "applied, edited since"), ("undone", "taken back")):
        tell(nvim, "revised", candidate="tidy.1", fate=fate)
        nvim.until(fate, f"vim.fn.getline(6):find('tidy.1 {said} ')")


@pytest.mark.parametrize(("columns", "lines"), [(120, 40), (80, 24), (40, 12), (24, 8)])
def test_it_fits_the_screen_and_tells_its_keys(
    neovim: Open, project: Path, columns: int, lines: int
) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.command(f"set columns={columns} lines={lines}")
    midway(nvim)
    settle(nvim, why="It clears every gate.")
    nvim.command("Massgen panel")
    config = nvim.lua("return vim.api.nvim_win_get_config(0)")
    assert config["width"] + 2 <= columns
    assert config["row"] + config["height"] + 2 <= lines - 1
    assert "q close" in edge(nvim)
    assert "g?" in edge(nvim)
    widths = nvim.lua("return vim.tbl_map(vim.api.nvim_strwidth, ...)", panel(nvim))
    assert max(widths) <= config["width"]
    assert any("cla" in line and "working" in line for line in panel(nvim))
    nvim.command("set columns=70 lines=20")
    nvim.until("resized", "vim.api.nvim_win_get_width(0) == 68")


def test_a_burst_of_events_is_drawn_at_most_ten_times_a_second(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    midway(nvim)
    nvim.command("Massgen panel")
    drawn = nvim.lua(
        """
        local lines, count = require('massgen.board').lines, 0
        require('massgen.board').lines = function(...) count = count + 1 return lines(...) end
        local began, sent = vim.uv.now(), 0
        while vim.uv.now() - began < 1000 do
          sent = sent + 1
          stand.tell('massgen/event', { kind = 'agent_acted', run = ..., seat = 'claude',
            action = 'read', target = 'file' .. sent })
          vim.wait(1)
        end
        return { count, sent }
        """,
        RUN,
    )
    assert drawn[1] > 30
    assert 3 <= drawn[0] <= 12  # ten, the clock's tick, and one that was due


def test_its_keys_act_on_what_is_under_the_cursor(neovim: Open, project: Path) -> None:
    answer = {"applied": True, "paths": ["one.py"], "conflicts": []}
    nvim = served(neovim(), project / "one.py", apply=answer, tell={}, cancel={"cancelled": True})
    midway(nvim)
    nvim.command("Massgen panel")
    nvim.lua("_G.reply = 'be brief'")
    nvim.keys("5Gns")  # claude's line
    ref = {"runId": RUN, "seat": "claude"}
    told = sent(nvim, "massgen/tell", 2)
    assert told == [{**ref, "text": "be brief"}, {**ref, "stop": True}]
    nvim.keys("6Ga")
    assert sent(nvim, "massgen/apply") == [{"runId": RUN, "candidateId": "tidy.1"}]
    nvim.keys("X")
    assert sent(nvim, "massgen/cancel") == [{"runId": RUN}]


def test_it_closes_and_nothing_is_left(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    midway(nvim)
    for close in ("q", "<Esc>", ":Massgen panel<CR>", ":close<CR>", ":only<CR>"):
        nvim.command("Massgen panel")
        buffer = nvim.lua("return vim.api.nvim_get_current_buf()")
        nvim.keys(close if close != ":only<CR>" else "<C-w>w:only<CR>")
        nvim.until("closed", "#vim.api.nvim_list_wins() == 1")
        nvim.until("wiped", "not vim.api.nvim_buf_is_valid(...)", buffer)
        tell(nvim, "agent_acted", seat="claude", action="read", target=close)
        nvim.until("no timer", "not require('massgen.panel').is_open()")
    assert nvim.lua("return vim.v.errmsg") == ""


def test_from_another_window_it_is_gone_to_and_in_another_tab_page_it_is_opened(
    neovim: Open, project: Path
) -> None:
    nvim = served(neovim(), project / "one.py")
    midway(nvim)
    nvim.command("Massgen panel")
    nvim.keys("<C-w>w")
    assert nvim.lua("return vim.bo.filetype") == "python"
    nvim.command("Massgen panel")
    assert nvim.lua("return vim.bo.filetype") == "massgen"
    nvim.command("tabnew")
    nvim.command("Massgen panel")
    assert nvim.lua("return vim.bo.filetype") == "massgen"
    assert nvim.lua("return #vim.api.nvim_list_tabpages()") == 2
    assert nvim.lua("return #vim.api.nvim_list_wins()") == 3


def test_it_goes_on_to_the_next_run_and_back(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    midway(nvim)
    settle(nvim, why="")
    nvim.command("Massgen panel")
    event = {
        "kind": "run_started",
        "run": "20261121-next",
        "spec": {**SPEC, "task": {"prompt": "another"}},
        "folder": "/f",
        "time": nvim.lua("return require('massgen.runs').now()"),
    }
    nvim.lua("stand.tell('massgen/event', ...)", event)
    nvim.until("the next run", "vim.fn.getline(1):match('^another') ~= nil")
    assert (
        nvim.lua("return vim.api.nvim_win_get_config(0).title[1][1]") == " massgen 20261121-next "
    )
    nvim.keys("<Tab>")
    assert panel(nvim)[0] == "rename the config keys"


def test_a_run_of_another_session_is_asked_for(neovim: Open, project: Path) -> None:
    usage = {"tokens": 500, "cost": "0.020000"}
    nothing = {"tokens": 0, "cost": None}
    seat = {"seat": "tidy", "phase": "ended", "outcome": "done", "reason": "", "seconds": 3.2}
    candidate = {
        "id": "tidy.1",
        "seat": "tidy",
        "tree": "t1",
        "files": FILES,
        "checks": [{"check": "tests", "outcome": "passed", "new_failures": []}],
    }
    record = {
        "run": RUN,
        "task": {"prompt": "older"},
        "folder": "/f",
        "verdict": {"outcome": "won", "winner": "tidy.1", "why": "Best."},
        "seats": [{**seat, "usage": usage}],
        "judging": nothing,
        "checks": ["tests"],
        "candidates": [candidate],
        "explanation": {
            "rounds": [
                {"round": 1, "judge": "tidy", "said": "improve", "choice": "tidy.1"},
                {"round": 2, "judge": "bold", "said": "vote", "choice": "tidy.2"},
            ]
        },
    }
    listed = {"runs": [{"run": RUN}]}
    nvim = served(neovim(), project / "one.py", read=record, list=listed)
    nvim.command("Massgen panel")
    nvim.until("the panel", "vim.bo.filetype == 'massgen'")
    shown = panel(nvim)
    assert shown[:2] == ["older", "won: tidy.1 · 500 tokens · $0.02"]
    assert " ".join(shown[4].split()) == "✓ tidy done tidy.1 +5 −1 2 500 $0.02 3s"
    assert shown[7] == "  tidy.1  tests passes"
    rounds = shown.index("Rounds")
    assert shown[rounds + 1] == "  1  tidy improves on tidy.1"
    assert shown[rounds + 2] == "  2  bold votes for tidy.2"
