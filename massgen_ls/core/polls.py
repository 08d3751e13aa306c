"""Which judge is asked what: a pure function of the state.

Nobody is asked where the evidence decides, or where most candidates are one and the same change.
Otherwise a few of the best are compared, by judges who made none of them, from another family of
models than their authors where that can be had.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from massgen_ls.core.ballots import author, bounds
from massgen_ls.core.candidate import Scorecard
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import AgentSpec, CandidateId, SeatId, Voting
from massgen_ls.core.voting import between, contenders, settled, share

MOST_COMPARED = 4
"""Models choose worse among many."""
_JUDGES_EACH = 3
"""How many judges compare the same two."""


@dataclass(frozen=True, slots=True)
class AskJudge:
    """Ask a judge to compare candidates, shown in this order."""

    judge: SeatId
    shown: tuple[CandidateId, ...]


def questions(state: RunState) -> tuple[AskJudge, ...]:
    """What judges are asked in this state, answered or not; empty when nobody is to be asked."""
    if state.spec is None or state.stopping or state.late or state.used_up or state.consensus:
        return ()
    voting = state.spec.rules.voting
    cards = scorecards(state)
    field = contenders(cards)
    if voting.rule == "evidence-only" or len(field) < 2 or settled(cards):
        return ()
    # Those that more agents arrived at first, then the smaller ones.
    ordered = sorted(field, key=lambda card: (-len(card.cluster.members), card.size))
    shown = ordered[:MOST_COMPARED]
    judges = [judge for judge in voting.judges if _can_judge(state, SeatId(str(judge.id)))]
    if voting.rule == "pairwise":
        return tuple(_in_pairs(state, voting, shown, judges))
    return tuple(_in_lists(state, voting, shown, judges))


def open_questions(state: RunState) -> tuple[AskJudge, ...]:
    """Those to which there is neither an answer nor the word that none will come.

    None are left as soon as the winner is the same whatever the others would say.
    """
    asked = questions(state)
    if not asked:
        return ()
    missed = {(a.judge, a.shown) for a in state.asked if a.missed and a.epoch == state.epoch}
    done = missed | {(ballot.judge, ballot.shown) for ballot in state.ballots}
    left = tuple(q for q in asked if (q.judge, q.shown) not in done)
    # Where one order has no answer, the other one says nothing any more.
    live = {(q.judge, frozenset(q.shown)) for q in asked}
    live -= {(judge, frozenset(shown)) for judge, shown in missed}
    open_ = {key for q in left if (key := (q.judge, frozenset(q.shown))) in live}
    return () if left and _decided(state, [shown for _, shown in open_]) else left


def _decided(state: RunState, coming: Sequence[Collection[CandidateId]]) -> bool:
    """Whether the same candidate wins whatever is still answered."""
    assert state.spec is not None, "asked only of a run that has begun"
    voting = state.spec.rules.voting
    field = contenders(scorecards(state))
    groups = [card.cluster.members for card in field]
    known = bounds(voting.rule, groups, between(field, state.ballots), [*map(tuple, coming)])
    best = max(range(len(known)), key=lambda place: known[place].low)
    leads = [known[best].low - b.high for place, b in enumerate(known) if place != best]
    return all(lead > 0 and lead >= share(voting.margin) for lead in leads)


def judging_agent(state: RunState, judge: SeatId) -> AgentSpec | None:
    """The agent that answers for a judge: who sits at that seat now, or one that only judges."""
    if (agent := state.agent(judge)) is not None:
        return agent
    listed = state.spec.rules.voting.judges if state.spec else ()
    return next((agent for agent in listed if str(agent.id) == judge), None)


def _can_judge(state: RunState, judge: SeatId) -> bool:
    """Whether its agent is known to work: one that could not make a change is not asked."""
    seat = state.seat(judge)
    return seat is None or seat.outcome not in {"failed", "missing"}


def _in_pairs(
    state: RunState, voting: Voting, shown: Sequence[Scorecard], judges: Sequence[AgentSpec]
) -> Iterator[AskJudge]:
    """Every pair in both orders: first one judge for each, then second ones, and so on."""
    pairs = list(combinations(shown, 2))
    taken: dict[int, set[SeatId]] = {i: set() for i in range(len(pairs))}
    load = Counter[SeatId]()
    left = voting.max_ballots // 2
    for _ in range(_JUDGES_EACH):
        for number, pair in enumerate(pairs):
            free = [
                judge
                for judge in _neutral(judges, pair)
                if SeatId(str(judge.id)) not in taken[number]
            ]
            if not free or left <= 0:
                continue
            chosen = min(free, key=lambda j: (_kinship(state, j, pair), load[SeatId(str(j.id))]))
            judge = SeatId(str(chosen.id))
            taken[number].add(judge)
            load[judge] += 1
            left -= 1
            one, other = (card.cluster.members[0] for card in pair)
            yield AskJudge(judge, (one, other))
            yield AskJudge(judge, (other, one))


def _in_lists(
    state: RunState, voting: Voting, shown: Sequence[Scorecard], judges: Sequence[AgentSpec]
) -> Iterator[AskJudge]:
    """Each judge is shown all that it did not make, every judge in another order."""
    voted = {ballot.judge for ballot in state.ballots if not ballot.shown}
    left = voting.max_ballots
    ranked = sorted(judges, key=lambda judge: _kinship(state, judge, shown))
    for turn, agent in enumerate(ranked):
        judge = SeatId(str(agent.id))
        cards = [card for card in shown if judge not in _authors(card)]
        if len(cards) < 2:
            continue
        start = turn % len(cards)
        order = tuple(card.cluster.members[0] for card in (*cards[start:], *cards[:start]))
        if voting.rule == "plurality" and judge not in voted and left >= 1:
            left -= 1
            yield AskJudge(judge, order)
        elif voting.rule == "score" and left >= 2:
            left -= 2
            yield AskJudge(judge, order)
            yield AskJudge(judge, order[::-1])


def _neutral(judges: Sequence[AgentSpec], cards: Sequence[Scorecard]) -> list[AgentSpec]:
    concerned = {seat for card in cards for seat in _authors(card)}
    return [judge for judge in judges if SeatId(str(judge.id)) not in concerned]


def _authors(card: Scorecard) -> set[SeatId]:
    return {author(member) for member in card.cluster.members}


def _kinship(state: RunState, judge: AgentSpec, cards: Sequence[Scorecard]) -> int:
    """How likely a judge favours some of them: 0 no kin, 1 kin to all, 2 kin to some only."""
    agent = judging_agent(state, SeatId(str(judge.id))) or judge
    kin = [
        family(agent) in {family(a) for a in map(state.agent, _authors(card)) if a is not None}
        for card in cards
    ]
    return 0 if not any(kin) else 1 if all(kin) else 2


# ── families of models ──────────────────────────────────────────────────────────────────────────

_MODELS = (
    ("claude", r"claude|anthropic|sonnet|opus|haiku"),
    ("gemini", r"gemini|gemma|google"),
    ("openai", r"gpt|openai|codex|chatgpt|\bo[1345]\b"),
    ("grok", r"grok|\bxai\b"),
    ("qwen", r"qwen|qwq"),
    ("mistral", r"mistral|mixtral|codestral|devstral|magistral"),
    ("llama", r"llama(?!\.cpp)"),
    ("deepseek", r"deepseek"),
    ("kimi", r"kimi|moonshot"),
    ("glm", r"\bglm\b|\bzai\b"),
)
_KNOWN = tuple((name, re.compile(words, re.IGNORECASE)) for name, words in _MODELS)


def family(agent: AgentSpec) -> str:
    """Whose models an agent uses, as far as its settings tell: claude, gemini, openai and so on.

    Judges favour what models of their own family wrote. The model's name says more than the
    program's; an agent of which nothing is known is of a family of its own.
    """
    settings = agent.settings
    for told in (settings.get("model"), agent.type, settings.get("program"), settings.get("argv")):
        words = " ".join(map(str, told)) if isinstance(told, list) else str(told or "")
        # Separators inside names are word boundaries too.
        spaced = re.sub(r"[_\-/.]+", " ", words)
        for name, pattern in _KNOWN:
            if pattern.search(spaced):
                return name
    return f"{agent.type}:{agent.id}"
