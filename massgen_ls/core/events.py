"""The closed union of events: every fact about a run, in the past tense.

An `Event` is kept for ever and replayed; a `Delta` is noise for live views and may be dropped.
An `Envelope` carries one event with its place in the run's history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from massgen_ls.core.ballots import Ballot
from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import Candidate, CheckResult, Fate, Snapshot, TreeId
from massgen_ls.core.changes import RelPath
from massgen_ls.core.conversation import Transcript
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.permissions import Action, Word
from massgen_ls.core.plan import Clash, Conflict
from massgen_ls.core.tallies import CheckTally
from massgen_ls.core.task import CandidateId, RunId, RunSpec, SeatId
from massgen_ls.core.voting import Verdict

AttemptOutcome = Literal[
    "done",  # it ended by itself and said so with success
    "failed",  # it ended by itself with an error, or crashed
    "timed_out",
    "cancelled",
    "missing",  # the program is not there
    "interrupted",  # our own process died in the middle
]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run exists. ``folder`` is the folder that the user opened, absolute."""

    kind: ClassVar[str] = "run_started"
    spec: RunSpec
    folder: str
    owner: str
    """Who drives it: ``<pid>:<start time of that process>``, to know later whether it lives."""
    live: bool = False
    """Whether the user's live files are at hand, so that candidates can be tried on them."""


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """The base is recorded."""

    kind: ClassVar[str] = "snapshot_taken"
    snapshot: Snapshot
    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A seat's agent starts in its worktree."""

    kind: ClassVar[str] = "attempt_started"
    seat: SeatId
    attempt: int
    worktree: str
    type: str = ""
    """The kind of agent at work: a fallback may be of another kind than the seat's first."""


@dataclass(frozen=True, slots=True)
class AgentActed:
    """An agent did something worth remembering: used a tool, changed a file."""

    kind: ClassVar[str] = "agent_acted"
    seat: SeatId
    action: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """A seat's agent has ended; what it left in the worktree is captured afterwards."""

    kind: ClassVar[str] = "attempt_ended"
    seat: SeatId
    attempt: int
    outcome: AttemptOutcome
    reason: str = ""
    """For people: what happened and what to do next; empty for a plain success."""
    exit_code: int | None = None
    seconds: float = 0.0
    failure: FailureKind | None = None
    """What kind of failure it was, where that is known."""


@dataclass(frozen=True, slots=True)
class AttemptPaused:
    """The agent failed in a way that may pass, and is tried again after a while."""

    kind: ClassVar[str] = "attempt_paused"
    seat: SeatId
    attempt: int
    failure: FailureKind | None
    reason: str
    seconds: float
    tries: int
    """How often it was tried so far."""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """What an attempt has spent so far; the latest report of an attempt counts, not the sum."""

    kind: ClassVar[str] = "usage_reported"
    seat: SeatId
    attempt: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class PermissionDecided:
    """An agent asked whether it may do something, and was answered."""

    kind: ClassVar[str] = "permission_decided"
    seat: SeatId
    action: Action
    word: Word
    reason: str
    by: str = "rule"
    """``rule``, or who was asked."""


@dataclass(frozen=True, slots=True)
class NoteSent:
    """Somebody told an agent at work something."""

    kind: ClassVar[str] = "note_sent"
    seat: SeatId
    text: str
    by: str = "user"


@dataclass(frozen=True, slots=True)
class Conversed:
    """What an attempt's agent said and did, whole; kept for those who go on from it."""

    kind: ClassVar[str] = "conversed"
    seat: SeatId
    attempt: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class CandidateCaptured:
    """A seat's worktree differs from the base, and the difference is safe in the shadow."""

    kind: ClassVar[str] = "candidate_captured"
    candidate: Candidate
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NothingCaptured:
    """A seat's attempt left nothing that can be a candidate."""

    kind: ClassVar[str] = "nothing_captured"
    seat: SeatId
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check has judged a tree (the base's or a candidate's)."""

    kind: ClassVar[str] = "check_finished"
    result: CheckResult
    repeat: int = 0
    """0 for the first run on that tree, 1 for the second look at a flaky one, …"""


@dataclass(frozen=True, slots=True)
class CrossTested:
    """A check was run on a tree with the tests of another candidate laid over it."""

    kind: ClassVar[str] = "cross_tested"
    author: TreeId
    onto: TreeId
    """The base's tree, or a candidate's."""
    result: CheckResult
    """Its ``tree`` is the one that was made of both."""
    repeat: int = 0
    """1 for the second look at what tells candidates apart."""


@dataclass(frozen=True, slots=True)
class BaseTested:
    """A check was run on a candidate with the base's versions of the tests that it changes."""

    kind: ClassVar[str] = "base_tested"
    onto: TreeId
    """The candidate's tree."""
    result: CheckResult
    """Its ``tree`` is the one that was made of both."""
    repeat: int = 0
    """1 for the second look."""


