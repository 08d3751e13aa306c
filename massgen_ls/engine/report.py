"""Runs and deliveries, as programs read them: payloads of the protocol, ``--json`` and ``show``."""

from __future__ import annotations

from typing import cast

from massgen_ls.core import basetests
from massgen_ls.core.budget import MICRO, Usage
from massgen_ls.core.candidate import Candidate, Scorecard
from massgen_ls.core.explain import cross_matrix, evidence_by_gate, explanation
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import per_tree, scorecards
from massgen_ls.core.task import Json, RunId
from massgen_ls.core.wire import envelope_json, to_json
from massgen_ls.engine.delivery import Delivery
from massgen_ls.ports import RunRecord

__all__ = [
    "candidate_json",
    "delivery_json",
    "envelope_json",
    "record_json",
    "run_json",
    "settled",
]


def settled(run: RunId, state: RunState) -> dict[str, Json]:
    """The settled run; with a verdict still to come its outcome is ``running``.

    ``{"kind": "run_settled", "run", "verdict": {"outcome", "winner", "why", "ranking"},
    "candidates": […], "usage", "judging"}``, candidates in the order of the ranking; ``usage`` is
    all that the run has spent, ``judging`` the judges' part of it.
    """
    verdict = state.verdict
    ranking = list(verdict.ranking) if verdict else []
    cards = {member: card for card in scorecards(state) for member in card.cluster.members}
    own = {member: card for card in per_tree(state) for member in card.cluster.members}
    places = {candidate: i for i, candidate in enumerate(ranking)}
    ordered = sorted(state.candidates, key=lambda c: places.get(c.id, len(places)))
    return {
        "kind": "run_settled",
        "run": run,
        "verdict": {
            "outcome": verdict.outcome if verdict else "running",
            "winner": verdict.winner if verdict else None,
            "why": verdict.why if verdict else "",
            "ranking": [*ranking],
        },
        "candidates": [candidate_json(c, cards.get(c.id), own.get(c.id), state) for c in ordered],
        "usage": _usage(state.usage),
        "judging": _usage(state.judging),
    }


def _usage(usage: Usage) -> dict[str, Json]:
    """``cost`` in US dollars as exact text, null where no agent told it."""
    cost = None if usage.cost is None else f"{usage.cost / MICRO:.6f}"
    return {"tokens": usage.tokens, **cast("dict[str, Json]", to_json(usage)), "cost": cost}


def run_json(run: RunId, state: RunState) -> dict[str, Json]:
    """All of a run that people may want to see: `settled` and its task, seats and deliveries."""
    spec = state.spec
    return {
        **settled(run, state),
        "kind": "run",
        "folder": state.folder,
        "root": state.snapshot.root if state.snapshot else None,
        "task": to_json(spec.task) if spec else None,
        "base": state.snapshot.commit if state.snapshot else None,
        "seats": [
            {**cast("dict[str, Json]", to_json(seat)), "usage": _usage(seat.usage)}
            for seat in state.seats
        ],
        "checks": [check.name for check in spec.checks] if spec else [],
        "explanation": to_json(explanation(state)),
        "crossTests": to_json(cross_matrix(state)),
        "notices": [notice.text for notice in state.notices],
        "deliveries": [to_json(delivery) for delivery in state.deliveries],
        "fates": {str(candidate): fate for candidate, fate in state.fates},
    }


def candidate_json(
    candidate: Candidate, choice: Scorecard | None, card: Scorecard | None, state: RunState
) -> dict[str, Json]:
    """One candidate with its files and the evidence about it.

    Args:
        candidate: It.
        choice: The card of those that agree with it.
        card: The card of its own tree.
        state: Where both are from.
    """
    evidence = tuple(evidence_by_gate(state, card).values())
    return {
        "id": candidate.id,
        "seat": candidate.seat,
        "tree": candidate.tree,
        "commit": candidate.commit,
        "summary": candidate.summary,
        "builtOn": candidate.built_on,
        "parts": [*candidate.parts],
        "eligible": card is not None,
        "clears": all(e.clears for e in evidence) if card else False,
        "fixed": card.fixed if card else 0,
        "broke": card.broke if card else 0,
        "discarded": candidate.id in state.discarded,
        "cluster": [*choice.cluster.members] if choice else [candidate.id],
        "files": [
            {
                "path": change.path,
                "kind": change.kind,
                "oldPath": change.old_path,
                "added": change.added,
                "removed": change.removed,
            }
            for change in candidate.changes.files
        ],
        "checks": [to_json(each) for each in evidence],
        "outdates": [
            name or "(the whole run)" for name in basetests.outdated(state, candidate.tree)
        ],
    }


def record_json(record: RunRecord) -> dict[str, Json]:
    """A line of the list of runs."""
    return {
        "run": record.run,
        "folder": record.folder,
        "prompt": record.prompt,
        "started": record.started,
        "outcome": record.outcome if record.settled else "running",
        "winner": record.winner or None,
        "candidates": [*record.candidates],
    }


def delivery_json(delivery: Delivery) -> dict[str, Json]:
    """What became of a candidate that should land: the answer to ``massgen/apply``."""
    return {
        "candidate": delivery.candidate,
        "applied": delivery.applied,
        "paths": [*delivery.paths],
        "conflicts": to_json(delivery.conflicts),
        "reason": delivery.reason,
        "held": {held.path: [*held.hunks] for held in delivery.held},
        "blocked": {blocked.path: blocked.why for blocked in delivery.blocked},
    }
