"""What the evidence so far says about the candidates of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from massgen_ls.core import basetests
from massgen_ls.core.agreement import Told, joined
from massgen_ls.core.basetests import BaseTest
from massgen_ls.core.candidate import (
    FITS,
    Candidate,
    Evidence,
    Scorecard,
    TreeId,
    whole,
)
from massgen_ls.core.crosstests import (
    MOST_AUTHORS,
    CrossRow,
    Suite,
    brought,
    owner,
    passes,
    scores,
    telling,
)
from massgen_ls.core.fusion import FUSED, LEAST
from massgen_ls.core.gates import eligible, gated, judged, mends_to_look_at
from massgen_ls.core.looks import once
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CandidateId, CheckSpec, SeatId
from massgen_ls.core.voting import contenders


@once
def agreed(state: RunState) -> Scorecard | None:
    """The choice of more than half of all seats, if it passes every gate and nothing beats it.

    None as long as a choice that is there already waits for a check: agents that still work may be
    left out for it, results that are there may not. Nor is one that fails tests of the base, which
    it has changed, taken before the others are heard.
    """
    card = _prevailing(state)
    if card is None or basetests.to_run(state, card.cluster.tree):
        return None
    return None if basetests.outdated(state, card.cluster.tree) else card


@once
def _prevailing(state: RunState) -> Scorecard | None:
    """The choice of more than half of all seats, by the gates."""
    if state.spec is None or not state.spec.rules.early_exit or len(state.seats) < 2:
        return None
    by_tree = gated(state)
    cards = joined(by_tree, _told(state, by_tree))
    seats = {c.id: c.seat for c in state.candidates if not c.parts}
    for card in cards:
        if 2 * len({seats[m] for m in card.cluster.members if m in seats}) > len(state.seats):
            certain = all(judged(state, other.cluster.tree) for other in by_tree)
            certain = certain and not mends_to_look_at(state)
            most = max(other.fixed for other in cards if other.clears) if card.clears else 0
            return card if certain and card.clears and card.fixed == most else None
    return None


@once
def scorecards(state: RunState) -> tuple[Scorecard, ...]:
    """The evidence so far about every choice: clusters of eligible candidates that agree."""
    found = clashing(state)
    return tuple(
        replace(card, evidence=(*card.evidence, found[card.cluster.tree]))
        if card.cluster.tree in found
        else card
        for card in _tested(state)
    )


@once
def clashing(state: RunState) -> Mapping[TreeId, Evidence]:
    """Who is ruled out for conflicts with the user's changes, by tree.

    Only among those that the evidence cannot tell apart, and only where another one of them lands:
    a better change with a conflict is worth more than a worse one without, and a conflict is shown.
    """
    tried, field = state.landing, contenders(_tested(state))
    if tried is None:
        return {}
    clashes = {clash.candidate: str(clash) for clash in tried.clashes}
    if not any(c in tried.candidates and c not in clashes for c in map(_offered, field)):
        return {}
    return {
        card.cluster.tree: Evidence(FITS, "failed", (clashes[_offered(card)],), (), ())
        for card in field
        if _offered(card) in clashes
    }


def to_land(state: RunState) -> tuple[CandidateId, ...]:
    """Those that are to be tried on the live files before one of them wins.

    None where there is nothing to choose between, or nobody's files are at hand.
    """
    wanted = tuple(map(_offered, contenders(_tested(state)))) if state.live else ()
    known = state.landing.candidates if state.landing else ()
    return () if len(wanted) < 2 or set(wanted) <= set(known) else wanted


def _offered(card: Scorecard) -> CandidateId:
    return card.cluster.members[0]


@once
def _tested(state: RunState) -> tuple[Scorecard, ...]:
    """The choices with all evidence about their trees, and what they outdate."""
    cards = _compared(state)
    pending = any(basetests.to_run(state, tree) for tree in _best(cards))
    if pending or not state.base_tested:
        return cards  # what is known of some of them says nothing yet
    return tuple(
        replace(card, outdates=basetests.outdated(state, card.cluster.tree)) for card in cards
    )


@once
def _compared(state: RunState) -> tuple[Scorecard, ...]:
    cards = per_tree(state)
    return joined(cards, _told(state, cards))


def _told(state: RunState, cards: Sequence[Scorecard]) -> dict[TreeId, Told]:
    brings = Counter(row.author for row in cross_rows(state))
    trees = {c.tree: c for c in state.candidates}
    return {
        tree: Told(trees[tree].essence, brings[tree], bool(brought(trees[tree].changes).tests))
        for tree in (card.cluster.tree for card in cards)
    }


def _best(cards: Sequence[Scorecard]) -> tuple[TreeId, ...]:
    """Those that the evidence cannot tell apart, where there are several."""
    field = contenders(cards)
    return tuple(card.cluster.tree for card in field) if len(field) > 1 else ()


def base_runs(state: RunState) -> Iterator[BaseTest]:
    """The runs of the base's own tests that are still to be made, when all else is measured."""
    for tree in _best(_compared(state)):
        if step := basetests.to_run(state, tree):
            yield step


def early_base_run(state: RunState) -> BaseTest | None:
    """The one that decides whether the run may end before all agents have."""
    card = _prevailing(state)
    return basetests.to_run(state, card.cluster.tree) if card else None


@once
def per_tree(state: RunState) -> tuple[Scorecard, ...]:
    """The evidence about every cluster of candidates that do the same in all, tests included."""
    cards = gated(state)
    rows = cross_rows(state)
    if not rows:
        return cards
    trees = [card.cluster.tree for card in cards if card.clears and not card.fused]
    beside = [card.cluster.tree for card in cards if card.clears and card.fused]
    found = scores(rows, trees, beside)
    return tuple(replace(card, cross=found.get(card.cluster.tree, card.cross)) for card in cards)


