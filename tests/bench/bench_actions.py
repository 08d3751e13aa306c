"""Code-action requests while 16 agents stream, against a request that does nothing.

Run: ``python -m tests.bench.bench_actions [requests]``. Client and server share one process and
one core, so the client's own work is in every figure.
"""

# ruff: noqa: T201
from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from massgen_ls.core.task import RunId
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import NEOVIM, Client, talking

AGENTS = 16
LINE = "some agent says what it is doing, at some length, again and again\n"


async def stream(client: Client, run: RunId) -> None:
    """Sixteen agents that print about 2 MB a second between them."""
    while True:
        for _ in range(AGENTS):
            client.engine.chatter(run, LINE * 3)
        await asyncio.sleep(0.0015)


async def timed(client: Client, method: str, params: Any, count: int) -> list[float]:
    """Seconds of each round trip."""
    spent: list[float] = []
    for _ in range(count):
        client.heard.clear()
        began = time.perf_counter()
        with suppress(ServerError):
            await client.request(method, params)
        spent.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    return sorted(spent)


def show(name: str, spent: list[float]) -> None:
    """One line of the table."""
    p99 = spent[int(len(spent) * 0.99)]
    print(f"{name:<34} p50 {statistics.median(spent) * 1e3:6.2f} ms   p99 {p99 * 1e3:6.2f} ms")


async def main(count: int) -> None:
    """Prints the round trips, alone and while agents stream."""
    text = "".join(f"value_{n} = {n}  # massgen: tidy this\n" for n in range(10_000))
    with tempfile.TemporaryDirectory() as folder:
        async with talking(Path(folder), NEOVIM, options={"events": "all"}) as client:
            uri = client.open("a.py", text)
            where = {
                "start": {"line": 5000, "character": 0},
                "end": {"line": 5003, "character": 2},
            }
            problem = {"range": where, "message": "something is wrong"}
            params = {
                "textDocument": {"uri": uri},
                "range": where,
                "context": {"diagnostics": [problem] * 20},
            }
            run = RunId((await client.request("massgen/run", {"prompt": "x"}))["runId"])
            show("nothing, quiet", await timed(client, "no/such", None, count))
            show(
                "code action, quiet", await timed(client, "textDocument/codeAction", params, count)
            )
            async with asyncio.TaskGroup() as group:
                noise = group.create_task(stream(client, run))
                show("nothing, 16 agents", await timed(client, "no/such", None, count))
                busy = await timed(client, "textDocument/codeAction", params, count)
                show("code action, 16 agents", busy)
                noise.cancel()
    print(f"resident: {psutil.Process().memory_info().rss / 2**20:.0f} MiB (client and server)")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
