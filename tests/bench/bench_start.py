"""How long an editor or a person waits for us at first.

Run it with ``scripts/bench tests/bench/bench_start.py``.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.bench.measure import QUICK, ROOT, against, say, show, timed
from tests.fakes.repositories import UserRepo

pytestmark = pytest.mark.bench

ROUNDS = 5 if QUICK else 9

BARE_PYGLS = """
from pygls.lsp.server import LanguageServer
LanguageServer("bare", "1").start_io()
"""


async def initialized(argv: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> float:
    """Milliseconds from the start of the program to its answer to `initialize`."""
    params = {"processId": None, "rootUri": cwd.as_uri(), "capabilities": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=environ, stdin=-1, stdout=-1, stderr=-3
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
        async with asyncio.timeout(30):
            head = await process.stdout.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            answer = json.loads(await process.stdout.readexactly(length))
        took = (time.perf_counter() - began) * 1000
        assert "capabilities" in answer["result"], answer
        return took
    finally:
        process.kill()
        await process.communicate()


async def medians(
    programs: Mapping[str, Sequence[str]], cwd: Path, environ: Mapping[str, str]
) -> dict[str, float]:
    """Interleaved, so that a busy moment hits all of them."""
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, argv in programs.items():
            took[name].append(await initialized(argv, cwd, environ))
    return {name: statistics.median(times) for name, times in took.items()}


@pytest.fixture
def user(tmp_path: Path) -> UserRepo:
    """A small repository and an environment of its own."""
    base = tmp_path.resolve()
    (base / "repo").mkdir()
    (base / "home").mkdir()
    repo = UserRepo(base / "repo", base / "home")
    repo.git("init", "-q")
    repo.commit(**{"a.py": "a = 1\n"})
    repo.environ |= {
        "PYTHONPATH": str(ROOT),
        "MASSGEN_LS_CACHE": str(base / "cache"),
        "MASSGEN_LS_STATE": str(base / "state"),
    }
    return repo


async def test_initialize(user: UserRepo) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    programs = {
        "massgen-ls serve": (sys.executable, "-m", "massgen_ls", "serve", "--stdio"),
        "bare pygls": (sys.executable, "-c", BARE_PYGLS),
        "ruff server": (str(ruff), "server"),
    }
    took = await medians(programs, user.top, user.environ)
    ours = took["massgen-ls serve"]
    show("\nfrom the start of the program to the answer to `initialize`")
    against("massgen-ls serve", ours, 150)
    say("  the same", ours, "a bare pygls server", took["bare pygls"])
    say("  the same", ours, "ruff server (a native program)", took["ruff server"])


async def test_commands(user: UserRepo) -> None:
    async def run(*argv: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=user.top, env=user.environ, stdin=-3, stdout=-3, stderr=-3
        )
        assert await process.wait() == 0

    commands = {"--version": 100.0, "--help": 100.0, "doctor": 500.0, "runs": None}
    took: dict[str, list[float]] = {name: [] for name in ("", *commands)}
    for _ in range(ROUNDS):
        took[""].append(await timed(lambda: run(sys.executable, "-c", "pass")))
        for name in commands:
            ours = (sys.executable, "-m", "massgen_ls", name)
            took[name].append(await timed(lambda ours=ours: run(*ours)))
    bare = statistics.median(took.pop(""))
    show("\nfrom the start of a command to its end")
    for name, times in took.items():
        middle, goal = statistics.median(times), commands[name]
        if goal is not None:
            against(f"massgen-ls {name}", middle, goal)
        say("  the same" if goal else f"massgen-ls {name}", middle, "a bare Python", bare)
