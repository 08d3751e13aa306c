"""Our own gates, on real git: what nobody can read is ruled out before a check is run on it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.candidate import PARSES, Fault
from massgen_ls.core.changes import RelPath, rel_path
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.events import LandingTried
from massgen_ls.core.gates import evidence_of
from massgen_ls.core.markdown import markdown
from massgen_ls.core.plan import Clash, LiveFile
from massgen_ls.core.run_state import fold
from massgen_ls.core.task import CandidateId, CheckSpec
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Ended, Place
from massgen_ls.testing.agents import Script, writes
from tests.engine.conftest import Bench

NEWER = "def f():\n    print 'x'\n"
"""What our Python cannot read, and perhaps another one can."""


async def test_who_leaves_what_nobody_can_read_is_ruled_out_unmeasured(bench: Bench) -> None:
    bench.user.write("a.py", "x = 1\n")
    bench.user.write("locale.json", '{"a": 1}\n')
    bench.user.write("lib/pyproject.toml", '[project]\nrequires-python = ">=3.8"\n')
    bench.user.write("lib/b.py", "y = 1\n")
    bench.user.write("c.py", "z = 1\n")
    scripts = {
        "comma": writes(locale__json='{"a": 1 "b": 2}\n'),
        "open": writes(a__py="x = (1,\n"),
        "print": writes(**{"lib/b__py": NEWER}),
        "unsure": writes(c__py=NEWER, a__py="x = 2\ny = 3\n"),
        "sound": writes(a__py="x = 2\n", locale__json='{"a": 2}\n'),
    }
    async with bench.engine(scripts) as supervisor:
        run, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("k",)))
        history = [envelope.event for envelope in await supervisor.history(run)]
    assert state.snapshot is not None
    assert state.verdict is not None
    assert fold(history) == state, "what is on record says all of it"
    assert {c.seat: c.faults for c in state.candidates} == {
        "comma": (Fault(rel_path("locale.json"), 1, "Expecting ',' delimiter"),),
        "open": (Fault(rel_path("a.py"), 1, "'(' was never closed"),),
        "print": (Fault(rel_path("lib/b.py"), 2, state.candidates[2].faults[0].message),),
        "unsure": (),
        "sound": (),
    }
    trees = {str(c.seat): c.tree for c in state.candidates}
    judged = {tree for _, tree in bench.checker.runs}
    assert judged == {state.snapshot.tree, trees["unsure"], trees["sound"]}
    assert state.verdict.winner == "sound.1", "the smaller one"
    assert (
        "comma.1 is ruled out: locale.json no longer parses (line 1: Expecting ',' delimiter). "
        "open.1 is ruled out: a.py no longer parses (line 1: '(' was never closed)."
    ) in state.verdict.why
    assert [e.check for e in evidence_of(state, trees["open"])] == [PARSES]
    assert f"| candidate | change | k | {PARSES} |" in markdown(state, run)


async def test_one_alone_is_looked_at_too(bench: Bench) -> None:
    bench.user.write("package.json", "{}\n")
    async with bench.engine({"only": writes(package__json='{"a": 1,}\n')}) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("only"))
    assert state.verdict is not None
    assert state.verdict.outcome == "abstained"
    assert "package.json no longer parses (line 1: " in state.verdict.why


async def test_a_new_finding_rules_out_and_an_old_one_does_not(bench: Bench) -> None:
    """With the real ruff, which knows nothing of what is new."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    lint = CheckSpec("lint", (ruff, "check", "--no-cache", "--isolated", "."))
    bench.user.write("a.py", "import os\n")
    bench.user.write("b.py", "import sys\n\n\ndef f():\n    return 1\n")

    async def renames(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        folder = Path(place.folder)
        await asyncio.to_thread((folder / "b.py").rename, folder / "c.py")
        yield Ended("done")

    scripts: dict[str, Script] = {
        "new": writes(b__py="import re\nimport sys\n\n\ndef f():\n    return 2\n"),
        "again": writes(b__py="import sys\n\n\ndef f():\n    import sys\n"),
        "moved": writes(b__py="X = 1\n\nimport sys\n\n\ndef f():\n    return 2\n"),
        "renamed": renames,
        "mended": writes(a__py="Y = 1\n"),
    }

    def change(world: World) -> World:
        checker = CommandChecker(HostProcesses(), bench.user.env, sys.executable)
        return replace(world, checker=checker)

    async with bench.engine(scripts, change=change) as supervisor:
        order = replace(bench.spec(*scripts), checks=(lint,))
        _, state = await bench.finish(supervisor, order)
    found = {c.seat: evidence_of(state, c.tree)[0] for c in state.candidates}
    assert {seat: e.new_failures for seat, e in found.items()} == {
        "new": ("b.py: F401 `re` imported but unused",),
        "again": (
            "b.py: F401 `sys` imported but unused",
            "b.py: F811 Redefinition of unused `sys` from line",
        ),
        "moved": (),
        "renamed": (),
        "mended": (),
    }
    assert [seat for seat, e in found.items() if e.fixed] == ["mended"]
    assert state.verdict is not None
    assert state.verdict.winner == "mended.1"
    assert "new.1 is ruled out: lint fails where the base does not (b.py: F401" in state.verdict.why


async def test_of_equals_one_that_lands_wins(bench: Bench) -> None:
    bench.user.write("b.py", "one\n")
    typed: dict[str, str] = {}

    async def types_on(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        """The user types while agents work: here one of them sees to it."""
        for name, text in typed.items():
            bench.user.write(name, text)
        async for item in writes(a__py="1\n2\n3\n4\nFIVE\nSIX\n")(brief, place):
            yield item

    scripts: dict[str, Script] = {
        "small": writes(a__py="ONE\n2\n3\n4\n5\n"),
        "large": types_on,
    }
    both = (CandidateId("small.1"), CandidateId("large.1"))
    small, large = (Clash(each, (rel_path("a.py"),)) for each in both)
    async with bench.engine(scripts) as supervisor:
        for now, clashes, winner in (
            ({"b.py": "typed\n"}, (), "small.1"),
            ({"a.py": "1\n2\ndrei\n4\n5\n"}, (), "small.1"),
            ({"a.py": "eins\n2\n3\n4\n5\n"}, (small,), "large.1"),
            # Where none lands, the better one wins, and its conflicts are shown.
            ({"a.py": "eins\n2\n3\n4\nfuenf\n"}, (small, large), "small.1"),
        ):
            bench.user.write("a.py", "1\n2\n3\n4\n5\n")
            typed.clear()
            typed.update(now)
            run = await supervisor.start(bench.spec(*scripts), bench.folder, live=DiskFiles())
            state = await supervisor.wait(run)
            history = [envelope.event for envelope in await supervisor.history(run)]
            tried = [event for event in history if isinstance(event, LandingTried)]
            assert tried == [LandingTried(both, clashes)]
            assert fold(history) == state, "a replay decides the same"
            assert state.verdict is not None
            assert state.verdict.winner == winner
            words = "small.1 is ruled out: it conflicts with what you have changed in a.py."
            assert (words in state.verdict.why) == (winner == "large.1")


async def test_one_choice_or_nobody_at_hand_is_not_tried(bench: Bench) -> None:
    bench.user.write("a.py", "x = 1\n")
    scripts = {
        "one": writes(a__py="x = 2\n"),
        "same": writes(a__py="x = 2\n"),
        "other": writes(a__py="x = 3\n"),
    }
    async with bench.engine(scripts) as supervisor:
        for agents, live in ((("one", "same"), DiskFiles()), (("one", "other"), None)):
            run = await supervisor.start(bench.spec(*agents), bench.folder, live=live)
            state = await supervisor.wait(run)
            assert state.verdict is not None
            assert (state.verdict.winner, state.landing) == ("one.1", None)


async def test_files_that_cannot_be_read_rule_nobody_out(bench: Bench) -> None:
    class Unreadable(DiskFiles):
        async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
            raise WorkspaceError("a.py cannot be read")

    bench.user.write("a.py", "x = 1\n")
    scripts = {"one": writes(a__py="x = 2\n"), "two": writes(a__py="x = 3\n")}
    async with bench.engine(scripts) as supervisor:
        run = await supervisor.start(bench.spec(*scripts), bench.folder, live=Unreadable())
        state = await supervisor.wait(run)
    assert state.landing == LandingTried((CandidateId("one.1"), CandidateId("two.1")))
    assert state.verdict is not None
    assert state.verdict.winner == "one.1"
