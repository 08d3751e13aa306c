"""What is begun first where cores are short: evidence, by what it is likely to tell in a second.

Who fails one gate is put through no other, so that what shuts a choice out early saves the rest.
The order never changes a verdict, only when it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from massgen_ls.core.coordination import RunCheck
from massgen_ls.core.gates import gated, to_look_at_again
from massgen_ls.core.looks import once
from massgen_ls.core.run_state import RunState
from massgen_ls.core.tallies import CheckTally, share

_CONFIRMS: Final = 0.9
"""How likely a failure is still there at the second look, which then shuts the choice out."""
_SAVED: Final = 0.1
"""How likely anything else is needed of a choice that waits for its second look."""
_SHORTEST: Final = 0.05
"""Seconds that every check takes, with its worktree."""


def precedence(
    state: RunState, step: RunCheck, known: Mapping[str, CheckTally]
) -> tuple[bool, float, str]:
    """Where a check of a tree stands among those that wait; the least comes first.

    The base first, for every judgement waits for it.

    Args:
        state: The run as it is.
        step: The check.
        known: What checks said in earlier runs, by their names.
    """
    if state.snapshot is None:
        return True, 0.0, repr(step)
    base = state.snapshot.tree
    took = min((r.seconds for r in state.results(step.check, base)), default=0.0)
    if step.repeat:
        tells = _CONFIRMS
    else:
        tells = share(known.get(step.check))
        if step.tree in _suspects(state):
            tells *= _SAVED
    return step.tree != base, -tells / max(took, _SHORTEST), repr(step)


@once
def _suspects(state: RunState) -> frozenset[str]:
    """Trees with a failure that waits for its second look."""
    checks = state.spec.checks if state.spec else ()
    return frozenset(
        candidate.tree
        for candidate in state.candidates
        if any(to_look_at_again(state, check.name, candidate.tree) for check in checks)
    )


def tallies(state: RunState) -> tuple[CheckTally, ...]:
    """What each check said about the choices of a run, for later ones."""
    if state.spec is None or state.snapshot is None:
        return ()
    said = [e for card in gated(state) for e in card.evidence if e.measured]
    return tuple(
        CheckTally(check.name, len(about), sum(not e.clears for e in about))
        for check in state.spec.checks
        if (about := [e for e in said if e.check == check.name])
    )
