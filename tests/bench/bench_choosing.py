"""What choosing costs: normal forms of many large candidates.

Run it with ``scripts/bench tests/bench/bench_choosing.py``.
"""

from __future__ import annotations

import random
import time

import pytest

from massgen_ls.core.changes import ChangeSet, FileChange, RelPath, rel_path
from massgen_ls.core.normal import Normaliser
from tests.bench.measure import against

pytestmark = pytest.mark.bench

CANDIDATES = 16
CHANGED = 2_000
"""Lines of each: half of them removed, half of them added."""


def source(seed: int, lines: int) -> bytes:
    rng = random.Random(seed)
    block = "def f{n}(self, a: int, *rest: str) -> list[int]:\n    # of the line\n    x = a + {k}\n"
    block += '    if x > self.limit[{k}] and rest:\n        raise ValueError(f"{{x}} is too {k}")\n'
    text = "".join(block.format(n=n, k=rng.randint(0, 10**6)) for n in range(lines // 5))
    return text.encode()


def test_sixteen_candidates_of_two_thousand_changed_lines() -> None:
    for suffix in ("py", "c"):
        path = rel_path(f"a.{suffix}")
        contents = {str(n): source(n, CHANGED // 2) for n in range(CANDIDATES + 1)}
        took: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            normaliser = Normaliser()
            digests = {digest(normaliser, path, contents, n) for n in range(1, CANDIDATES + 1)}
            took.append((time.perf_counter() - began) * 1000)
            assert len(digests) == CANDIDATES
        against(f"normal forms, 16 × 2,000 changed lines, .{suffix}", min(took), 300.0)


def digest(normaliser: Normaliser, path: RelPath, contents: dict[str, bytes], number: int) -> str:
    change = FileChange("modify", path, None, "0", str(number), "file", "file", 1, 1)
    changes = ChangeSet.of([change])
    for wanted, oid in normaliser.missing(changes):
        normaliser.add(wanted, oid, contents[oid])
    return normaliser.digest(changes)
