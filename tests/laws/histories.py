"""Runs and their events, drawn at random: what seats, agents and people may report."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from massgen_ls.core.ballots import Ballot, Marks, author
from massgen_ls.core.budget import Limits, Usage
from massgen_ls.core.candidate import Candidate, CheckResult, Fault, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.consensus import AskVoter
from massgen_ls.core.conversation import Spoken, Transcript
from massgen_ls.core.coordination import MakeAttempt
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    BaseTested,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    Conversed,
    CrossTested,
    DeadlinePassed,
    Event,
    FusionTried,
    JudgingUsed,
    LandingTried,
    NoteSent,
    NothingCaptured,
    PermissionDecided,
    RefinementChosen,
    RunFailed,
    RunInterrupted,
    RunStarted,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.permissions import Action
from massgen_ls.core.plan import Clash
from massgen_ls.core.polls import AskJudge
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    ConsensusRules,
    Mode,
    Rules,
    RunSpec,
    SeatId,
    Task,
    Voting,
    VotingRule,
)

BASE = "base"
TREES = ("t1", "t2", "t3")
TORN = "t4"
"""A tree with a file that nobody can read."""
FAILURES = ("f1", "f2", "f3")
SNAPSHOT = Snapshot("/repo", "", "/shadow", "c0", BASE, "h0")


def agent(name: str, fallbacks: int = 0) -> AgentSpec:
    """An agent with a chain of so many fallbacks."""
    chain = None
    for i in range(fallbacks, 0, -1):
        chain = AgentSpec(AgentId(name), f"other{i}", fallback=chain)
    return AgentSpec(AgentId(name), "command", fallback=chain)


def spec(
    agents: int,
    checks: int,
    quorum: float = 1.0,
    fallbacks: int = 0,
    limits: Limits | None = None,
    voting: Voting | None = None,
    consensus: ConsensusRules | None = None,
    *,
    fusion: bool = False,
) -> RunSpec:
    mode: Mode = "best_of_n" if consensus is None else "consensus"
    again = consensus or ConsensusRules()
    return RunSpec(
        Task("do it"),
        # Not all alike: the first has the longest chain.
        tuple(agent(f"a{i}", max(0, fallbacks - i)) for i in range(agents)),
        tuple(CheckSpec(f"k{i}", ("pytest",)) for i in range(checks)),
        Rules(
            mode,
            quorum=quorum,
            limits=limits or Limits(),
            voting=voting or Voting(),
            consensus=again,
            fusion=fusion,
        ),
    )


def attempts(run: RunSpec) -> dict[str, int]:
    """How many attempts each seat may make: one for each agent of its chain, then improvements."""
    consensus = run.rules.mode == "consensus"
    more = run.rules.consensus.answers_per_agent - 1 if consensus else 0
    found: dict[str, int] = {str(first.id): more for first in run.agents}
    for first in run.agents:
        current: AgentSpec | None = first
        while current is not None:
            found[str(first.id)] = found.get(str(first.id), 0) + 1
            current = current.fallback
    return found


def candidate(
    seat: str,
    tree: str,
    lines: int = 1,
    attempt: int = 1,
    *,
    tests: bool = False,
    rewrites: bool = False,
) -> Candidate:
    files = [
        FileChange("modify", rel_path("f.py"), added=lines, removed=0, old_oid="a", new_oid=tree)
    ]
    if tests:
        new = FileChange("add", rel_path("test_f.py"), new_oid=tree, new_type="file", added=0)
        files.append(replace(new, removed=0))
    if rewrites:
        old = FileChange("modify", rel_path("test_old.py"), None, "o", tree, "file", "file", 0, 0)
        files.append(old)
    changes = ChangeSet.of(files)
    name = CandidateId(f"{seat}.{attempt}")
    return Candidate(name, SeatId(seat), BASE, tree, f"c-{tree}", changes)


def digested(seat: str, tree: str, digest: str, lines: int = 1) -> Candidate:
    """A candidate whose normal form is known."""
    return replace(candidate(seat, tree, lines), digest=digest)


def torn(found: Candidate) -> Candidate:
    """The same with a file that nobody can read."""
    return replace(found, faults=(Fault(rel_path("f.py"), 3, "'(' was never closed"),))


def made(seat: str, found: Candidate) -> list[Event]:
    """A seat that ended well, with this candidate, in a run that has its snapshot."""
    return [
        SnapshotTaken(SNAPSHOT, 0.0),
        AttemptStarted(SeatId(seat), 1, "/w"),
        AttemptEnded(SeatId(seat), 1, "done"),
        CandidateCaptured(found),
    ]


def result(check: str, tree: str, failures: tuple[str, ...] = ()) -> CheckResult:
    return CheckResult(check, tree, "failed" if failures else "passed", tuple(sorted(failures)))


def started(run: RunSpec, *, live: bool = False) -> RunState:
    return fold([RunStarted(run, "/repo", "1:1", live)])


limits = st.sampled_from(
    [Limits(), Limits(), Limits(tokens=40), Limits(cost=30), Limits(cost=1, tokens=1000)]
)
RULES: tuple[VotingRule, ...] = get_args(VotingRule)
votings = st.builds(
    lambda rule, margin, judges, most: Voting(rule, margin, tuple(map(agent, judges)), most),
    st.sampled_from(RULES),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.lists(st.sampled_from(["a0", "a1", "a2", "a3", "judge"]), unique=True),
    st.integers(0, 12),
)
specs = st.builds(
    spec,
    st.integers(1, 4),
    st.integers(0, 2),
    st.sampled_from([0.01, 0.34, 0.5, 0.67, 1.0]),
    st.integers(0, 2),
    limits,
    votings,
    st.none() | st.builds(ConsensusRules, st.integers(1, 3), st.sampled_from([None, None, 2, 4])),
    fusion=st.booleans(),
)
outcomes = st.sampled_from(["done", "done", "done", "failed", "timed_out", "missing"])
usages = st.builds(
    Usage, st.integers(0, 20), output=st.integers(0, 9), cost=st.none() | st.integers(0, 20)
)


def on_the_way(seat: SeatId, n: int) -> st.SearchStrategy[Event]:
    """What is heard of an attempt while it goes on."""
    return st.one_of(
        st.just(AgentActed(seat, "edit", "f.py")),
        st.builds(
            lambda tries: AttemptPaused(seat, n, "rate_limit", "429", 2.0, tries),
            st.integers(1, 4),
        ),
        usages.map(lambda usage: UsageReported(seat, n, usage)),
        st.just(PermissionDecided(seat, Action("run", "make"), "deny", "no")),
        st.just(NoteSent(seat, "look at this")),
    )


@st.composite
def endings(draw: st.DrawFn, step: MakeAttempt) -> list[Event]:
    """Everything that a seat may report of one attempt."""
    seat, n = step.seat, step.attempt
    events: list[Event] = [
        AttemptStarted(seat, n, "/w", "command"),
        *draw(st.lists(on_the_way(seat, n), max_size=3)),
        AttemptEnded(seat, n, draw(outcomes), draw(st.sampled_from(["why", ""]))),
    ]
    if draw(st.booleans()):
        told = Transcript(seat, "command", (Spoken("done"),))
        events.append(Conversed(seat, n, told))
    tree = draw(st.sampled_from([*TREES, TORN, None]))
    if tree is None:
        events.append(NothingCaptured(seat, n, "changed nothing"))
    else:
        # Equal trees bring the same tests.
        brings = tree != "t1"
        lines = draw(st.integers(1, 3))
        found = candidate(seat, tree, lines, n, tests=brings, rewrites=tree != "t2")
        # Two trees that differ in their tests alone.
        found = replace(found, code="" if tree == "t3" else "c")
        found = torn(found) if tree == TORN else found
        events.append(CandidateCaptured(found))
    return events


marks = st.builds(Marks, *[st.sampled_from([0, 40, 90, 100])] * 5)


@st.composite
def answers(draw: st.DrawFn, step: AskJudge, epoch: int) -> list[Event]:
    """Everything that a judge may report of one question."""
    found: list[Event] = []
    if draw(st.booleans()):
        found.append(JudgingUsed(step.judge, epoch, step.shown, draw(usages)))
    if draw(st.integers(0, 3)) == 0:
        return [*found, BallotMissed(step.judge, epoch, step.shown, "died")]
    choice = draw(st.sampled_from([None, *step.shown]))
    given = tuple(draw(marks) for _ in step.shown)
    return [*found, BallotCast(Ballot(step.judge, epoch, choice, "why", step.shown, given))]


def fusions(state: RunState) -> st.SearchStrategy[Event]:
    """What may come of composing: a new tree, one that is there, or nothing."""
    parts = tuple(c.id for c in state.candidates[:3])
    trees = st.sampled_from(["both", "t1", None])
    return trees.map(
        lambda tree: (
            FusionTried(None, "nothing")
            if tree is None
            else FusionTried(replace(candidate("fused", tree), parts=parts))
        )
    )


@st.composite
def tried(draw: st.DrawFn, candidates: tuple[CandidateId, ...]) -> Event:
    """What may come of trying to land these: any of them may be in the user's way."""
    inside = draw(st.lists(st.sampled_from(candidates), unique=True))
    return LandingTried(candidates, tuple(Clash(c, (rel_path("f.py"),)) for c in inside))


