"""Stand-in editors at the real server, over its pipes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.ports import Command
from massgen_ls.testing.editor import StandInEditor, open_editor
from massgen_ls.testing.profiles import NEOVIM, Profile
from tests.e2e.world import DEADLINE, World


@asynccontextmanager
async def editing(
    world: World, profile: Profile = NEOVIM, *arguments: str, folder: Path | None = None
) -> AsyncIterator[StandInEditor]:
    """An editor that opens a folder and starts the server in it; else the repository, from above.

    Args:
        world: The user's machine.
        profile: What kind of editor it is.
        arguments: Those of ``massgen-ls serve`` beyond ``--stdio``.
        folder: What is opened.
    """
    argv = tuple(world.argv("serve", "--stdio", *arguments))
    command = Command(argv, str(folder or world.top), world.env, tree=False)
    async with (
        asyncio.timeout(DEADLINE),
        open_editor(HostProcesses(), command, folder or world.repo, profile) as editor,
    ):
        yield editor
