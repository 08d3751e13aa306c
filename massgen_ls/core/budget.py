"""What agents spend, and how much they may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from massgen_ls.core.wording import counted

MICRO = 1_000_000
"""Money is counted in whole millionths of a US dollar: sums are exact and can be stored."""


def micros(dollars: str | float | Decimal) -> int:
    """US dollars as millionths, rounded to the nearest; nonsense and negatives are 0."""
    try:
        value = Decimal(str(dollars))
    except InvalidOperation:
        return 0
    if not value.is_finite() or value < 0 or value > 10**9:
        return 0
    return int((value * MICRO).to_integral_value(ROUND_HALF_UP))


def money(amount: int) -> str:
    """Millionths as people read them: ``$1.20``, ``$0.0042``."""
    if 0 < amount < 50:
        return "less than $0.0001"
    dollars = Decimal(amount) / MICRO
    return f"${dollars:.2f}" if amount >= MICRO // 100 or amount == 0 else f"${dollars:.4f}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money. Counts never overlap: ``input`` is without what came from a cache."""

    input: int = 0
    cached: int = 0
    """Input tokens read from the provider's cache."""
    stored: int = 0
    """Input tokens written to it."""
    output: int = 0
    """With what the model thought."""
    requests: int = 0
    cost: int | None = None
    """Millionths of a US dollar; None: not told."""

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input + self.cached + self.stored + self.output

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.stored + other.stored,
            self.output + other.output,
            self.requests + other.requests,
            sum(costs) if costs else None,
        )

    def __str__(self) -> str:
        spent = f", {money(self.cost)}" if self.cost is not None else ""
        noun = "token" if self.tokens == 1 else "tokens"
        return f"{_short(self.tokens)} {noun}{spent}"


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of them."""
    found = Usage()
    for usage in usages:
        found += usage
    return found


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend; None: as much as it takes."""

    cost: int | None = None
    """Millionths of a US dollar, of what agents tell about their costs."""
    tokens: int | None = None
    minutes: float | None = None

    def passed(self, usage: Usage) -> str:
        """Which limit is used up, for people; empty when none is."""
        if self.cost is not None and usage.cost is not None and usage.cost >= self.cost:
            return f"The limit of {money(self.cost)} is used up ({money(usage.cost)} spent)"
        if self.tokens is not None and usage.tokens >= self.tokens:
            return f"The limit of {counted(self.tokens, 'token')} is used up ({usage.tokens} spent)"
        return ""


def _short(count: int) -> str:
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1_000_000:.1f}M"