@dataclass(frozen=True, slots=True)
class FusionTried:
    """What several candidates share was composed, or could not be. Once in a run at most."""

    kind: ClassVar[str] = "fusion_tried"
    candidate: Candidate | None
    reason: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class LandingTried:
    """It was worked out what landing candidates would do to the live files; nothing was written."""

    kind: ClassVar[str] = "landing_tried"
    candidates: tuple[CandidateId, ...]
    clashes: tuple[Clash, ...] = ()
    """Those among them that do not land whole; none, where nobody has typed in the way."""


@dataclass(frozen=True, slots=True)
class BallotCast:
    """An agent has judged (MassGen's *vote*)."""

    kind: ClassVar[str] = "ballot_cast"
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class BallotMissed:
    """A judge was asked and gave no answer that can be used: the verdict is found without it."""

    kind: ClassVar[str] = "ballot_missed"
    judge: SeatId
    epoch: int
    shown: tuple[CandidateId, ...]
    """What it was asked to compare, in the order in which it was shown."""
    reason: str


@dataclass(frozen=True, slots=True)
class RefinementChosen:
    """In consensus: an agent wants to improve on a candidate instead of voting."""

    kind: ClassVar[str] = "refinement_chosen"
    seat: SeatId
    epoch: int
    """The number of candidates that existed when it was asked; an older wish is void."""
    onto: CandidateId
    """What it builds on: its own or another's."""
    reason: str


@dataclass(frozen=True, slots=True)
class JudgingUsed:
    """What a judge's answer has cost so far; the latest report on a question counts."""

    kind: ClassVar[str] = "judging_used"
    judge: SeatId
    epoch: int
    shown: tuple[CandidateId, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Someone wants the run to end."""

    kind: ClassVar[str] = "cancel_requested"
    by: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The run's time is over."""

    kind: ClassVar[str] = "deadline_passed"
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run cannot go on: no snapshot, no worktree. ``reason`` is for people."""

    kind: ClassVar[str] = "run_failed"
    reason: str


@dataclass(frozen=True, slots=True)
class RunInterrupted:
    """The process that drove the run is gone; found at a later start."""

    kind: ClassVar[str] = "run_interrupted"


@dataclass(frozen=True, slots=True)
class RunSettled:
    """The verdict. Exactly one for each run; only deliveries follow."""

    kind: ClassVar[str] = "run_settled"
    verdict: Verdict
    tallies: tuple[CheckTally, ...] = ()
    """What each check said, for the order of checks in later runs."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A candidate landed in the user's files, whole or in part."""

    kind: ClassVar[str] = "delivered"
    candidate: CandidateId
    paths: tuple[RelPath, ...]
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryRefused:
    """The editor or the disk did not take the edit, or not as a whole; ``reason`` says which."""

    kind: ClassVar[str] = "delivery_refused"
    candidate: CandidateId
    reason: str
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Discarded:
    """The user does not want a candidate (or, with None, the whole run's)."""

    kind: ClassVar[str] = "discarded"
    candidate: CandidateId | None


@dataclass(frozen=True, slots=True)
class Revised:
    """What its user has made of a candidate that had landed, by their saved files.

    Without one it was kept; of several the last counts, since the last delivery.
    """

    kind: ClassVar[str] = "revised"
    candidate: CandidateId
    fate: Fate


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know and that changes nothing."""

    kind: ClassVar[str] = "notice"
    level: Literal["info", "warning", "error"]
    text: str
    seat: SeatId | None = None
    tree: TreeId | None = None


Event = (
    RunStarted
    | SnapshotTaken
    | AttemptStarted
    | AgentActed
    | AttemptEnded
    | AttemptPaused
    | UsageReported
    | PermissionDecided
    | NoteSent
    | Conversed
    | CandidateCaptured
    | NothingCaptured
    | CheckFinished
    | CrossTested
    | BaseTested
    | FusionTried
    | LandingTried
    | BallotCast
    | BallotMissed
    | RefinementChosen
    | JudgingUsed
    | CancelRequested
    | DeadlinePassed
    | RunFailed
    | RunInterrupted
    | RunSettled
    | Delivered
    | DeliveryRefused
    | Discarded
    | Revised
    | Notice
)


@dataclass(frozen=True, slots=True)
class Delta:
    """Live noise of a seat or a check: never stored, dropped when a reader is slow."""

    run: RunId
    source: str
    """A seat's id, or ``check:<name>``."""
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event in its place."""

    run: RunId
    seq: int
    """From 1, without gaps within a run."""
    time: float
    """Seconds since the epoch, by the clock of whoever appended it."""
    event: Event
