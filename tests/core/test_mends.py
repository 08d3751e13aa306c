"""What is mended by chance: a second look where it would decide."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from massgen_ls.core.coordination import RunCheck, Settle, next_steps
from massgen_ls.core.events import CheckFinished, DeadlinePassed
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.voting import Verdict
from tests.laws.histories import BASE, candidate, made, result, spec, started

Looks = Mapping[str, tuple[str, ...]]
"""What fails at each look at a tree (blanks between names); the last one again, ever after."""


def run(*trees: str, checks: int = 1) -> RunState:
    """A run in which every seat has made one of these trees."""
    state = started(spec(len(trees), checks))
    for n, tree in enumerate(trees):
        state = fold(made(f"a{n}", candidate(f"a{n}", tree)), state)
    return state


def played(state: RunState, looks: Looks) -> tuple[Verdict, list[tuple[str, int]]]:
    """The verdict, and the second looks that it took."""
    again: list[tuple[str, int]] = []
    while True:
        steps = next_steps(state)
        work = sorted((s for s in steps if isinstance(s, RunCheck)), key=repr)
        if not work:
            (settle,) = steps
            assert isinstance(settle, Settle)
            return settle.verdict, again
        for step in work:
            said = looks.get(step.tree, ("",))
            failures = tuple(said[min(step.repeat, len(said) - 1)].split())
            state = evolve(
                state, CheckFinished(result(step.check, step.tree, failures), step.repeat)
            )
        again += [(s.tree, s.repeat) for s in work if s.repeat]


@pytest.mark.parametrize(
    ("looks", "winner", "again"),
    [
        pytest.param(
            {BASE: ("f1",), "t1": ("f1",), "t2": ("",)},
            "a1.1",
            [(BASE, 1), ("t2", 1)],
            id="what is truly mended is found twice",
        ),
        pytest.param(
            {BASE: ("f1", ""), "t1": ("f1",), "t2": ("",)},
            "a0.1",
            [(BASE, 1)],
            id="what comes and goes on the base is mended by nobody",
        ),
        pytest.param(
            {BASE: ("f1",), "t1": ("f1",), "t2": ("", "f1")},
            "a0.1",
            [(BASE, 1), ("t2", 1)],
            id="nor by a candidate on which it comes and goes",
        ),
        pytest.param(
            {BASE: ("f1",), "t1": ("",), "t2": ("",)},
            "a0.1",
            [],
            id="what all mend decides nothing",
        ),
        pytest.param(
            {BASE: ("f1",), "t1": ("f1",), "t2": ("f1",)},
            "a0.1",
            [],
            id="nor does what nobody mends",
        ),
        pytest.param(
            {BASE: ("f1 f2",), "t1": ("f1",), "t2": ("f1 f3",)},
            "a0.1",
            [(BASE, 1), ("t2", 1)],
            id="who fails a gate decides nothing by what is mended",
        ),
    ],
)
def test_a_mend_that_decides_is_looked_at_again(
    looks: Looks, winner: str, again: list[tuple[str, int]]
) -> None:
    verdict, looked = played(run("t1", "t2"), looks)
    assert (verdict.winner, sorted(looked)) == (winner, sorted(again))


def test_what_several_trees_mend_alike_is_looked_at_again_on_the_base_alone() -> None:
    looks = {BASE: ("f1",), "t1": ("f1",), "t2": ("",), "t3": ("",)}
    verdict, looked = played(run("t1", "t2", "t3"), looks)
    assert (verdict.winner, looked) == ("a1.1", [(BASE, 1)])


def test_most_of_the_agents_end_a_run_only_when_what_they_mend_is_certain() -> None:
    state = run("t1", "t1", "t2")
    looks = {BASE: ("f1", ""), "t1": ("",), "t2": ("f1",)}
    verdict, looked = played(state, looks)
    assert (verdict.winner, looked) == ("a0.1", [(BASE, 1)])
    assert "2 agents arrived at this change" in verdict.why


def test_a_run_whose_time_is_over_looks_at_nothing_again_for_what_is_mended() -> None:
    state = run("t1", "t2")
    for tree, failures in ((BASE, ("f1",)), ("t1", ("f1",)), ("t2", ())):
        state = evolve(state, CheckFinished(result("k0", tree, failures)))
    assert next_steps(state) == {RunCheck("k0", BASE, 1)}
    (settle,) = next_steps(evolve(state, DeadlinePassed(5.0)))
    assert isinstance(settle, Settle)


def test_it_waits_for_what_other_checks_say_of_who_mends() -> None:
    state = run("t1", "t2", checks=2)
    for tree, failures in ((BASE, ("f1",)), ("t1", ("f1",)), ("t2", ())):
        state = evolve(state, CheckFinished(result("k0", tree, failures)))
    state = fold([CheckFinished(result("k1", tree)) for tree in (BASE, "t1")], state)
    assert next_steps(state) == {RunCheck("k1", "t2")}
    assert {card.fixed for card in scorecards(state)} == {0, 1}
