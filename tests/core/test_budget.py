"""What is spent is counted exactly, and limits say when they are used up."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.budget import MICRO, Limits, Usage, micros, money, total

counts = st.integers(0, 10**12)
usages = st.builds(Usage, counts, counts, counts, counts, counts, st.none() | counts)


@pytest.mark.parametrize(
    ("dollars", "amount"),
    [
        (0, 0), (1, MICRO), (0.1, 100_000), ("0.0000005", 1), ("0.00000049", 0), ("1e-3", 1000),
        (0.1 + 0.2, 300_000), (Decimal("12.345678"), 12_345_678), ("1e9", 10**15),
        ("-1", 0), ("abc", 0), ("", 0), ("nan", 0), ("sNaN", 0), ("inf", 0), ("1e99", 0),
        ("1e999999999999999999999", 0), ("1e-999999999", 0), (None, 0),
    ],
)  # fmt: skip
def test_dollars_become_whole_millionths_and_nonsense_nothing(
    dollars: float | str | Decimal, amount: int
) -> None:
    assert micros(dollars) == amount


@given(st.text() | st.floats() | st.decimals())
def test_whatever_a_program_calls_a_cost_is_a_number_of_micros(
    told: float | str | Decimal,
) -> None:
    assert 0 <= micros(told) <= 10**15


@given(st.integers(0, 10**15))
def test_micros_survive_being_told_in_dollars(amount: int) -> None:
    assert micros(Decimal(amount) / MICRO) == amount


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"), (1_200_000, "$1.20"), (4_200, "$0.0042"), (10_000, "$0.01"),
        (999, "$0.0010"), (1_234_567_890, "$1234.57"), (49, "less than $0.0001"),
    ],
)  # fmt: skip
def test_money_reads_as_people_write_it(amount: int, shown: str) -> None:
    assert money(amount) == shown


@given(st.lists(usages, max_size=8), st.randoms())
def test_a_sum_does_not_depend_on_the_order(spent: list[Usage], random: object) -> None:
    shuffled = list(spent)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    both = total(spent)
    assert total(shuffled) == both
    assert both.tokens == sum(u.tokens for u in spent)
    told = [u.cost for u in spent if u.cost is not None]
    assert both.cost == (sum(told) if told else None), "no cost told is not a cost of nothing"


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (Usage(), "0 tokens"),
        (Usage(1), "1 token"),
        (Usage(9_000, 999), "9999 tokens"),
        (Usage(10_400, cost=MICRO), "10k tokens, $1.00"),
        (Usage(999_499), "999k tokens"),
        (Usage(999_500), "1.0M tokens"),
        (Usage(0, 1_000_000, 200_000, 50_000), "1.2M tokens"),
    ],
)
def test_usage_reads_short(usage: Usage, shown: str) -> None:
    assert str(usage) == shown


@pytest.mark.parametrize(
    ("limits", "usage", "said"),
    [
        (Limits(), Usage(10**9, cost=10**9), ""),
        (Limits(cost=MICRO), Usage(10**9), ""),
        (Limits(cost=MICRO), Usage(cost=MICRO - 1), ""),
        (
            Limits(cost=MICRO), Usage(cost=MICRO + 200_000),
            "The limit of $1.00 is used up ($1.20 spent)",
        ),
        (Limits(tokens=10), Usage(5, 4), ""),
        (Limits(tokens=10), Usage(5, 4, 0, 1), "The limit of 10 tokens is used up (10 spent)"),
        (Limits(tokens=1), Usage(2), "The limit of 1 token is used up (2 spent)"),
    ],
)  # fmt: skip
def test_a_limit_says_when_it_is_used_up(limits: Limits, usage: Usage, said: str) -> None:
    assert limits.passed(usage) == said


@given(usages, usages, st.builds(Limits, st.none() | counts, st.none() | counts))
def test_what_is_used_up_stays_used_up(usage: Usage, more: Usage, limits: Limits) -> None:
    if limits.passed(usage):
        assert limits.passed(usage + more)


@given(st.fractions(0, 10**6))
def test_rounding_is_to_the_nearest(dollars: Fraction) -> None:
    told = Decimal(dollars.numerator) / Decimal(dollars.denominator)
    assert abs(Fraction(micros(told)) - Fraction(told) * MICRO) <= Fraction(1, 2)
