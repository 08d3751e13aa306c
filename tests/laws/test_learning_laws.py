"""The laws of who sits where: a team by its records."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.learning import Record, ordered, seated
from massgen_ls.core.task import AgentSpec, Mode, Rules, RunSpec, Task
from tests.laws.histories import agent

NAMES = ("a0", "a1", "a2", "a3", "a4")
TEAM = tuple(map(agent, NAMES))


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Those of some agents of the team, and of strangers, in any order."""
    found: list[Record] = []
    for name in draw(st.permutations([*NAMES, "stranger"])):
        if draw(st.booleans()):
            contests = draw(st.integers(0, 12))
            wins = draw(st.integers(0, contests))
            failed = draw(st.integers(0, 3))
            found.append(Record(name, "command", contests=contests, wins=wins, failed=failed))
    return found


def place(team: tuple[AgentSpec, ...], name: str) -> int:
    return [str(each.id) for each in team].index(name)


@given(records(), st.randoms())
def test_the_order_of_a_team_is_one_of_its_agents_and_of_nothing_else(
    known: list[Record], random: object
) -> None:
    found = ordered(TEAM, known)
    assert sorted(map(str, (a.id for a in found))) == sorted(NAMES)
    shuffled = [*known]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ordered(TEAM, shuffled) == found
    assert ordered(found, known) == found, "and it stays when it is asked for again"


@given(records(), st.sampled_from(NAMES))
def test_a_win_more_never_moves_an_agent_back(known: list[Record], name: str) -> None:
    more = [
        replace(r, wins=r.wins + 1, contests=r.contests + 1) if r.agent == name and r.trials else r
        for r in known
    ]
    assert place(ordered(TEAM, more), name) <= place(ordered(TEAM, known), name)


@given(records(), st.sampled_from(NAMES))
def test_a_failure_more_never_moves_an_agent_forward(known: list[Record], name: str) -> None:
    more = [replace(r, failed=r.failed + 1) if r.agent == name and r.trials else r for r in known]
    assert place(ordered(TEAM, more), name) >= place(ordered(TEAM, known), name)


@given(records())
def test_at_most_one_that_was_tried_sits_before_one_that_never_was(known: list[Record]) -> None:
    found, tried = ordered(TEAM, known), {r.agent: r for r in known if r.trials}
    new = [n for n, each in enumerate(found) if str(each.id) not in tried]
    before = [tried[str(each.id)] for each in found[: max(new, default=0)] if str(each.id) in tried]
    assert len(before) <= 1
    assert all(record.wins for record in before)


@given(
    records(),
    st.sampled_from(["listed", "auto"]),
    st.none() | st.integers(1, 7),
    st.sampled_from(["best_of_n", "consensus"]),
    st.sets(st.sampled_from(NAMES)),
)
def test_as_many_work_as_may_and_the_words_name_who_does_not(
    known: list[Record], order: str, most: int | None, mode: Mode, voters: set[str]
) -> None:
    rules = Rules(mode, agents="auto" if order == "auto" else "listed", max_agents=most)
    chosen, why = seated(RunSpec(Task("t"), TEAM, rules=rules), known, lambda a: a.id in voters)
    there = {str(each.id) for each in chosen.agents}
    assert len(there) == len(chosen.agents) == min(most or len(TEAM), len(TEAM))
    out = why.partition("Left out")[2]
    assert all((name in out) == (name not in there) for name in NAMES)
    if mode == "consensus" and voters:
        assert there & voters
