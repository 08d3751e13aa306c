"""Code-action requests while 16 agents stream, against a request that does nothing.

Run it with ``scripts/bench tests/bench/bench_actions.py``. Client and server share one process and
one core, so the client's own work is in every figure.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from massgen_ls.core.task import RunId
from massgen_ls.testing.editor import ServerError
from tests.bench.measure import QUICK, say, show
from tests.lsp.editor import NEOVIM, Client, talking

AGENTS = 16
REQUESTS = 100 if QUICK else 500
LINE = "some agent says what it is doing, at some length, again and again\n"


async def stream(client: Client, run: RunId) -> None:
    """Sixteen agents that print about 2 MB a second between them."""
    while True:
        for _ in range(AGENTS):
            client.engine.chatter(run, LINE * 3)
        await asyncio.sleep(0.0015)


async def answers(client: Client, method: str, params: Any) -> list[float]:
    """Milliseconds of each round trip, sorted."""
    spent: list[float] = []
    for _ in range(REQUESTS):
        client.heard.clear()
        began = time.perf_counter()
        with suppress(ServerError):
            await client.request(method, params)
        spent.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.002)
    return sorted(spent)


def compare(name: str, asked: list[float], nothing: list[float]) -> None:
    """The median and the slowest but one in a hundred, beside those of a request for nothing."""
    last = int(REQUESTS * 0.99)
    say(f"{name}, median", statistics.median(asked), "nothing", statistics.median(nothing))
    say(f"{name}, p99", asked[last], "nothing, p99", nothing[last])


@pytest.mark.bench
async def test_code_actions_while_agents_print(tmp_path: Path) -> None:
    text = "".join(f"value_{n} = {n}  # massgen: tidy this\n" for n in range(10_000))
    async with talking(tmp_path, NEOVIM, options={"events": "all"}) as client:
        uri = client.open("a.py", text)
        where = {"start": {"line": 5000, "character": 0}, "end": {"line": 5003, "character": 2}}
        problem = {"range": where, "message": "something is wrong"}
        params = {
            "textDocument": {"uri": uri},
            "range": where,
            "context": {"diagnostics": [problem] * 20},
        }
        run = RunId((await client.request("massgen/run", {"prompt": "x"}))["runId"])
        show(
            f"\ncode actions in 10,000 lines, 20 problems, {AGENTS} agents that print 2 MB a second"
        )
        quiet = await answers(client, "no/such", None)
        compare("quiet", await answers(client, "textDocument/codeAction", params), quiet)
        async with asyncio.TaskGroup() as group:
            noise = group.create_task(stream(client, run))
            busy = await answers(client, "no/such", None)
            compare("busy", await answers(client, "textDocument/codeAction", params), busy)
            noise.cancel()
    resident = psutil.Process().memory_info().rss / 2**20
    show(f"memory of client, server and bench in one process: {resident:.0f} MB")
