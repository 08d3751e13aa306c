"""The real server on a repository, for what an editor feels and what it costs."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.ports import Command
from massgen_ls.testing.editor import NEOVIM, StandInEditor, open_editor
from tests.bench.measure import ROOT
from tests.fakes.repositories import UserRepo


@asynccontextmanager
async def editing(
    repo: UserRepo, environ: Mapping[str, str], config: Path
) -> AsyncGenerator[tuple[StandInEditor, psutil.Process]]:
    """An editor that talks to it, and its process."""
    command = Command(
        (sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config)),
        str(repo.top),
        {**environ, "PYTHONPATH": str(ROOT)},
        tree=False,
    )
    async with open_editor(HostProcesses(), command, repo.top, NEOVIM) as editor:
        mine = psutil.Process()
        server = next(p for p in mine.children() if "massgen_ls" in p.cmdline())
        yield editor, server
