"""How quick the VS Code extension is, in the real workbench, next to what VS Code itself takes.

Run it with ``scripts/bench tests/bench/bench_vscode.py``.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

import pytest

from tests.bench.measure import against, say
from tests.e2e.workbench import Workbench, chromium, code_server, packaged
from tests.e2e.world import World

FILES = 50
ONE = "open('f0.py', 'a').write('last = 1\\n')"
MAKES = f"""
for i in range({FILES}):
    open(f'many{{i}}.py', 'w').write('\\n'.join(f'line {{n}} of {{i}}' for n in range(40)))
"""
CHANGES = "import glob\nfor name in glob.glob('f*.py'): open(name, 'a').write('last = 1\\n')\n"
FOREVER = "300"


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    quick = {k: v for k, v in os.environ.items() if k == "MASSGEN_LS_BENCH_QUICK"}
    world = World(tmp_path.resolve(), quick)
    world.init(**{f"f{number}.py": f"value = {number}\n" * 40 for number in range(FILES)})
    out = world.top / "out"
    out.mkdir()
    return Workbench(world, code_server(), packaged(), chromium(), out)


@pytest.mark.bench
async def test_the_first_progress_and_the_diff_of_a_candidate(workbench: Workbench) -> None:
    agents = [("one", ONE), ("many", MAKES), ("changes", CHANGES)]
    world = workbench.world
    config = world.configure([world.agent(name, program) for name, program in agents])
    report, _ = await workbench.play("speed", **{"massgen.server.configuration": str(config)})
    assert report["error"] is None, report
    took = {what: statistics.median(all_) for what, all_ in report["measured"].items()}
    against("activation", took["activation_ms"], 150)
    against("key → progress shown", took["shown_ms"], 200)
    against("key → the server's first progress", took["first_progress_ms"], 200)
    for agent, what in (("many", "made"), ("changes", "changed")):
        own = max(report["measured"][f"own_{agent}_ms"])  # the first: later its texts are here
        against(f"our part of a diff of {FILES} {what} files", own, 100)
        bare = took[f"bare_{agent}_ms"]
        against(f"VS Code's own diff of {FILES} {what} files", bare, 100)
        say(f"diff of a candidate's {FILES} {what} files", took[f"diff_{agent}_ms"], "it", bare)


@pytest.mark.bench
async def test_sixteen_agents_stream_into_the_tree(workbench: Workbench) -> None:
    settings = {
        "massgen.server.command": [sys.executable, "-m", "tests.bench.streaming", FOREVER],
        "massgen.server.startWithWindow": False,
    }
    report, _ = await workbench.play("stream", **settings)
    assert report["error"] is None, report
    took = report["measured"]
    against("extension host, nothing going on", took["idle_percent"], 2, "% of a core")
    against("VS Code's own: a bare tree of 16 lines", took["bare_tree_percent"], 2, "% of a core")
    against("16 agents stream into our tree", took["streaming_percent"], 2, "% of a core")
    against("the same, and into the log of one", took["log_percent"], 2, "% of a core")
    against("16 agents, the tree out of sight", took["hidden_percent"], 2, "% of a core")
    against("updates of our tree", took["updates_per_second"], 10, "a second")
