"""What the gates say about the candidates of a run: which choices there are, what fails anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from massgen_ls.core.candidate import (
    PARSES,
    Candidate,
    CheckResult,
    Cluster,
    Evidence,
    Scorecard,
    Size,
    TreeId,
    whole,
)
from massgen_ls.core.changes import ChangeSet
from massgen_ls.core.crosstests import is_beside, is_test
from massgen_ls.core.evidence import looks_flaky, weigh
from massgen_ls.core.looks import once
from massgen_ls.core.run_state import RunState
from massgen_ls.core.wording import counted


def eligible(state: RunState) -> tuple[Candidate, ...]:
    """Candidates that may win: their attempt ended well.

    What a crashed or stopped attempt left is kept and listed, yet it is half a work.
    """
    return tuple(c for c in state.candidates if c.id in state.finished)


@once
def clusters(state: RunState) -> tuple[Cluster, ...]:
    """The choices that there are: eligible candidates, those that do the same as one.

    What is judged and delivered of a cluster is its smallest change, the one that touches the least
    beyond what all its members do; of equal ones the one that is configured first. A member whose
    own tree fails a gate (a formatter's, say) stands alone: it speaks neither for nor against the
    others, and the next one is judged in its place.

    Returns:
        In configuration order of their earliest members.
    """
    found: dict[tuple[str, TreeId], list[Candidate]] = {}
    for candidate in eligible(state):
        alone = candidate.tree if ruled_out(state, candidate.tree) else ""
        found.setdefault((candidate.substance, alone), []).append(candidate)
    return tuple(_cluster(members) for members in found.values())


def _cluster(members: list[Candidate]) -> Cluster:
    ordered = sorted(members, key=lambda c: c.changes.size)
    # Equal trees side by side: the first of them is offered, and all of them have been judged.
    tree = ordered[0].tree
    ordered.sort(key=lambda c: c.tree != tree)
    return Cluster(tree, tuple(c.id for c in ordered))


def ruled_out(state: RunState, tree: TreeId) -> bool:
    """Whether a tree fails a gate for good, whatever other checks would say."""
    return any(
        not e.clears and not to_look_at_again(state, e.check, tree)
        for e in _evidence(state).get(tree, ())
    )


def faulty(state: RunState, tree: TreeId) -> bool:
    """Whether a tree is ruled out by what is in it, so that no check is run on it."""
    return bool(_faults(state).get(tree))


@once
def _faults(state: RunState) -> Mapping[TreeId, tuple[str, ...]]:
    """What each tree leaves so that nobody can read it, in words."""
    found: dict[TreeId, set[str]] = {}
    for candidate in state.candidates:
        found.setdefault(candidate.tree, set()).update(map(str, candidate.faults))
    return {tree: tuple(sorted(faults)) for tree, faults in found.items()}


def to_look_at_again(state: RunState, check: str, tree: TreeId) -> bool:
    """Whether a failure of a candidate waits for its second look."""
    assert state.snapshot is not None, "no candidate without a base"
    base, mine = state.results(check, state.snapshot.tree), state.results(check, tree)
    return (
        bool(mine)
        and mine[0].outcome in {"failed", "timed_out"}
        and looks_flaky(base, as_in_base(state, tree, mine))
    )


def judged(state: RunState, tree: TreeId) -> bool:
    """Whether every check has had its say about a tree that may still win."""
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
    return ruled_out(state, tree) or all(
        state.results(check.name, state.snapshot.tree)
        and state.results(check.name, tree)
        and not to_look_at_again(state, check.name, tree)
        for check in state.spec.checks
    )


@once
def mends_to_look_at(state: RunState) -> tuple[tuple[str, TreeId], ...]:
    """The checks that are run once more, and where, before what is mended decides.

    First the base, where some of those that pass mend what others do not: what it fails by chance
    nobody mends. Then the one that would win by what it alone mends. What all mend decides
    nothing, and what several trees mend alike has been seen more than once.
    """
    if state.spec is None or state.snapshot is None or state.late:
        return ()
    cards = [c for c in gated(state) if c.clears and judged(state, c.cluster.tree)]
    base = state.snapshot.tree
    apart = [
        check.name
        for check in state.spec.checks
        if len({e.fixed for card in cards for e in card.evidence if e.check == check.name}) > 1
    ]
    found = tuple((check, base) for check in apart if len(state.results(check, base)) == 1)
    if found or not apart:
        return found
    best, second = sorted(cards, key=lambda card: -card.fixed)[:2]
    if best.fixed == second.fixed:
        return ()
    tree = best.cluster.tree
    mended = [e.check for e in best.evidence if e.fixed and e.check in apart]
    return tuple((check, tree) for check in mended if len(whole(state.results(check, tree))) == 1)


@once
def gated(state: RunState) -> tuple[Scorecard, ...]:
    """What the checks so far say about every cluster."""
    sizes = {c.tree: _size(c.changes) for c in state.candidates}
    fused = {c.id for c in state.candidates if c.parts}
    return tuple(
        Scorecard(
            cluster,
            _evidence(state)[cluster.tree],
            sizes[cluster.tree],
            fused=fused.issuperset(cluster.members),
        )
        for cluster in clusters(state)
    )


def _size(changes: ChangeSet) -> Size:
    beside = ChangeSet(tuple(f for f in changes.files if not is_test(f.path)))
    return Size(all(is_beside(f.path) for f in beside.files), beside.size, changes.size)


# ── what each check says ────────────────────────────────────────────────────────────────────────


@once
def _evidence(state: RunState) -> Mapping[TreeId, tuple[Evidence, ...]]:
    """What the checks so far say about each tree."""
    return {c.tree: tuple(_weighed(state, c.tree)) for c in eligible(state)}


def evidence_of(state: RunState, tree: TreeId) -> tuple[Evidence, ...]:
    """What the checks say about a candidate's tree; empty for one that is out of the running."""
    return _evidence(state).get(tree, ())


def _weighed(state: RunState, tree: TreeId) -> Iterator[Evidence]:
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
    if faults := _faults(state).get(tree):
        yield Evidence(PARSES, "failed", faults, (), ())
    for check in state.spec.checks:
        base = state.results(check.name, state.snapshot.tree)
        mine = as_in_base(state, tree, state.results(check.name, tree))
        if base and mine:
            yield _without_deleted(state, tree, weigh(check.name, base, mine))


def _without_deleted(state: RunState, tree: TreeId, evidence: Evidence) -> Evidence:
    """Takes back the credit for failures that went away with the file they were found in.

    Deleting a failing test mends nothing.
    """
    candidate = next((c for c in state.candidates if c.tree == tree), None)
    if candidate is None or not evidence.fixed:
        return evidence
    gone: set[str] = set()
    for change in candidate.changes.files:
        if change.kind == "delete":
            stem = change.path.rpartition(".")[0] or change.path
            gone |= {change.path, stem.replace("/", "."), stem.rpartition("/")[2]}
    words = re.compile(r"[^\w./-]+")
    kept = tuple(name for name in evidence.fixed if gone.isdisjoint(_names(name, words)))
    if len(kept) == len(evidence.fixed):
        return evidence
    lost = len(evidence.fixed) - len(kept)
    note = f"{evidence.check}: {counted(lost, 'failure')} only went away with a deleted file"
    return replace(evidence, fixed=kept, note=evidence.note or note)


def _names(failure: str, words: re.Pattern[str]) -> set[str]:
    """Everything in a failure's name that may name a file or a module, with its parents."""
    found: set[str] = set()
    for word in words.split(failure):
        found.add(word)
        parts = word.split(".")
        found |= {".".join(parts[:end]) for end in range(1, len(parts))}
        found |= set(parts)
    return found


def as_in_base(
    state: RunState, tree: TreeId, results: Iterable[CheckResult]
) -> tuple[CheckResult, ...]:
    """A candidate's results with findings named by the files' old paths.

    A finding that moved along with its file is not a new one.
    """
    candidate = next(c for c in state.candidates if c.tree == tree)
    assert state.snapshot is not None, "no candidate without a base"
    top = f"{state.snapshot.prefix}/" if state.snapshot.prefix else ""
    moved = {
        f"{change.path.removeprefix(top)}: ": f"{change.old_path.removeprefix(top)}: "
        for change in candidate.changes.files
        if change.old_path and change.old_path != change.path
    }
    if not moved:
        return tuple(results)

    def renamed(failure: str) -> str:
        path, separator, rest = failure.partition(": ")
        return moved.get(path + separator, path + separator) + rest

    return tuple(replace(r, failures=tuple(sorted(map(renamed, r.failures)))) for r in results)
