"""What an agent in consensus answers: a vote for another's candidate, or the wish to improve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from massgen_ls.core.blinding import REASON
from massgen_ls.core.task import CandidateId, Json


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer that can be used."""

    decision: Literal["vote", "improve"]
    candidate: CandidateId
    """What it votes for, or builds on."""
    reason: str


def schema(names: Mapping[CandidateId, str], *, may_improve: bool) -> dict[str, Json]:
    """What an answer must look like: the reason first, so that it is thought of before."""
    decisions: list[Json] = ["vote", "improve"] if may_improve else ["vote"]
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "decision": {"type": "string", "enum": decisions},
            "candidate": {"type": "string", "enum": [*names.values()]},
        },
        "required": ["reason", "decision", "candidate"],
        "additionalProperties": False,
    }


def choice(
    answer: Json,
    others: Mapping[CandidateId, str],
    own: Mapping[CandidateId, str],
    *,
    may_improve: bool,
) -> tuple[Choice | None, str]:
    """An answer, and what is wrong with it: one of the two is empty.

    Args:
        answer: What the agent said, from outside: anything.
        others: The labels of what others made.
        own: The labels of what it made itself: it may build on that, and not vote for it.
        may_improve: Whether it was offered to.
    """
    if not isinstance(answer, dict):
        return None, "the answer is no object"
    if unknown := answer.keys() - {"reason", "decision", "candidate"}:
        return None, f"the answer must not have {min(unknown)!r}"
    reason, decision, named = (answer.get(k) for k in ("reason", "decision", "candidate"))
    if decision not in ("vote", "improve") or (decision == "improve" and not may_improve):
        there = "`vote` or `improve`" if may_improve else "`vote`: there is no further improvement"
        return None, f"`decision` must be {there}"
    known = {name: candidate for candidate, name in {**others, **own}.items()}
    if not isinstance(named, str) or named not in known:
        return None, f"`candidate` must be one of {', '.join(known)}"
    if decision == "vote" and known[named] in own:
        return None, f"nobody votes for their own; name one of {', '.join(others.values())}"
    if not isinstance(reason, str) or not reason.strip():
        return None, "`reason` is missing"
    text = reason.strip()[:REASON]
    for name, candidate in known.items():
        text = re.sub(rf"\b{name}\b", lambda _, called=candidate: called, text)
    return Choice("improve" if decision == "improve" else "vote", known[named], text), ""
