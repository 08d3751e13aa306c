"""Who agrees: a fix with tests and the same fix without them are one choice to agree on.

Every tree is judged by itself, and the tests of each are tried on all. Then those that pass the
gates and do the same in all but tests are counted together, and the one with the best tests
stands for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from massgen_ls.core.candidate import Cluster, Scorecard, Size, TreeId


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a tree beside its evidence."""

    essence: str
    """`Candidate.essence`."""
    telling: int
    """How many telling tests it brings (see `core.crosstests`)."""
    tested: bool
    """Whether it brings any tests."""


def joined(cards: Sequence[Scorecard], told: Mapping[TreeId, Told]) -> tuple[Scorecard, ...]:
    """The cards of those that agree as one, at the place of the first of them.

    What fails a gate, and what no agent made, stands alone.
    """
    groups: dict[tuple[str, TreeId], list[Scorecard]] = {}
    for card in cards:
        tree = card.cluster.tree
        alone = tree if card.fused or not card.clears else ""
        groups.setdefault((told[tree].essence, alone), []).append(card)
    return tuple(_one(group, told) for group in groups.values())


def _one(group: Sequence[Scorecard], told: Mapping[TreeId, Told]) -> Scorecard:
    def worse(card: Scorecard) -> tuple[int, int, int, bool, Size]:
        tests = told[card.cluster.tree]
        return -card.fixed, -card.cross.shared, -tests.telling, not tests.tested, card.size

    best = min(group, key=worse)
    others = (m for card in group if card is not best for m in card.cluster.members)
    return replace(best, cluster=Cluster(best.cluster.tree, (*best.cluster.members, *others)))
