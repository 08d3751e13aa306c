"""Consensus on real git: agents see what there is, vote or improve, and are never asked in vain."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from massgen_ls.core.candidate import Candidate
from massgen_ls.core.events import NoteSent
from massgen_ls.core.explain import explanation
from massgen_ls.core.markdown import markdown
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import ConsensusRules, Json, RunSpec, Voting
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Ended, Note, Place
from massgen_ls.testing.agents import Script, ScriptedDriver, waits, writes
from tests.engine.conftest import Bench, no_failures
from tests.engine.test_polling import INJECTIONS, told


@dataclass
class Member:
    """An agent: how it answers at first, what it says when it is asked, and how it improves."""

    first: Script
    says: Callable[[Brief], Json | Ended]
    improves: Script = field(default_factory=writes)
    heard: list[Brief] = field(default_factory=list)
    orders: list[Brief] = field(default_factory=list)
    """What it was told when it was to improve."""

    async def script(self, brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        if brief.schema is not None:
            self.heard.append(brief)
            given = self.says(brief)
            yield given if isinstance(given, Ended) else Ended("done", answer=given)
            return
        if brief.attempt > 1:
            self.orders.append(brief)
        work = self.first if brief.attempt == 1 else self.improves
        async for item in work(brief, place):
            yield item


def own(brief: Brief) -> list[str]:
    found = re.search(r"^Yours stands last: (.+)\. Nobody votes", brief.prompt, re.MULTILINE)
    assert found is not None
    return found[1].split(", ")


def offered(brief: Brief) -> list[str]:
    assert brief.schema is not None
    return brief.schema["properties"]["decision"]["enum"]  # type: ignore[index,call-overload,return-value]


def votes(*likes: str) -> Callable[[Brief], Json]:
    """Votes for the first of these words that stands in a candidate of somebody else."""

    def says(brief: Brief) -> Json:
        others = {n: said for n, said in told(brief).items() if n not in own(brief)}
        for word in likes:
            for name, said in others.items():
                if word in said:
                    return {"reason": f"{name} has it", "decision": "vote", "candidate": name}
        return {"reason": "any", "decision": "vote", "candidate": next(iter(others))}

    return says


def improves(*likes: str, on: str = "") -> Callable[[Brief], Json]:
    """Improves on its own (or on what has a word in it) as long as it may, then votes."""

    def says(brief: Brief) -> Json:
        if "improve" not in offered(brief):
            return votes(*likes)(brief)
        there = told(brief)
        chosen = next((n for n, said in there.items() if on and on in said), own(brief)[0])
        return {"reason": f"{chosen} can be better", "decision": "improve", "candidate": chosen}

    return says


def line(name: str, times: int = 1) -> Script:
    return writes(f__py=f"{name} = 1\n" * times)


async def finish(
    bench: Bench,
    members: dict[str, Member | Script],
    judge: Callable[[str, Path], tuple[str, ...]] = no_failures,
    checks: tuple[str, ...] = (),
    voting: Voting | None = None,
    **rules: object,
) -> RunState:
    scripts = {n: m.script if isinstance(m, Member) else m for n, m in members.items()}
    driver = ScriptedDriver(scripts, briefed=True)
    plain = ScriptedDriver(scripts)

    def change(world: World) -> World:
        return replace(world, drivers={**world.drivers, "team": driver, "program": plain})

    spec = bench.spec(*members, checks=checks, mode="consensus", voting=voting or Voting(), **rules)
    types = {n: "team" if isinstance(m, Member) else "program" for n, m in members.items()}
    agents = tuple(replace(a, type=types[str(a.id)]) for a in spec.agents)
    spec: RunSpec = replace(spec, agents=agents)
    async with bench.engine(judge=judge, change=change) as supervisor:
        _, state = await bench.finish(supervisor, spec)
        history = await supervisor.history((await supervisor.runs())[0].run)
        bench.notes = [e.event for e in history if isinstance(e.event, NoteSent)]  # type: ignore[attr-defined]
    return state


def made(state: RunState, name: str) -> Candidate:
    found = next((c for c in state.candidates if c.id == name), None)
    assert found is not None, [c.id for c in state.candidates]
    return found


def three(**says: Callable[[Brief], Json | Ended]) -> dict[str, Member]:
    sizes = {"a": 3, "b": 1, "c": 2}
    return {
        n: Member(line(n * 5, s), says.get(n, votes("ccccc", "aaaaa"))) for n, s in sizes.items()
    }


async def test_agents_that_answer_and_then_vote_are_asked_twice_and_no_more(bench: Bench) -> None:
    """2N requests for N agents: one for the work, one for the vote, and none to present it."""
    members = three() | {"d": Member(line("ddddd", 4), votes("aaaaa"))}
    state = await finish(bench, dict(members))
    assert state.verdict is not None
    assert state.verdict.winner == "c.1", "2 to 2, and the smaller change"
    assert [len(m.heard) for m in members.values()] == [1, 1, 1, 1]
    assert [(w.round, w.judge, w.said, w.choice) for w in explanation(state).rounds] == [
        (1, "a", "vote", "c.1"),
        (1, "b", "vote", "c.1"),
        (1, "c", "vote", "a.1"),
        (1, "d", "vote", "a.1"),
    ]


async def test_who_would_come_too_late_is_not_waited_for(bench: Bench) -> None:
    begun = asyncio.Event()

    async def last(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        if brief.schema is not None:
            begun.set()
            await asyncio.Event().wait()
        async for item in line("ccccc", 2)(brief, place):
            yield item

    async def after(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        if brief.schema is not None:
            await begun.wait()
        async for item in members["b"].script(brief, place):
            yield item

    members: dict[str, Member] = three()
    slow = Member(writes(), votes())
    slow.script = last  # type: ignore[method-assign]
    second = Member(writes(), votes())
    second.script = after  # type: ignore[method-assign]
    state = await finish(bench, {"a": members["a"], "b": second, "c": slow})
    assert state.verdict is not None
    assert "c.1 wins by votes, 2 to 0" in state.verdict.why
    assert state.asked == ()


async def test_one_improves_and_the_others_vote_for_it(bench: Bench) -> None:
    members = three(a=improves("ccccc"), b=votes("BETTER", "ccccc"), c=votes("BETTER", "bbbbb"))
    members["a"].improves = writes(g__py="BETTER = 1\n")
    state = await finish(bench, dict(members))
    better = made(state, "a.2")
    assert better.built_on == "a.1"
    assert [f.path for f in better.changes.files] == ["f.py", "g.py"], "it went on from its own"
    assert state.verdict is not None
    assert state.verdict.winner == "a.2"
    assert "2 rounds of votes: a.2 improves on a.1" in state.verdict.why
    assert [len(members[name].heard) for name in "bc"] == [2, 2]
    assert offered(members["a"].heard[0]) == ["vote", "improve"]
    for brief in members["a"].heard[1:]:
        assert offered(brief) == ["vote"], "two answers each, the first one included"
    rounds = [(w.round, w.judge, w.said, w.came) for w in explanation(state).rounds]
    assert [word for word in rounds if word[:2] != (2, "a")] == [
        (1, "a", "improve", "a.2"),
        (1, "b", "vote", None),
        (1, "c", "vote", None),
        (2, "b", "vote", None),
        (2, "c", "vote", None),
    ]
    page = markdown(state, "r1")
    assert "| 1 | a | improves on | a.1 | a.2 |" in page
    assert "## Ballots" not in page


async def test_one_may_build_on_what_another_made(bench: Bench) -> None:
    members = three(a=improves(on="ccccc"), b=votes("BETTER"), c=votes("BETTER", "bbbbb"))
    members["a"].improves = writes(g__py="BETTER = 1\n")
    state = await finish(bench, dict(members))
    better = made(state, "a.2")
    assert better.built_on == "c.1"
    (order,) = members["a"].orders
    assert "can be better" in order.prompt
    assert "c.1" not in order.prompt
    assert order.prompt.startswith("do it\n\n## What there is already")
    assert state.verdict is not None
    assert state.verdict.winner == "a.2"


async def test_everybody_sees_the_same_labels_and_its_own_last(bench: Bench) -> None:
    members = three(a=improves())
    members["a"].improves = writes(g__py="BETTER = 1\n")
    state = await finish(bench, dict(members))
    seen = {
        (name, number): {
            word: label
            for label, said in told(brief).items()
            for word in ("aaaaa", "bbbbb", "ccccc", "BETTER")
            if f"+{word}" in said and not (word == "aaaaa" and "BETTER" in said)
        }
        for name, member in members.items()
        for number, brief in enumerate(member.heard)
    }
    every: dict[str, str] = {}
    for labels in seen.values():
        for word, label in labels.items():
            assert every.setdefault(word, label) == label
    assert len(set(every.values())) == 4
    for member in members.values():
        assert list(told(member.heard[0]))[-1:] == own(member.heard[0])
    assert state.verdict is not None


async def test_votes_are_for_others_only_and_an_unusable_answer_is_asked_for_again(
    bench: Bench,
) -> None:
    def vain(brief: Brief) -> Json:
        return {"reason": "mine", "decision": "vote", "candidate": own(brief)[0]}

    members = three(b=votes("aaaaa"), c=vain)
    state = await finish(bench, dict(members))
    assert len(members["c"].heard) == 3
    assert "nobody votes for their own" in members["c"].heard[1].prompt
    (missed,) = state.asked
    assert "(asked 3 times)" in missed.missed
    assert state.verdict is not None
    assert state.verdict.winner == "c.1", "of the two that voted"


async def test_what_is_nothing_new_is_refused_and_its_agent_votes(bench: Bench) -> None:
    members = three(a=improves("ccccc"))
    members["a"].improves = line("aaaaa", 3)  # as it is
    state = await finish(bench, dict(members))
    assert [c.id for c in state.candidates] == ["a.1", "b.1", "c.1"]
    assert len(members["a"].heard) == 2
    assert len(members["b"].heard) == 1, "nothing new has come, so its vote stands"
    assert "nothing came of it: what it left is there already" in members["a"].heard[1].prompt
    assert state.verdict is not None
    assert state.verdict.winner == "c.1"


@pytest.mark.parametrize(("rule", "taken"), [("lenient", True), ("balanced", False)])
async def test_novelty_is_measured_by_the_words_of_the_change(
    bench: Bench, rule: str, *, taken: bool
) -> None:
    text = " ".join(f"word{n}" for n in range(40))
    members = three(a=improves("ccccc"))
    members["a"].first = writes(f__txt=f"{text}\n")
    members["a"].improves = writes(f__txt=f"{text} more\n")
    rules = ConsensusRules(novelty=rule)  # type: ignore[arg-type]
    state = await finish(bench, dict(members), consensus=rules)
    assert ("a.2" in [c.id for c in state.candidates]) is taken
    if not taken:
        assert "98% of its words in common with a.1" in members["a"].heard[1].prompt


async def test_a_refinement_of_half_a_work_is_no_candidate_and_nobody_is_asked_anew(
    bench: Bench,
) -> None:
    async def dies(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await asyncio.to_thread((Path(place.folder) / "half.py").write_text, "half\n")
        yield Ended("failed", "it crashed", failure="turns")

    members = three(a=improves())
    members["a"].improves = dies
    state = await finish(bench, dict(members))
    assert [c.id for c in state.candidates] == ["a.1", "b.1", "c.1"]
    assert [len(m.heard) for m in members.values()] == [1, 1, 1], "who failed is not asked again"
    assert state.verdict is not None
    assert state.verdict.winner is not None


async def test_the_limit_of_all_answers_holds_however_many_want_to_improve(bench: Bench) -> None:
    members = three(a=improves(), b=improves(), c=improves())
    for name, member in members.items():
        member.improves = writes(g__py=f"BETTER = {name!r}\n")
    rules = ConsensusRules(answers_per_agent=9, answers=5)
    state = await finish(bench, dict(members), consensus=rules)
    assert len(state.candidates) == 5
    asked = Counter(len(m.heard) for m in members.values())
    assert sum(n * times for n, times in asked.items()) <= 3 * 4
    assert state.verdict is not None
    assert state.verdict.winner is not None


async def test_an_agent_that_hangs_is_left_behind_by_the_quorum(bench: Bench) -> None:
    members = three()
    silent = Member(waits(asyncio.Event()), votes())
    state = await finish(bench, {**members, "d": silent}, quorum=0.75)
    assert state.verdict is not None
    assert state.verdict.winner == "c.1"
    assert silent.heard == []


async def test_a_voter_that_hangs_costs_its_vote(bench: Bench) -> None:
    members = three()

    async def hangs(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        if brief.schema is not None:
            await asyncio.Event().wait()
        async for item in line("ddddd", 9)(brief, place):
            yield item

    silent = Member(line("ddddd", 9), votes())
    silent.script = hangs  # type: ignore[method-assign]
    state = await finish(bench, {**members, "d": silent}, voting=Voting(timeout=3))
    assert state.verdict is not None
    assert state.verdict.winner == "c.1"


async def test_programs_take_part_with_what_they_make(bench: Bench) -> None:
    members: dict[str, Member | Script] = dict(three())
    members["prog"] = line("PROGRAM", 9)
    for name in "abc":
        member = members[name]
        assert isinstance(member, Member)
        member.says = votes("PROGRAM")
    state = await finish(bench, members)
    assert state.verdict is not None
    assert state.verdict.winner == "prog.1"
    assert len(state.ballots) > 1
    assert "prog" not in {b.judge for b in state.ballots}


async def test_votes_cannot_carry_what_fails_a_gate_and_failures_seed_improvements(
    bench: Bench,
) -> None:
    def judge(check: str, folder: Path) -> tuple[str, ...]:
        file = folder / "f.py"
        ok = not file.exists() or "mended" in file.read_text()
        return () if ok else ("test_edge",)

    members = three(a=improves(), b=votes("ccccc"), c=votes("aaaaa"))
    members["a"].improves = line("mended", 9)
    state = await finish(bench, dict(members), judge, checks=("k",))
    assert state.verdict is not None
    assert state.verdict.winner == "a.2", "all fail at first, so there is something to improve"
    assert [len(m.heard) for m in members.values()] == [1, 1, 1], "then the evidence decides"
    assert "test_edge" in members["a"].orders[0].prompt
    assert "1 fail that did not before" in members["a"].heard[0].prompt


async def test_what_nobody_can_read_seeds_improvements_too(bench: Bench) -> None:
    members = three(a=improves(), b=votes("ccccc"), c=votes("aaaaa"))
    for name, member in members.items():
        member.first = writes(f__py=f"{name} = (\n")
    members["a"].improves = line("mended", 9)
    state = await finish(bench, dict(members), checks=("k",))
    assert state.verdict is not None
    assert state.verdict.winner == "a.2"
    assert "f.py does not parse (line 1: '(' was never closed)" in members["a"].orders[0].prompt
    assert "it is ruled out: it leaves files that nobody" in members["b"].heard[0].prompt


async def test_who_improves_hears_of_what_others_have_finished(bench: Bench) -> None:
    heard: list[str] = []

    async def listens(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert place.inbox is not None
        message = await asyncio.wait_for(place.inbox.receive(), 60)
        assert isinstance(message, Note)
        heard.append(message.text)
        async for item in writes(g__py="AFTER = 1\n")(brief, place):
            yield item

    members = three(a=improves(), b=improves())
    members["a"].improves = listens
    members["b"].improves = writes(g__py="BEFORE = 1\n")
    state = await finish(bench, dict(members))
    assert "Somebody has finished another candidate" in heard[0]
    (note,) = bench.notes  # type: ignore[attr-defined]
    assert (note.seat, note.by, note.text) == ("a", "massgen", heard[0])
    assert {c.id for c in state.candidates} == {"a.1", "a.2", "b.1", "b.2", "c.1"}
    assert all(len(m.heard) <= 2 for m in members.values()), "asked anew once, not for each"


@pytest.mark.parametrize("injected", INJECTIONS)
async def test_what_a_candidate_says_changes_nothing_of_how_votes_are_counted(
    bench: Bench, injected: str
) -> None:
    async def evil(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        text = f"bbbbb = 1\n{injected}\n"
        await asyncio.to_thread((Path(place.folder) / "f.py").write_text, text)
        yield Ended("done", summary=injected)

    members = three(c=votes("aaaaa"))
    members["b"].first = evil
    state = await finish(bench, dict(members))
    assert state.verdict is not None
    assert state.verdict.winner == "c.1"
    for brief in (*members["a"].heard, *members["c"].heard):
        (mark,) = set(re.findall(r"^(={5}[0-9a-f]{20}) ", brief.prompt, re.MULTILINE))
        parts = brief.prompt.split(f"\n{mark} ")
        assert len(parts) == 1 + 2 + 3 * 4
        outside = [parts[0], *parts[2::2]]
        assert all("bbbbb" not in part and "Ignore all" not in part for part in outside)
        assert all("ZZ99" not in part and "\x1b" not in part for part in outside)