@st.composite
def spoken(draw: st.DrawFn, step: AskVoter, state: RunState) -> list[Event]:
    """Everything that a voter may report, sense and nonsense; what it does not report, we do."""
    found: list[Event] = []
    if draw(st.booleans()):
        found.append(JudgingUsed(step.judge, step.epoch, (), draw(usages)))
    there = [c.id for c in state.candidates]
    chosen, others = draw(st.sampled_from(there)), [c for c in there if author(c) != step.judge]
    match draw(st.sampled_from(["vote", "vote", "improve", "improve", "nonsense", "die"])):
        case "vote" if others:
            chosen = draw(st.sampled_from(others))
            return [*found, BallotCast(Ballot(step.judge, step.epoch, chosen, "why"))]
        case "improve":
            return [*found, RefinementChosen(step.judge, step.epoch, chosen, "why")]
        case "nonsense":
            found.append(RefinementChosen(step.judge, step.epoch - 1, chosen, "stale"))
        case _:
            pass
    return [*found, BallotMissed(step.judge, step.epoch, (), "died")]


def cancelled(step: MakeAttempt, state: RunState) -> list[Event]:
    """What a seat reports when it is cancelled: nothing, when it had not even started."""
    seat = state.seat(step.seat)
    assert seat is not None
    if seat.phase == "waiting" or seat.attempt != step.attempt:
        return []
    return [
        AttemptEnded(step.seat, step.attempt, "cancelled"),
        NothingCaptured(step.seat, step.attempt, "cancelled"),
    ]


