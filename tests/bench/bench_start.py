"""Spawn → `initialize` response, against a bare pygls server and `ruff server`; interleaved.

Run: ``python -m tests.bench.bench_start [rounds]``.
"""

# ruff: noqa: T201
from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from massgen_ls.lsp.frames import Frames, frame

BARE = (
    "from pygls.lsp.server import LanguageServer\n"
    "server = LanguageServer('bare', '1')\n"
    "@server.command('bare.hello')\n"
    "def hello(ls, *args): return None\n"
    "server.start_io()\n"
)
FLOOR = (
    "import sys, json\n"
    "sys.stdin.buffer.readline(); sys.stdin.buffer.readline()\n"
    "b = json.dumps({'jsonrpc': '2.0', 'id': 1, 'result': {}}).encode()\n"
    "sys.stdout.buffer.write(b'Content-Length: %d\\r\\n\\r\\n%s' % (len(b), b))\n"
    "sys.stdout.buffer.flush(); sys.stdin.buffer.read()\n"
)
RUFF = str(Path(sys.executable).with_name("ruff"))
SERVERS: dict[str, tuple[str, ...]] = {
    "massgen-ls serve": (sys.executable, "-m", "massgen_ls", "serve", "--stdio"),
    "front alone": (
        sys.executable,
        "-c",
        "from massgen_ls.lsp.front import serve; serve(lambda: None)",
    ),
    "bare pygls": (sys.executable, "-c", BARE),
    "json loop (floor)": (sys.executable, "-c", FLOOR),
    "ruff server": (RUFF, "server"),
}
HELLO = frame(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"processId": None, "rootUri": None, "capabilities": {}},
    }
)


def once(argv: tuple[str, ...]) -> tuple[float, float]:
    """(seconds, MiB resident at the answer)."""
    began = time.perf_counter()
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(HELLO)
        frames = Frames()
        while not frames.feed(process.stdout.read(65536)):
            pass
        spent = time.perf_counter() - began
        resident = psutil.Process(process.pid).memory_info().rss / 2**20
        process.kill()
    return spent, resident


def main(rounds: int) -> None:
    """Prints the medians and their ratios to ours."""
    times: dict[str, list[float]] = {name: [] for name in SERVERS}
    sizes: dict[str, list[float]] = {name: [] for name in SERVERS}
    for number in range(rounds + 1):
        for name, argv in SERVERS.items():
            spent, resident = once(argv)
            if number:  # the first round warms the disk
                times[name].append(spent)
                sizes[name].append(resident)
    ours = statistics.median(times["massgen-ls serve"])
    print("spawn → initialize response     median ms    min ms   RSS MiB   ours / it")
    for name in SERVERS:
        middle = statistics.median(times[name])
        print(
            f"{name:<30} {middle * 1000:10.0f} {min(times[name]) * 1000:9.0f}"
            f" {statistics.median(sizes[name]):9.0f} {ours / middle:11.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
