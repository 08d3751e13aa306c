"""Real editors and a project for them, made anew for each test."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.nvim.served import Gate
from tests.e2e.plain.terminal import Emacs, Vim
from tests.e2e.recorder import recorded
from tests.e2e.world import World

HERE = Path(__file__).parent
EDITORS = Path(__file__).parents[3] / "editors"
SYSTEM = Path("/usr/share")
EARLY = """
(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil
      comp-enable-subr-trampolines nil native-comp-enable-subr-trampolines nil)
"""
"""Each home is a new one, for which Emacs would compile for seconds what it loads."""

OpenEmacs = Callable[[], Emacs]
OpenVim = Callable[..., Vim]


def absent(what: str, packages: str, *, in_ci: bool = True) -> None:
    """Says loudly that an editor is not tested; a failure where CI is to install it."""
    words = f"{what} IS NOT TESTED: it is not installed (apt install {packages})"
    if in_ci and os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


def snippet(guide: str, which: str, server: list[str]) -> str:
    """A piece of code of an editor's guide, with our command line for the program's."""
    text = (EDITORS / guide / "README.md").read_text()
    (code,) = [c for c in re.findall(r"```\w+\n(.*?)```", text, re.DOTALL) if which in c]
    for comma in (" ", ", "):
        words = comma.join(f'"{word}"' for word in server)
        code = code.replace(comma.join(['"massgen-ls"', '"serve"', '"--stdio"']), words)
    return code


def server_of(world: World) -> int:
    """The process id of this world's one server."""
    running = [each for each in world.processes() if "massgen_ls serve" in each]
    (found,) = [each for each in running if "recorder" not in each]
    return int(found.split(":")[0])


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world.agents / "gate")


@pytest.fixture
def project(world: World) -> Path:
    """A small repository with one commit."""
    world.init(**{"one.py": "".join(f"one_{i} = {i}\n" for i in range(1, 21))})
    return world.repo


@pytest.fixture
def served(world: World) -> Callable[..., list[str]]:
    """Makes a team of one program; returns the server's command line."""

    def make(program: str, **backend: object) -> list[str]:
        config = world.configure([world.agent("first", program, **backend)])
        return world.argv("serve", "--stdio", "--config", str(config))

    return make


@pytest.fixture
def emacs(world: World, project: Path) -> Iterator[OpenEmacs]:
    """Starts Emacs in the project; it is gone when the test ends, and so is its server."""
    lisp = SYSTEM / "emacs" / "site-lisp"
    if shutil.which("emacs") is None or not [*lisp.glob("elpa/eglot-*")]:
        absent("EMACS", "emacs-nox elpa-eglot")
    environment = {**world.env, "GIT_CONFIG_GLOBAL": "/dev/null", "TMPDIR": str(world.top)}
    own = world.home / ".emacs.d"
    own.mkdir()
    (own / "early-init.el").write_text(EARLY)
    with ExitStack() as stack:

        def start() -> Emacs:
            argv = ["emacs", "-nw", "-l", str(HERE / "drive.el")]
            argv += ["--eval", '(drive-connect "{socket}")']
            return stack.enter_context(Emacs(argv, environment, project, world.top))

        yield start
    asyncio.run(world.gone())


def ale() -> str:
    """How Vim loads ALE, for our server alone."""
    folder = SYSTEM / "vim-ale"
    if not folder.is_dir():
        absent("VIM WITH ALE", "vim vim-ale")
    return (
        f"set runtimepath^={folder}\nfiletype plugin on\nruntime plugin/ale.vim\n"
        "let g:ale_linters = {'python': ['massgen']}\n" + snippet("vim", "ale#linter#Define", [])
    )


def vim_lsp() -> str:
    """How Vim loads vim-lsp, which no package has: a folder of the user's."""
    found = [*Path.home().glob(".vim/pack/*/start/vim-lsp")]
    named = os.environ.get("MASSGEN_LS_TEST_VIM_LSP")
    folder = Path(named) if named else found[0] if found else None
    if folder is None:
        absent("VIM WITH VIM-LSP", "vim, and name a clone: MASSGEN_LS_TEST_VIM_LSP", in_ci=False)
    code = snippet("vim", "lsp#register_server", [])
    return f"set runtimepath^={folder}\nfiletype plugin on\n{code}runtime plugin/lsp.vim\n"


@pytest.fixture
def vim(world: World, project: Path) -> Iterator[OpenVim]:
    """Starts Vim with a client on a file of the project, as the guide says."""
    if shutil.which("vim") is None:
        absent("VIM", "vim")
    with ExitStack() as stack:

        def start(server: list[str], client: Callable[[], str] = ale) -> Vim:
            command = recorded(server, client.__name__)
            (program := world.top / "massgen-ls").write_text(
                f"#!/bin/sh\nexec {' '.join(command)}\n"
            )
            program.chmod(0o755)
            rc = world.top / "vimrc"
            rc.write_text(client())
            path = f"{world.top}:{world.env['PATH']}"
            connect = "let g:wire = ch_open('unix:{socket}')"
            argv = ["vim", "-u", str(rc), "-i", "NONE", "-n", "-N", "-c", connect, "one.py"]
            environment = {**world.env, "PATH": path, "GIT_CONFIG_GLOBAL": "/dev/null"}
            return stack.enter_context(Vim(argv, environment, project, world.top))

        yield start
    asyncio.run(world.gone())
