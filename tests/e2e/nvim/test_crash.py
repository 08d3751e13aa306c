"""A server that is killed in the middle of a run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.served import (
    EVERYTHING,
    Gate,
    Serve,
    lines_of,
    opened,
    type_unsaved,
)
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# ── a crash in the middle ───────────────────────────────────────────────────────────────────────


def test_candidates_outlive_a_server_that_was_killed(
    neovim: Open, serve: Serve, gate: Gate, world: World, project: Path
) -> None:
    nvim = neovim()
    opened(nvim, serve(EVERYTHING, gate.program), project / "one.py")
    type_unsaved(nvim, project)
    nvim.command("Massgen tidy up")
    run = nvim.wait_for("MassgenRunStarted")["run"]
    held = gate.reached(nvim)
    nvim.until("a candidate", f"#require('massgen.runs').get('{run}').candidates == 1")
    servers = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if "serve" in (process.info["cmdline"] or ())
        and (process.info["environ"] or {}).get("HOME") == str(world.home)
    ]
    assert len(servers) == 1
    os.kill(servers[0].pid, signal.SIGKILL)
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "interrupted"
    os.close(held)
    gone = nvim.wait_for("notify", lambda told: "signal 9" in told["text"])
    assert gone["text"] == "massgen: the server has ended (signal 9); it is started again"
    back = nvim.wait_for("notify", lambda told: "is back" in told["text"])
    wanted = f"massgen: the server is back. Run {run}: 1 candidate kept; `:Massgen show`"
    assert back["text"] == wanted
    seats = nvim.lua("return require('massgen.runs').get(...).seats", run)
    assert (seats["first"]["state"], seats["second"]["state"]) == ("done", "interrupted")
    attached = "#vim.lsp.get_clients({ name = 'massgen', bufnr = vim.fn.bufnr(...) }) == 1"
    for file in (project / "one.py", project / "two.py"):
        nvim.until("attached again", attached, str(file))

    nvim.command("Massgen apply " + run + " first.1")
    applied = nvim.wait_for("MassgenApplied")
    assert applied["conflicts"] == []
    assert "TEN = 10" in lines_of(nvim, project / "one.py")
    offered = nvim.lua("return vim.fn.getcompletion('Massgen apply ', 'cmdline')")
    assert offered == [run, "first.1"]
