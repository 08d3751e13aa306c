"""Configuration: reading and checking a file against the YAML parser alone, in the same run.

Run it with ``scripts/bench tests/bench/bench_config.py``. After imports; the median of many rounds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from massgen_ls.config import Beside
from massgen_ls.config.checkup import problems_of
from massgen_ls.config.document import scan
from tests.bench.measure import QUICK, against, say

pytestmark = pytest.mark.bench

ROUNDS = 15 if QUICK else 60
TARGET = 20.0
"""Milliseconds to read and check a file of the size that people have."""
TYPING = 50.0
"""Milliseconds, p99, until an editor can show what is wrong in a file of 2,000 lines."""


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
    else:
        against(f"{lines} lines: read and check, p99", whole[int(ROUNDS * 0.99)], TYPING)


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
