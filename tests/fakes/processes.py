"""A small honest `Processes`: real programs, no process trees, no fences."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from massgen_ls.ports import Command, Finished, Running


class PlainProcesses:
    """Runs programs with asyncio alone and remembers the commands that it was given."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    @asynccontextmanager
    async def start(self, command: Command) -> AsyncIterator[Running]:
        raise NotImplementedError("nothing in adapters.git talks to a running program")
        yield

    async def run(self, command: Command) -> Finished:
        self.commands.append(command)
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=asyncio.subprocess.DEVNULL if command.stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        timed_out = False
        try:
            async with asyncio.timeout(command.timeout):
                out, err = await process.communicate(command.stdin)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            timed_out = True
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        code = process.returncode
        assert code is not None
        return Finished(code, out, err, time.monotonic() - began, timed_out)
