"""Our own gates, on real git: what nobody can read is ruled out before a check is run on it."""

from __future__ import annotations

from massgen_ls.core.candidate import PARSES, Fault
from massgen_ls.core.changes import rel_path
from massgen_ls.core.explain import markdown
from massgen_ls.core.gates import evidence_of
from massgen_ls.core.run_state import fold
from massgen_ls.testing.agents import writes
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
    trees = {c.seat: c.tree for c in state.candidates}
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
