"""Every driver there is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from massgen_ls.adapters.agents.command import CommandDriver
from massgen_ls.ports import Driver, Processes


@asynccontextmanager
async def open_drivers(
    processes: Processes, environ: Mapping[str, str], python: str
) -> AsyncGenerator[Mapping[str, Driver]]:
    """The drivers by the ``type`` of a backend, for as long as the context lasts.

    Args:
        processes: Starts the programs.
        environ: Our own environment, of which an agent sees only what is allowed.
        python: The interpreter that ``{python}`` stands for.
    """
    yield {"command": CommandDriver(processes, environ, python)}
