"""Every driver there is, each made when it is first asked for: most runs need one or two kinds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

from massgen_ls.adapters.agents.acp.pool import AcpPool
from massgen_ls.adapters.agents.program.surroundings import Surroundings
from massgen_ls.ports import Driver, Processes


class Roster(Mapping[str, Driver]):
    """The drivers by the ``type`` of a backend. Made by `open_drivers`."""

    def __init__(self, processes: Processes, around: Surroundings, pool: AcpPool) -> None:
        self._processes = processes
        self._around = around
        self._pool = pool
        self._made: dict[str, Driver] = {}
        self._kinds: dict[str, Callable[[], Driver]] = {
            "command": self._command,
            "claude_code": self._claude_code,
            "codex": self._codex,
            "gemini_cli": self._gemini_cli,
            "acp": self._acp,
        }

    def __getitem__(self, kind: str) -> Driver:
        """The driver of a type. Imports it when it is the first of its type."""
        if kind not in self._made:
            self._made[kind] = self._kinds[kind]()
        return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def _command(self) -> Driver:
        from massgen_ls.adapters.agents.command.driver import CommandDriver

        return CommandDriver(self._processes, self._around.environ, self._around.python)

    def _claude_code(self) -> Driver:
        from massgen_ls.adapters.agents.claude.driver import ClaudeCodeDriver

        return ClaudeCodeDriver(self._processes, self._around)

    def _codex(self) -> Driver:
        from massgen_ls.adapters.agents.codex.driver import CodexDriver

        return CodexDriver(self._processes, self._around)

    def _gemini_cli(self) -> Driver:
        from massgen_ls.adapters.agents.gemini.driver import GeminiDriver

        return GeminiDriver(self._processes, self._around, self._pool)

    def _acp(self) -> Driver:
        from massgen_ls.adapters.agents.acp.driver import AcpDriver

        return AcpDriver(self._processes, self._around, self._pool)


@asynccontextmanager
async def open_drivers(
    processes: Processes, environ: Mapping[str, str], python: str
) -> AsyncGenerator[Mapping[str, Driver]]:
    """The drivers, for as long as the context lasts; what they share ends with it.

    Args:
        processes: Starts the programs.
        environ: Our own environment, of which an agent sees only what is allowed.
        python: The interpreter that ``{python}`` stands for.
    """
    async with AcpPool(processes) as pool:
        yield Roster(processes, Surroundings(environ, python), pool)
