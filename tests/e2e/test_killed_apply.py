"""``massgen-ls apply`` is killed in the middle; the next start says so and nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from massgen_ls.testing.profiles import NEOVIM
from tests.e2e.editing import editing
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

PROGRAM = """
for name in ('a.py', 'b.py'):
    text = open(name).read()
    open(name, 'w').write(text.upper())
"""
KILLED = """
import os, signal, sys
def hook(event, args):
    if event == "os.rename" and str(args[1]).endswith("b.py"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from massgen_ls.cli import main
sys.exit(main(sys.argv[1:]))
"""


async def half_applied(world: World) -> str:
    """The first file of two has been replaced, the second has not."""
    world.init(**{"b.py": "bee\n"})
    team = world.configure([world.agent("one", PROGRAM)])
    run = (await world.run("--config", str(team))).run
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, "apply", run, cwd=world.repo, env=world.env
    )
    assert await process.wait() == -9
    assert (world.repo / "a.py").read_text() == "ONE\nTWO\nTHREE\nFOUR\nFIVE\n"
    assert (world.repo / "b.py").read_text() == "bee\n"
    assert leftovers(world.repo)
    return run


def leftovers(repo: Path) -> list[Path]:
    return list(repo.glob(".massgen-*"))


async def test_the_next_command_takes_it_back_and_says_so(world: World) -> None:
    run = await half_applied(world)
    ended = await world.massgen("runs")
    assert "was killed while it changed files in" in ended.err
    assert "1 file is as before" in ended.err
    assert (world.repo / "a.py").read_text() == "one\ntwo\nthree\nfour\nfive\n"
    assert leftovers(world.repo) == []
    assert (await world.massgen("apply", run)).code == 0
    assert (world.repo / "b.py").read_text() == "BEE\n"
    assert (await world.massgen("runs")).err == ""


async def test_a_server_that_goes_on_mends_before_its_next_run_and_tells_the_user(
    world: World,
) -> None:
    world.init(**{"b.py": "bee\n"})
    team = world.configure([world.agent("one", PROGRAM)])
    async with editing(world, NEOVIM, "--config", str(team)) as editor:
        run = await editor.request("massgen/run", {"prompt": "do it"})
        await editor.request("massgen/wait", run)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, "apply", run["runId"], cwd=world.repo, env=world.env
        )
        assert await process.wait() == -9
        assert leftovers(world.repo)
        again = await editor.request("massgen/run", {"prompt": "do it"})
        said = await editor.seen(
            lambda m, p: m == "window/showMessage" and "was killed" in p["message"]
        )
        assert said["type"] == 2
        assert leftovers(world.repo) == []
        settled = await editor.request("massgen/wait", again)
        (candidate,) = settled["candidates"]
        assert [file["path"] for file in candidate["files"]] == ["a.py", "b.py"]
