"""What judges and voters are asked, and what those who improve are told: words without names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from massgen_ls.core import blinding, votes
from massgen_ls.core.ballots import CRITERIA, FULL, Ballot
from massgen_ls.core.blinding import Blind
from massgen_ls.core.candidate import FITS, OWN_GATES, PARSES, Candidate, Evidence, Scorecard
from massgen_ls.core.consensus import AskVoter, labels, paper
from massgen_ls.core.conversation import shorten
from massgen_ls.core.events import BallotCast, Event, RefinementChosen
from massgen_ls.core.polls import AskJudge
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.seats import SeatState
from massgen_ls.core.task import CandidateId, Json, RunId, SeatId
from massgen_ls.core.voting import outdating
from massgen_ls.core.wording import counted
from massgen_ls.engine import prompts

_DIFF = 40_000
"""Characters of each diff that a judge is shown."""
_SUMMARY = 4_000
_TASK = 8_000
_FAILURES = 20
"""Names of failing tests that are told of each candidate."""
_NAME = 300

Read = Callable[[Json], "tuple[Event | None, str]"]
"""An answer as a fact, and what is wrong with it: one of the two is empty."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one judge is asked, in words."""

    text: str
    schema: Mapping[str, Json]
    read: Read


def compared(state: RunState, step: AskJudge | AskVoter) -> list[Candidate]:
    """The candidates whose diffs a question shows."""
    if isinstance(step, AskVoter):
        sheet = paper(state, step.judge)
        return [*sheet.others, *sheet.own]
    return [c for c in map(state.candidate, step.shown) if c is not None]


def question(
    run: RunId, state: RunState, step: AskJudge | AskVoter, patches: Mapping[CandidateId, str]
) -> Question:
    """The question of a step.

    Args:
        run: The run.
        state: Its state, in which the step was named.
        step: Who is asked about what.
        patches: The unified diffs of what is shown.
    """
    if isinstance(step, AskVoter):
        return _vote(run, state, step, patches)
    return _comparison(run, state, step, patches)


def _comparison(
    run: RunId, state: RunState, step: AskJudge, patches: Mapping[CandidateId, str]
) -> Question:
    shown = compared(state, step)
    salt = "\0".join((run, step.judge, *(f"{c.id} {c.commit}" for c in shown)))
    names = blinding.aliases(step.shown, salt)
    sheet = _Sheet(state, names, shown, patches, salt)
    text = prompts.QUESTION.format(
        fence=sheet.mark,
        task=sheet.task,
        candidates="\n\n".join(sheet.whole(c) for c in shown),
        names=" and ".join(names.values()),
        full=FULL,
        criteria="\n".join(f"- `{name}`: it {meaning}" for name, meaning in CRITERIA.items()),
        neither=blinding.NEITHER,
    )
    epoch = state.epoch

    def read(answer: Json) -> tuple[Event | None, str]:
        ballot, problem = blinding.ballot(answer, step.judge, epoch, names)
        return (BallotCast(ballot) if ballot else None), problem

    return Question(text, blinding.schema(list(names.values())), read)


def _vote(
    run: RunId, state: RunState, step: AskVoter, patches: Mapping[CandidateId, str]
) -> Question:
    spec = state.spec
    assert spec is not None, "a run that has not begun asks nobody"
    sheet = paper(state, step.judge)
    there = labels(state)
    others = {c.id: there[c.id] for c in sheet.others}
    own = {c.id: there[c.id] for c in sheet.own}
    shown = [*sheet.others, *sheet.own]
    salt = "\0".join((run, step.judge, str(step.epoch), str(step.turn)))
    told = _Sheet(state, others | own, shown, patches, salt)
    if sheet.may_improve:
        choice = prompts.VOTE_OR_IMPROVE.format(
            others=_listed(others.values()),
            all=_listed((others | own).values()),
            sensitivity=prompts.SENSITIVITY[spec.rules.consensus.sensitivity],
        )
    else:
        choice = prompts.VOTE_ONLY.format(others=_listed(others.values()))
    text = prompts.VOTE.format(
        fence=told.mark,
        task=told.task,
        candidates="\n\n".join(told.whole(c) for c in shown),
        own=prompts.OWN.format(names=_listed(own.values())) if own else prompts.NO_OWN,
        refused=_refused(state.seat(step.judge), state.epoch),
        choice=choice,
    )
    read = partial(_voted, step, others, own, may_improve=sheet.may_improve)
    return Question(text, votes.schema(others | own, may_improve=sheet.may_improve), read)


def _voted(
    step: AskVoter,
    others: Mapping[CandidateId, str],
    own: Mapping[CandidateId, str],
    answer: Json,
    *,
    may_improve: bool,
) -> tuple[Event | None, str]:
    found, problem = votes.choice(answer, others, own, may_improve=may_improve)
    if found is None:
        return None, problem
    if found.decision == "improve":
        return RefinementChosen(step.judge, step.epoch, found.candidate, found.reason), ""
    return BallotCast(Ballot(step.judge, step.epoch, found.candidate, found.reason)), ""


def _refused(seat: SeatState | None, epoch: int) -> str:
    if seat is None or not seat.wishes:
        return ""
    if seat.wished == epoch:
        return prompts.REFUSED.format(reason=seat.reason or "it was nothing new")
    if seat.wishes > seat.improved:
        return prompts.REFUSED.format(reason="there have been as many answers as are allowed")
    return ""


