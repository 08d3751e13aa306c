"""Golden numbers of measuring a choice."""

from __future__ import annotations

import pytest

from massgen_ls.core.evaluation import CaseResult, Trial, summary

RIGHT, WRONG, SAME = Trial("r", True, "1"), Trial("w", False, "2"), Trial("v", False, "2")
LOST = Trial("l", False)


@pytest.mark.parametrize(
    ("trials", "mean", "random", "majority", "oracle"),
    [
        ((RIGHT, WRONG, SAME), 1 / 3, 1 / 3, 0, 1),
        ((RIGHT, WRONG), 1 / 2, 1 / 2, 1 / 2, 1),  # two choices of one each: their mean
        ((RIGHT, LOST, LOST), 1 / 3, 1, 1, 1),  # what did not apply is nothing to draw
        ((LOST, LOST), 0, 0, 0, 0),
        ((WRONG, SAME), 0, 0, 0, 0),
    ],
)
def test_one_case(
    trials: tuple[Trial, ...], mean: float, random: float, majority: float, oracle: float
) -> None:
    case = CaseResult("c", trials, None)
    found = [float(x) for x in (case.mean, case.random, case.majority, case.oracle)]
    assert found == pytest.approx([mean, random, majority, oracle])


def test_many_cases() -> None:
    told = summary(
        [
            CaseResult("chosen well", (RIGHT, WRONG, SAME), "r"),
            CaseResult("chosen badly", (RIGHT, WRONG), "w"),
            CaseResult("rightly silent", (WRONG, SAME), None),
            CaseResult("wrongly silent", (RIGHT, WRONG), None),
        ]
    )
    assert told.cases == 4
    assert told.mean == pytest.approx((1 / 3 + 1 / 2 + 0 + 1 / 2) / 4)
    assert told.oracle == 0.75
    assert told.selected == 0.25
    assert told.majority == pytest.approx((0 + 1 / 2 + 0 + 1 / 2) / 4)
    assert told.gap_closed == pytest.approx((0.25 - 1 / 3) / (0.75 - 1 / 3))
    assert (told.abstained, told.abstention_precision) == (2, 0.5)


def test_without_a_gap_there_is_none_to_close() -> None:
    told = summary([CaseResult("c", (WRONG,), None)])
    assert told.gap_closed is None
    assert summary([]).gap_closed is None
    assert summary([CaseResult("c", (WRONG,), "w")]).abstention_precision is None
