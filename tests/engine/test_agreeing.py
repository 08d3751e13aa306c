"""How a run counts those who agree, and holds the project's tests against who changes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from massgen_ls.core.explain import BASE_TESTS, explanation
from massgen_ls.core.markdown import markdown
from massgen_ls.core.task import CrossTestRules
from massgen_ls.engine.report import run_json
from massgen_ls.ports import AgentNews, Brief, Place
from massgen_ls.testing.agents import Script, waits, writes
from tests.engine.conftest import Bench

KEPT = "a: one\nb: two\n"
REWRITTEN = "a: five\nb: two\n"
NEW = "c: three\n"
FIVE = "five two\n"
"""Small, and it breaks what the project's test `a` holds."""
OTHER = "one two\nthree-ish\n"
THREE = "one two three\nlong\nlong\nlong\n"
ONE = "one two and more\nand more\nand more\n"


def judge(check: str, folder: Path) -> tuple[str, ...]:
    """A test in this language is a name and the word that it wants to see in ``m.py``."""
    words = (folder / "m.py").read_text().split()
    return tuple(
        f"{file.stem}::{line.partition(': ')[0]}"
        for file in sorted(folder.glob("test_*.py"))
        for line in file.read_text().splitlines()
        if line.partition(": ")[2] not in words
    )


def project(bench: Bench) -> None:
    bench.user.write("m.py", "one two\n")
    bench.user.write("test_m.py", KEPT)


def deletes(path: str, **files: str) -> Script:
    """An agent that writes files and deletes one."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await asyncio.to_thread((Path(place.folder) / path).unlink)
        async for news in writes(**files)(brief, place):
            yield news

    return script


async def test_who_rewrites_tests_of_the_project_loses_to_who_keeps_them(bench: Bench) -> None:
    project(bench)
    scripts = {
        "rewrites": writes(m__py=FIVE, test_m__py=REWRITTEN),
        "keeps": writes(m__py=ONE),
    }
    async with bench.engine(scripts, judge) as supervisor:
        run, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.verdict is not None
    assert state.verdict.winner == "keeps.1"
    assert "wins by the base's own tests" in state.verdict.why
    assert "rewrites.1 fails 1 of the tests that it changes" in state.verdict.why
    assert len(state.base_tested) == 2, "one run, and the second look; none for who keeps them"
    told = explanation(state)
    assert {row.candidate: row.base_tests for row in told.rows} == {
        "keeps.1": "",
        "rewrites.1": "fails 1",
    }
    assert "tie broken by the base's own tests" in told.steps[-1]
    assert BASE_TESTS in markdown(state, run)
    listed = run_json(run, state)["candidates"]
    assert isinstance(listed, list)
    assert [c["outdates"] for c in listed if isinstance(c, dict)] == [[], ["test_m::a"]]


async def test_deleting_the_tests_does_not_help(bench: Bench) -> None:
    project(bench)
    bench.user.write("test_n.py", "b: two\n")
    scripts = {"deletes": deletes("test_m.py", m__py=FIVE), "keeps": writes(m__py=ONE)}
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.verdict is not None
    assert state.verdict.winner == "keeps.1"
    assert "wins by the base's own tests" in state.verdict.why


async def test_a_gate_is_not_shut_by_them(bench: Bench) -> None:
    project(bench)
    scripts = {"rewrites": writes(m__py=FIVE, test_m__py=REWRITTEN), "fails": writes(m__py=FIVE)}
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.verdict is not None
    assert state.verdict.winner == "rewrites.1", "a task may ask for another result"
    assert state.base_tested == (), "and there is nothing to tell apart"


async def test_who_changes_no_test_of_the_base_costs_no_run(bench: Bench) -> None:
    project(bench)
    scripts = {"one": writes(m__py=THREE, test_own__py=NEW), "two": writes(m__py=ONE)}
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.base_tested == ()


async def test_they_are_switched_off_together_with_cross_tests(bench: Bench) -> None:
    project(bench)
    scripts = {
        "rewrites": writes(m__py=FIVE, test_m__py=REWRITTEN),
        "keeps": writes(m__py=ONE),
    }
    off = CrossTestRules(enabled=False)
    async with bench.engine(scripts, judge) as supervisor:
        spec = bench.spec(*scripts, checks=("tests",), cross_tests=off)
        _, state = await bench.finish(supervisor, spec)
    assert state.base_tested == ()
    assert state.verdict is not None
    assert state.verdict.winner == "rewrites.1", "as the smaller one"


async def test_a_fix_with_tests_and_the_same_without_agree(bench: Bench) -> None:
    project(bench)
    scripts = {
        "other": writes(m__py=OTHER),
        "bare": writes(m__py=THREE),
        "tested": writes(m__py=THREE, test_own__py=NEW),
    }
    rules = {"early_exit": False, "cross_tests": CrossTestRules(enabled=False)}
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",), **rules))
    assert state.verdict is not None
    assert state.verdict.winner == "tested.1", "of those that agree the one that brings tests"
    assert state.verdict.ranking == ("tested.1", "bare.1", "other.1")
    assert "2 agents arrived at this change" in state.verdict.why
    rows = {row.candidate: row.cluster for row in explanation(state).rows}
    assert rows["bare.1"] == rows["tested.1"] == ("tested.1", "bare.1")


async def test_more_than_half_agree_by_their_code(bench: Bench) -> None:
    project(bench)
    scripts = {
        "slow": waits(asyncio.Event()),
        "bare": writes(m__py=THREE),
        "tested": writes(m__py=THREE, test_own__py=NEW),
    }
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.verdict is not None
    assert state.verdict.winner == "tested.1"
    assert "More than half of the agents agree" in state.verdict.why


async def test_those_who_outdate_tests_end_no_run_early(bench: Bench) -> None:
    project(bench)
    scripts = {
        "keeps": writes(m__py=ONE),
        "one": writes(m__py=FIVE, test_m__py=REWRITTEN),
        "two": writes(m__py=FIVE, test_m__py=REWRITTEN + "d: two\n"),
    }
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("tests",)))
    assert state.verdict is not None
    assert {c.id for c in state.candidates} == {"keeps.1", "one.1", "two.1"}, "all were heard"
    trees = {c.id: c.tree for c in state.candidates}
    assert {b.onto for b in state.base_tested} <= {trees["one.1"], trees["two.1"]}
    assert "More than half" not in state.verdict.why


async def test_two_that_write_one_thing_in_two_layouts_agree(bench: Bench) -> None:
    bench.user.write("m.ts", "export const x = [1, 2]\n")
    scripts = {
        "one": writes(m__ts="export const x = [1, 2].map(f)\n"),
        "other": writes(m__ts="// All of them.\nexport const x = [\n  1,\n  2\n]\n  .map(f)\n"),
        "third": writes(m__ts="export const x = [1, 3].map(f)\n"),
    }
    async with bench.engine(scripts) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts))
    assert state.verdict is not None
    assert state.verdict.winner == "one.1"
    assert "2 agents arrived at this change" in state.verdict.why