def refinement(run: RunId, state: RunState, seat: SeatId) -> str:
    """What an agent is told that improves on a candidate; empty for one that begins."""
    mine = state.seat(seat)
    if mine is None or mine.onto is None:
        return ""
    there = labels(state)
    wish = next((r for r in reversed(state.refined) if r.seat == seat), None)
    shown = [c for c in state.candidates if c.id in state.finished]
    sheet = _Sheet(state, {c.id: there[c.id] for c in shown}, shown, {}, f"{run}\0{seat}")
    onto = state.candidate(mine.onto)
    reason = wish.reason if wish else ""
    for candidate in shown:
        # Its own words name candidates as we call them: it knows them by their labels.
        reason = reason.replace(candidate.id, there[candidate.id])
    return prompts.REFINE.format(
        label=there[mine.onto],
        mine=", your own" if onto is not None and onto.seat == seat else "",
        reason=blinding.clean(" ".join(reason.split())) or "see for yourself.",
        fence=sheet.mark,
        candidates="\n\n".join(sheet.outline(c) for c in shown),
    )


def news(state: RunState, candidate: Candidate) -> str:
    """What those who improve are told of a candidate that has just come."""
    size = counted(candidate.changes.size, "line")
    return prompts.NEWS.format(name=labels(state)[candidate.id], size=size)


class _Sheet:
    """Candidates without names, between fences that nothing of theirs can close."""

    def __init__(
        self,
        state: RunState,
        names: Mapping[CandidateId, str],
        shown: Sequence[Candidate],
        patches: Mapping[CandidateId, str],
        salt: str,
    ) -> None:
        spec = state.spec
        assert spec is not None, "a run that has not begun asks nobody"
        base = [blinding.of_base(patch) for patch in patches.values()]
        blind = Blind.of(
            [*(str(agent.id) for agent in (*spec.agents, *spec.rules.voting.judges))],
            [spec.task.prompt, *base],
        )
        pictures = (f"Picture: {blinding.clean(a.name)}" for a in spec.task.attachments)
        words = shorten(blinding.clean(spec.task.prompt), _TASK)
        self.task = "\n".join((words, *pictures))
        self._names = names
        self._cards = {m: card for card in scorecards(state) for m in card.cluster.members}
        self._summaries = {
            c.id: blind.text(shorten(c.summary, _SUMMARY)) or "(nothing)" for c in shown
        }
        self._diffs = {
            c.id: shorten(blind.diff(patches[c.id]), _DIFF) for c in shown if c.id in patches
        }
        self._failures = {c.id: blind.text(_failing(self._cards.get(c.id))) for c in shown}
        texts = (*self._summaries.values(), *self._diffs.values(), *self._failures.values())
        self.mark = f"====={blinding.fence(salt, (self.task, *texts))}"

    def whole(self, candidate: Candidate) -> str:
        """A candidate with its diff."""
        return prompts.CANDIDATE.format(
            name=self._names[candidate.id],
            measured=self._measured(candidate),
            fence=self.mark,
            summary=self._summaries[candidate.id],
            diff=self._diffs[candidate.id],
        )

    def outline(self, candidate: Candidate) -> str:
        """A candidate without it."""
        return prompts.SEEN.format(
            name=self._names[candidate.id],
            measured=_measured(candidate, self._cards.get(candidate.id)),
            failures=self._broken(candidate),
            fence=self.mark,
            summary=self._summaries[candidate.id],
        )

    def _measured(self, candidate: Candidate) -> str:
        found = _measured(candidate, self._cards.get(candidate.id))
        broken = self._broken(candidate)
        return f"{found}\n\n{broken}".rstrip() if broken else found

    def _broken(self, candidate: Candidate) -> str:
        failures = self._failures[candidate.id]
        if not failures:
            return ""
        return prompts.FAILING.format(
            fence=self.mark, name=self._names[candidate.id], failures=failures
        )


def _failing(card: Scorecard | None) -> str:
    """The names of what a candidate breaks: agents word them, so they belong between fences."""
    names = [name for e in (card.evidence if card else ()) for name in e.new_failures]
    lines = [" ".join(shorten(name, _NAME).split()) for name in names[:_FAILURES]]
    if len(names) > _FAILURES:
        lines.append(f"and {len(names) - _FAILURES} more")
    return "\n".join(lines)


def _measured(candidate: Candidate, card: Scorecard | None) -> str:
    """What we have measured: numbers and names of checks, nothing that an agent can word."""
    files = counted(len(candidate.changes.files), "file")
    lines = [f"- changes {counted(candidate.changes.size, 'line')} in {files}"]
    lines += [_result(e) for e in (card.evidence if card else ())]
    if card is not None and card.cross.tests:
        brought = counted(card.cross.tests, "test")
        lines.append(
            f"- of {brought} that the candidates brought and that tell them apart from the project "
            f"as it was, it passes {card.cross.passed}"
        )
    if card is not None and (outdated := outdating(card)):
        lines.append(f"- it changes tests of the project, and {outdated}")
    return "\n".join(lines)


_OWN = {
    PARSES: "it leaves files that nobody can read",
    FITS: "it conflicts with what its user has changed meanwhile",
}


def _result(evidence: Evidence) -> str:
    if evidence.check in OWN_GATES:
        return f"- it is ruled out: {_OWN[evidence.check]}"
    return f"- check {evidence.check}: {_checked(evidence)}"


def _checked(evidence: Evidence) -> str:
    if not evidence.measured:
        return "says nothing here"
    mended = counted(len(evidence.fixed), "failure")
    broken = len(evidence.new_failures)
    fails = f"{broken} fail that did not before" if broken else "nothing new fails"
    return f"{fails}; it mends {mended} of the project as it was"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
