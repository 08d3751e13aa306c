"""How good a way of choosing is, measured on cases whose right answers are known.

A *trial* is one recorded candidate of a case, with the word of hidden tests whether it resolves
the task. Every number is a mean over cases, each of which weighs the same, so neither the order of
cases nor that of candidates changes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Trial:
    """One recorded candidate."""

    name: str
    """Unique in its case."""
    resolved: bool
    """Whether it solves the task, by tests that no selection has seen."""
    choice: str = ""
    """Equal for candidates that agree (`core.candidate.Candidate.essence`); empty when
    nothing came of it: its patch does not apply, or changes nothing."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The candidates of one case, and which of them was chosen."""

    id: str
    trials: tuple[Trial, ...]
    chosen: str | None
    """The name of one of them; None: no winner was offered."""

    @property
    def mean(self) -> Fraction:
        """The share of its candidates that resolve it."""
        return _share(self.trials)

    @property
    def oracle(self) -> Fraction:
        """1 when any candidate resolves it."""
        return Fraction(any(t.resolved for t in self.trials))

    @property
    def random(self) -> Fraction:
        """What drawing one of the candidates that there are to choose from gives on average."""
        return _share([t for t in self.trials if t.choice])

    @property
    def majority(self) -> Fraction:
        """What the change gives that most agents arrived at; of several such, their mean."""
        sizes = Counter(t.choice for t in self.trials if t.choice)
        most = max(sizes.values(), default=0)
        groups = [
            _share([t for t in self.trials if t.choice == choice])
            for choice, size in sizes.items()
            if size == most
        ]
        return sum(groups, Fraction(0)) / len(groups) if groups else Fraction(0)

    @property
    def selected(self) -> Fraction:
        """1 when what was chosen resolves it; to choose nothing resolves nothing."""
        return Fraction(any(t.resolved for t in self.trials if t.name == self.chosen))

    @property
    def abstained(self) -> bool:
        """Whether there were candidates to choose from, and none was chosen."""
        return self.chosen is None


@dataclass(frozen=True, slots=True)
class Summary:
    """A way of choosing over many cases. Shares are from 0 to 1."""

    cases: int
    mean: float
    oracle: float
    random: float
    majority: float
    selected: float
    gap_closed: float | None
    """Which part of the way from `mean` to `oracle` the choice goes: 1 is perfect, 0 no better than
    one agent alone, less is worse than that. None where there is no gap."""
    majority_gap_closed: float | None
    """The same of `majority`."""
    abstained: int
    abstention_precision: float | None
    """The share of abstentions at which no candidate was right; None without abstentions."""


def summary(results: Iterable[CaseResult]) -> Summary:
    """Means over cases."""
    cases = tuple(results)
    mean, oracle = _mean(cases, lambda c: c.mean), _mean(cases, lambda c: c.oracle)
    majority, selected = _mean(cases, lambda c: c.majority), _mean(cases, lambda c: c.selected)
    silent = [case for case in cases if case.abstained]
    right = sum(not case.oracle for case in silent)
    return Summary(
        cases=len(cases),
        mean=float(mean),
        oracle=float(oracle),
        random=float(_mean(cases, lambda c: c.random)),
        majority=float(majority),
        selected=float(selected),
        gap_closed=_gap(selected, mean, oracle),
        majority_gap_closed=_gap(majority, mean, oracle),
        abstained=len(silent),
        abstention_precision=right / len(silent) if silent else None,
    )


def _gap(reached: Fraction, mean: Fraction, oracle: Fraction) -> float | None:
    return float((reached - mean) / (oracle - mean)) if oracle != mean else None


def _mean(cases: Sequence[CaseResult], of: Callable[[CaseResult], Fraction]) -> Fraction:
    return sum(map(of, cases), Fraction(0)) / len(cases) if cases else Fraction(0)


def _share(trials: Sequence[Trial]) -> Fraction:
    return Fraction(sum(t.resolved for t in trials), len(trials)) if trials else Fraction(0)
