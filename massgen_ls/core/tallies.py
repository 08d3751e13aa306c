"""How often a check told candidates apart: counted in a run, believed in the next ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CheckTally:
    """What a check has said in one run or several."""

    check: str
    looks: int
    """Choices that it was run on."""
    ruled_out: int
    """Those of them that it shut out."""


_LOOKS: Final = 4
_RULED_OUT: Final = 1
"""What is believed of a check that nobody knows: it shuts out one choice of four."""


def added(tallies: Iterable[CheckTally]) -> Mapping[str, CheckTally]:
    """The sums, by the checks' names."""
    found: dict[str, CheckTally] = {}
    for each in tallies:
        known = found.get(each.check, CheckTally(each.check, 0, 0))
        looks, out = known.looks + each.looks, known.ruled_out + each.ruled_out
        found[each.check] = CheckTally(each.check, looks, out)
    return found


def share(known: CheckTally | None) -> float:
    """How likely a check shuts a choice out, above 0 and below 1."""
    looks, out = (known.looks, known.ruled_out) if known else (0, 0)
    return (out + _RULED_OUT) / (looks + _LOOKS)