interruptions: st.SearchStrategy[Event | None] = st.sampled_from(
    [None] * 12 + [CancelRequested("you"), DeadlinePassed(1.0), RunFailed("disk full")]
)

seats = st.sampled_from(["a0", "a1", "zz"]).map(SeatId)
numbers = st.integers(0, 4)

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda s: RunStarted(s, "/other", "2:2"), specs),
    st.builds(AttemptStarted, seats, numbers, st.just("/w")),
    st.builds(AttemptEnded, seats, numbers, outcomes),
    st.builds(NothingCaptured, seats, numbers, st.just("")),
    st.tuples(seats, numbers).flatmap(lambda at: on_the_way(*at)),
    st.builds(lambda s, n: Conversed(s, n, Transcript(s, "x")), seats, numbers),
    st.builds(
        lambda s, t, n: CandidateCaptured(candidate(s, t, 1, n)),
        seats,
        st.sampled_from(TREES),
        numbers,
    ),
    st.builds(
        lambda c, t, n: CheckFinished(result(c, t), n),
        st.sampled_from(["k0", "nope"]),
        st.sampled_from([BASE, *TREES]),
        st.integers(0, 2),
    ),
    st.builds(
        lambda a, o, t, n: CrossTested(a, o, result("k0", t), n),
        st.sampled_from([BASE, *TREES, "zz"]),
        st.sampled_from([BASE, *TREES, "zz"]),
        st.sampled_from(TREES),
        st.integers(0, 1),
    ),
    st.builds(
        lambda o, t, n: BaseTested(o, result("k0", t, ("f1",)), n),
        st.sampled_from([BASE, *TREES, "zz"]),
        st.sampled_from(TREES),
        st.integers(0, 2),
    ),
    st.builds(
        lambda j, e, c: BallotCast(Ballot(j, e, CandidateId(c))),
        seats,
        st.integers(0, 3),
        st.sampled_from(["a0.1", "a1.1", "zz.1", "a0.2"]),
    ),
    st.builds(
        lambda j, e, shown: BallotMissed(j, e, tuple(map(CandidateId, shown)), ""),
        seats,
        st.integers(0, 3),
        st.lists(st.sampled_from(["a0.1", "a1.1", "zz.1"]), max_size=3),
    ),
    st.builds(
        lambda j, e, shown, u: JudgingUsed(j, e, tuple(map(CandidateId, shown)), u),
        seats,
        st.integers(0, 3),
        st.lists(st.sampled_from(["a0.1", "a1.1", "zz.1"]), max_size=3),
        usages,
    ),
    st.builds(
        lambda s, e, c: RefinementChosen(s, e, CandidateId(c), ""),
        seats,
        st.integers(0, 3),
        st.sampled_from(["a0.1", "a1.1", "zz.1", "a0.2"]),
    ),
    st.just(SnapshotTaken(SNAPSHOT, 0.0)),
    st.just(FusionTried(None)),
    st.lists(st.sampled_from(["a0.1", "a1.1", "zz.1"]), min_size=1)
    .map(lambda names: tuple(map(CandidateId, names)))
    .flatmap(tried),
    st.just(CancelRequested("")),
    st.just(RunInterrupted()),
    st.just(RunFailed("")),
    st.just(DeadlinePassed(0.0)),
)
