"""What is recorded of a step that ended without a fact of its own."""

from __future__ import annotations

from typing import assert_never

from massgen_ls.core.basetests import BaseTest
from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.consensus import AskVoter
from massgen_ls.core.coordination import (
    CrossTest,
    Fuse,
    MakeAttempt,
    RunCheck,
    TakeSnapshot,
    TryLanding,
    Work,
)
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    BallotMissed,
    BaseTested,
    CheckFinished,
    CrossTested,
    Event,
    FusionTried,
    LandingTried,
    NothingCaptured,
    RunFailed,
)
from massgen_ls.core.polls import AskJudge


def given_up(step: Work, epoch: int) -> list[Event]:
    """The facts without which a step would be tried for ever.

    Args:
        step: The step.
        epoch: The candidates that a judge was asked about.
    """
    reason = "it ended without a result"
    match step:
        case TakeSnapshot():
            return [RunFailed("No snapshot could be taken")]
        case MakeAttempt(seat=seat, attempt=attempt):
            return [
                AttemptStarted(seat, attempt, ""),
                AttemptEnded(seat, attempt, "failed", reason),
                NothingCaptured(seat, attempt, reason),
            ]
        case RunCheck(check=check, tree=tree, repeat=repeat):
            return [CheckFinished(CheckResult(check, tree, "broken", output=reason), repeat)]
        case Fuse():
            return [FusionTried(None, reason)]
        case CrossTest(author=author, onto=onto, repeat=repeat):
            broken = CheckResult("", onto, "broken", output=reason)
            return [CrossTested(author, onto, broken, repeat)]
        case BaseTest(onto=onto, repeat=repeat):
            return [BaseTested(onto, CheckResult("", onto, "broken", output=reason), repeat)]
        case TryLanding(candidates=candidates):
            return [LandingTried(candidates)]
        case AskJudge() | AskVoter():
            return [BallotMissed(step.judge, epoch, step.shown, reason)]
        case _:
            assert_never(step)
