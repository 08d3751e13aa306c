"""Configuration: reading and checking a file against the YAML parser alone, in the same run; and
what an editor sees, from a keystroke sent to a real server until its diagnostics have come.

Run it with ``scripts/bench tests/bench/bench_config.py``. After imports; the median of many rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from massgen_ls.config import Beside
from massgen_ls.config.checkup import problems_of
from massgen_ls.config.document import scan
from massgen_ls.lsp.stdio.frames import Frames
from tests.bench.measure import QUICK, ROOT, against, say, show

pytestmark = pytest.mark.bench

ROUNDS = 15 if QUICK else 60
KEYSTROKES = 60 if QUICK else 400
TARGET = 20.0
"""Milliseconds to read and check a file of the size that people have."""
TYPING = 50.0
"""Milliseconds, p99, until an editor has what is wrong in a file of 2,000 lines."""


def team(lines: int) -> str:
    """A file of so many lines, with a mistake in the last agent."""
    agents = "".join(
        f"""\
  - id: agent{number}
    system_message: "You are agent number {number}, be careful"
    backend:
      type: claude_code
      model: opus
      args: [--verbose, --fast]
      timeout: 600
    permissions:
      allow: ["run:pytest *", fetch]
"""
        for number in range(lines // 9)
    )
    return f"agents:\n{agents}    sytem_message: x\n"


def sorted_times(work: Callable[[], object]) -> list[float]:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def events(text: str) -> None:
    for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        pass


@pytest.mark.parametrize("lines", [150, 2_000])
def test_read_and_check(lines: int, tmp_path: Path) -> None:
    text, file = team(lines), tmp_path / "massgen.yaml"
    file.write_text(text)
    beside = Beside({"HOME": str(tmp_path)})
    assert [p.meant for p in problems_of(file, beside)] == ["system_message"]
    floor = sorted_times(lambda: events(text))[ROUNDS // 2]
    read = sorted_times(lambda: scan(text))
    whole = sorted_times(lambda: problems_of(file, beside))
    say(f"{lines} lines: read, with places", read[ROUNDS // 2], "events of the parser", floor)
    say(f"{lines} lines: read and check", whole[ROUNDS // 2], "events of the parser", floor)
    if lines < 1_000:
        against(f"{lines} lines: read and check", whole[ROUNDS // 2], TARGET)


class Served:
    """A server of our own on real pipes; one thing at a time."""

    def __init__(self, folder: Path) -> None:
        environ = {
            **os.environ,
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "MASSGEN_LS_CACHE": str(folder / "cache"),
            "MASSGEN_LS_STATE": str(folder / "state"),
        }
        argv = (sys.executable, "-m", "massgen_ls", "serve", "--stdio")
        self.process = subprocess.Popen(
            argv, cwd=folder, env=environ, stdin=-1, stdout=-1, stderr=-3, bufsize=0
        )
        self._frames = Frames()
        self._waiting: list[bytes] = []
        params = {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}}
        self.send(id=1, method="initialize", params=params)
        self.hear(lambda m: m.get("id") == 1)
        self.send(method="initialized", params={})

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def hear(self, wanted: Callable[[Any], bool]) -> Any:
        assert self.process.stdout is not None
        while True:
            while self._waiting:
                message = json.loads(self._waiting.pop(0))
                if wanted(message):
                    return message
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            assert chunk, "the server is gone"
            self._waiting += self._frames.feed(chunk)

    def looked(self, version: int) -> Any:
        """What is wrong in a version."""
        method = "textDocument/publishDiagnostics"
        told = self.hear(lambda m: m.get("method") == method and m["params"]["version"] == version)
        return told["params"]["diagnostics"]


def test_typing(tmp_path: Path) -> None:
    """A character typed into a text in the middle, again and again, as fast as answers come."""
    text, uri = team(2_000), (tmp_path / "massgen.yaml").as_uri()
    served = Served(tmp_path)
    try:
        item = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        began = time.perf_counter()
        served.send(method="textDocument/didOpen", params={"textDocument": item})
        assert len(served.looked(1)) == 1
        show(f"2,000 lines, opened first: {(time.perf_counter() - began) * 1000:.0f} ms")
        took: list[float] = []
        place = {"line": 1_001, "character": 30}
        change = {"range": {"start": place, "end": place}, "text": "x"}
        for version in range(2, 2 + KEYSTROKES):
            began = time.perf_counter()
            served.send(
                method="textDocument/didChange",
                params={
                    "textDocument": {"uri": uri, "version": version},
                    "contentChanges": [change],
                },
            )
            assert len(served.looked(version)) == 1
            took.append((time.perf_counter() - began) * 1000)
    finally:
        served.process.kill()
        served.process.communicate()
    took.sort()
    floor = sorted_times(lambda: events(text))[ROUNDS // 2]
    say("2,000 lines: keystroke → diagnostics", took[len(took) // 2], "events of the parser", floor)
    p99 = took[int(len(took) * 0.99)]
    against("2,000 lines: keystroke → diagnostics, p99", p99, TYPING)


@pytest.mark.skipif(
    "MASSGEN_LS_CONFIGS" not in os.environ, reason="MASSGEN_LS_CONFIGS names a folder of files"
)
def test_the_largest_of_a_folder_of_files(tmp_path: Path) -> None:
    found = [p for p in Path(os.environ["MASSGEN_LS_CONFIGS"]).rglob("*.y*ml") if p.is_file()]
    largest = max(found, key=lambda p: p.stat().st_size)
    text = largest.read_text()
    copy = tmp_path / "massgen.yaml"
    copy.write_text(text)
    beside = Beside({"HOME": str(tmp_path)})
    floor = sorted_times(lambda: events(text))[ROUNDS // 2]
    took = sorted_times(lambda: problems_of(copy, beside))[ROUNDS // 2]
    say(f"{largest.name}: read and check", took, "events of the parser", floor)
    against(f"{largest.name}: read and check", took, TARGET)
