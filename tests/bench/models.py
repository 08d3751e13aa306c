"""Scripted models in a process of their own, so that their work is in nobody's figures.

Whatever program asks: it runs a command, then writes a file and runs another command, then is done.
Which of the three it is follows from what the program said last, so any number of conversations
with the same words can go on at once. With ``gate=PATH`` in its task, the first command waits for
that file; with ``steps=N`` it runs so many commands before it writes the file, one in each answer.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from massgen_ls.testing.models import Request, Shell, Text, Turn, Write, serving
from tests.bench.measure import ROOT

MADE = "made.py"


def turn(request: Request) -> Turn:
    """What the model says next."""
    if "step-two" in request.last:
        return Turn(Text("All of it is done."))
    steps = int(found[1]) if (found := re.search(r"steps=(\d+)", request.opening)) else 1
    done = max((int(n) for n in re.findall(r"step-one-(\d+)", request.last)), default=0)
    if 0 < done < steps:
        return Turn(Text("I look further."), Shell(f"echo step-one-{done + 1}"))
    if done:
        return Turn(Text("Now the file."), Write(MADE, "made = 1\n"), Shell("echo step-two"))
    gate = re.search(r"gate=(\S+)", request.opening)
    wait = f"while [ ! -e {gate[1]} ]; do sleep 0.05; done; " if gate else ""
    return Turn(Text("I look at it first."), Shell(f"{wait}echo step-one-1"))


@asynccontextmanager
async def models() -> AsyncGenerator[str]:
    """Their address, as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, cwd=ROOT, stdin=-1, stdout=-1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def serve() -> None:
    """Prints the address; ends with its input."""
    async with serving({"*": turn}) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