def to_fuse(state: RunState) -> tuple[Candidate, ...]:
    """One candidate of each choice that passes every gate, where what they share may be tried."""
    if state.spec is None or not state.spec.rules.fusion or state.fusion_tried:
        return ()
    if state.seat(SeatId(FUSED)) is not None:
        return ()  # its name is taken
    cards = [card for card in gated(state) if card.clears]
    total = len(eligible(state))
    if len(cards) < LEAST or any(2 * len(card.cluster.members) > total for card in cards):
        return ()
    found = [state.candidate(card.cluster.members[0]) for card in cards]
    return tuple(candidate for candidate in found if candidate is not None)


# ── cross-tests ─────────────────────────────────────────────────────────────────────────────────


def cross_runs(state: RunState) -> Iterator[tuple[TreeId, TreeId, int]]:
    """The runs of cross-tests that are still to be made, as (author, onto, repeat).

    First every author's tests on the base: only what fails there is worth trying on the others.
    Then a second look at each failure that tells some from others, there and on the base: what
    comes and goes on one tree counts for nobody.
    """
    if state.spec is None or state.snapshot is None or not state.spec.rules.cross_tests.enabled:
        return
    contenders = [card for card in gated(state) if card.clears]
    if len(contenders) < 2:
        return
    base = state.snapshot.tree
    for author in _authors(state, contenders):
        if state.crossed_with(author, base) is None:
            yield author, base, 0
        elif _telling(state, author, (0,)):
            others = [card.cluster.tree for card in contenders if card.cluster.tree != author]
            first = [tree for tree in others if state.crossed_with(author, tree) is None]
            yield from ((author, tree, 0) for tree in first)
            again = () if first else _doubtful(state, author, others)
            for tree in (base, *again) if again else ():
                if state.crossed_with(author, tree, 1) is None:
                    yield author, tree, 1


def _doubtful(state: RunState, author: TreeId, others: Sequence[TreeId]) -> tuple[TreeId, ...]:
    """Where a test fails that others than its author pass: this is what decides.

    By the first looks alone, so that what is run does not depend on what came of it first.
    """
    found: set[TreeId] = set()
    for test in _telling(state, author, (0,)):
        runs = {tree: state.crossed_with(author, tree) for tree in others}
        seen = {tree: passes(run, test) for tree, run in runs.items() if run}
        if True in seen.values():
            found |= {tree for tree, good in seen.items() if good is False}
    return tuple(tree for tree in others if tree in found)


def _passes(state: RunState, author: TreeId, onto: TreeId, test: str) -> bool | None:
    """Whether a test passes in every look that says something; None when they differ, too."""
    runs = [state.crossed_with(author, onto, repeat) for repeat in (0, 1)]
    seen = {passes(run, test) for run in runs if run} - {None}
    return seen.pop() if len(seen) == 1 else None


@once
def cross_rows(state: RunState) -> tuple[CrossRow, ...]:
    """Every telling test with those who pass it; an author's tests count when all have had them."""
    if not state.crossed or state.snapshot is None:
        return ()
    contenders = [card for card in gated(state) if card.clears]
    trees = [card.cluster.tree for card in contenders]
    found: list[CrossRow] = []
    for author in _authors(state, contenders):
        for test in _telling(state, author):
            seen = {tree: _passes(state, author, tree, test) for tree in trees if tree != author}
            if None not in seen.values():
                passed = frozenset({author, *(tree for tree, good in seen.items() if good)})
                found.append(CrossRow(author, test, passed))
    return tuple(found)


def _authors(state: RunState, contenders: Sequence[Scorecard]) -> list[TreeId]:
    """Those whose tests are tried; of many the most promising, in whatever order they sit."""
    # What was laid together brings no test of its own.
    made = [card for card in contenders if not card.fused]
    authors = [card for card in made if cross_check(state, card.cluster.tree)]
    authors.sort(key=lambda card: (-card.fixed, card.size, card.cluster.tree))
    return [card.cluster.tree for card in authors[:MOST_AUTHORS]]


def cross_check(state: RunState, author: TreeId) -> tuple[CheckSpec, Suite] | None:
    """The check that runs a candidate's tests, and the files to lay over; None without tests."""
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
    candidate = next((c for c in state.candidates if c.tree == author), None)
    files = brought(candidate.changes) if candidate else Suite((), ())
    check = owner(state.spec.checks, files.tests, state.snapshot.prefix)
    if check is None:
        return None
    limit = min(check.timeout, state.spec.rules.cross_tests.timeout)
    return replace(check, timeout=limit), files


def _telling(state: RunState, author: TreeId, repeats: Sequence[int] = (0, 1)) -> tuple[str, ...]:
    """An author's tests that show something, in each of these looks at the base."""
    found = cross_check(state, author)
    assert found is not None, "an author has tests"
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
    name = found[0].name
    looks = [state.crossed_with(author, state.snapshot.tree, repeat) for repeat in repeats]
    on_base = [run for run in looks if run and run.outcome not in ("broken", "unjudged")]
    own = [run for run in whole(state.results(name, author)) if run.outcome in ("passed", "failed")]
    base, most = state.results(name, state.snapshot.tree), state.spec.rules.cross_tests.max_tests
    sets = [telling(before, after, base, most) for before in on_base for after in own]
    return tuple(test for test in sets[0] if all(test in one for one in sets)) if sets else ()
