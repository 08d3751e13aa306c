"""What the evidence so far says about the candidates of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from massgen_ls.core.candidate import (
    Candidate,
    CheckResult,
    Cluster,
    Evidence,
    Scorecard,
    TreeId,
)
from massgen_ls.core.evidence import weigh
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CandidateId
from massgen_ls.core.wording import counted


def eligible(state: RunState) -> tuple[Candidate, ...]:
    """Candidates that may win: their attempt ended well.

    What a crashed or stopped attempt left is kept and listed, yet it is half a work.
    """
    return tuple(c for c in state.candidates if c.id in state.finished)


def clusters(candidates: Iterable[Candidate]) -> tuple[Cluster, ...]:
    """Candidates with equal trees, in the order of their first members."""
    found: dict[TreeId, list[CandidateId]] = {}
    for candidate in candidates:
        found.setdefault(candidate.tree, []).append(candidate.id)
    return tuple(Cluster(tree, tuple(members)) for tree, members in found.items())


def scorecards(state: RunState) -> tuple[Scorecard, ...]:
    """The evidence so far about every cluster of eligible candidates."""
    sizes = {c.tree: c.changes.size for c in state.candidates}
    return tuple(
        Scorecard(cluster, tuple(_evidence(state, cluster.tree)), sizes[cluster.tree])
        for cluster in clusters(eligible(state))
    )


def _evidence(state: RunState, tree: TreeId) -> Iterator[Evidence]:
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
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
