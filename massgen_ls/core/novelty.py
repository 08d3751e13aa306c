"""Whether an improvement is new enough to ask everybody again, by the words of its change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from massgen_ls.core.task import CandidateId, Novelty

_MOST: Mapping[Novelty, Fraction | None] = {
    "lenient": None,
    "balanced": Fraction(7, 10),
    "strict": Fraction(1, 2),
}
"""The share of common words above which a change is refused; None: only what is equal is, which
the state machine sees to."""

_WORD = re.compile(r"\w+|[^\w\s]")


def words(patch: str) -> frozenset[str]:
    """What a unified diff is made of: the words of its changed lines, each with its sign."""
    found: set[str] = set()
    for line in patch.split("\n"):
        if line[:1] in ("+", "-") and not line.startswith(("+++ ", "--- ")):
            found |= {line[0] + word for word in _WORD.findall(line[1:])}
    return frozenset(found)


def alike(one: frozenset[str], other: frozenset[str]) -> Fraction:
    """The Jaccard index of two sets, from 0 to 1; two empty ones are the same."""
    every = one | other
    return Fraction(len(one & other), len(every)) if every else Fraction(1)


def refusal(rule: Novelty, patch: str, others: Mapping[CandidateId, str]) -> str:
    """Why an improvement is not taken, for people and for its agent; empty when it is.

    Args:
        rule: How different it has to be.
        patch: Its diff against the base.
        others: The diffs of the candidates that there are.
    """
    most = _MOST[rule]
    if most is None or not others:
        return ""
    mine = words(patch)
    shares = {name: alike(mine, words(theirs)) for name, theirs in others.items()}
    nearest = min(shares, key=lambda name: (-shares[name], name))
    if shares[nearest] <= most:
        return ""
    return (
        f"it has {float(shares[nearest]):.0%} of its words in common with {nearest}, and more than "
        f"{float(most):.0%} is not new enough (`answer_novelty_requirement: {rule}`)"
    )
