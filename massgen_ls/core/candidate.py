"""Snapshots, candidates and the evidence about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from massgen_ls.core.changes import ChangeSet, RelPath
from massgen_ls.core.task import CandidateId, SeatId

TreeId = str
"""The hex name of a git tree object."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable content of the user's workspace at one instant, as a commit of the shadow."""

    root: str
    """Top of the user's working tree, absolute."""
    prefix: str
    """The folder that the user opened, relative to ``root``; empty when it is the top."""
    shadow: str
    """Our bare repository, absolute."""
    commit: str
    tree: TreeId
    head: str | None
    """The user's HEAD commit; None in a repository without a commit."""
    notes: tuple[str, ...] = ()
    """What the snapshot does not hold and why, for people (an embedded repository, say)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that nobody can read as its candidate left it (see `core.faults`)."""

    path: RelPath
    line: int
    """From 1; 0 when it cannot be told."""
    message: str
    new: bool = False
    """The base does not have it."""

    def __str__(self) -> str:
        """For example ``src/a.py no longer parses (line 12: '(' was never closed)``."""
        where = f"line {self.line}: " if self.line else ""
        says = "does not parse" if self.new else "no longer parses"
        return f"{self.path} {says} ({where}{self.message})"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one attempt of a seat made of the base (MassGen's *answer*)."""

    id: CandidateId
    seat: SeatId
    base: TreeId
    tree: TreeId
    commit: str
    changes: ChangeSet
    summary: str = ""
    digest: str = ""
    """What the changes do beyond layout and comments (see `core.normal`); empty when unknown."""
    built_on: CandidateId | None = None
    """The candidate that it improves on, where its agent did not start from the base."""
    parts: tuple[CandidateId, ...] = ()
    """Of what no agent made: the candidates whose shared hunks it is (see `core.fusion`)."""
    code: str = ""
    """As `digest`, of the files that are no tests; of a change of nothing but tests, `digest`."""
    faults: tuple[Fault, ...] = ()
    """Files that it leaves so that nobody can read them, where that is certain."""

    @property
    def substance(self) -> str:
        """Equal for candidates that are one and the same choice: the digest, or else the tree."""
        return self.digest or self.tree

    @property
    def essence(self) -> str:
        """Equal for candidates that agree, whatever tests they bring: equal in `substance`, too."""
        return self.code or self.substance


CheckOutcome = Literal["passed", "failed", "timed_out", "broken", "unjudged"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One run of one check on one tree."""

    check: str
    tree: TreeId
    outcome: CheckOutcome
    """``broken``: its program could not be started at all, or ran no tests. ``unjudged``: our own
    side failed (no room for a worktree, say), which says nothing about the tree."""
    failures: tuple[str, ...] = ()
    """Names of what failed, stable between trees (a test's id; path, code and text of a finding,
    without line numbers), sorted. Empty with ``failed`` when the parser knows no parts; may hold
    a name twice when a finding occurs twice."""
    exit_code: int | None = None
    seconds: float = 0.0
    output: str = ""
    """The end of what it printed, for people."""
    cached: bool = False
    passed: tuple[str, ...] | None = field(default=None, hash=False)
    """Names of the tests that passed, named as in ``failures``, each once, sorted. None where the
    parser cannot know them all: what it does not name may have passed or not. Results are keys of
    what is remembered about them, and thousands of names would be read for each look-up."""
    part: bool = False
    """Only some of its tests were run: it says what fails, and nothing of the others."""


def whole(runs: Sequence[CheckResult]) -> Sequence[CheckResult]:
    """The runs that count: those of all tests, as soon as there is one."""
    return [run for run in runs if not run.part] or runs


Fate = Literal["kept", "edited", "undone"]
"""What its user made of a change that had landed: all of it still stands, some of it does not, or
everything is again as it was before."""


PARSES: Final = "files parse"
"""The gate of `Candidate.faults`, as evidence names it: no check of a user's has a blank."""
FITS: Final = "fits your changes"
"""The gate of `core.plan.Clash`: it tells apart what the evidence cannot (see `core.scoring`)."""
OWN_GATES: Final = (PARSES, FITS)
"""Gates that are no checks of the user's. They speak only of what they rule out."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check says about a candidate, held against the base. Made by `weigh`."""

    check: str
    """The check's name, or one of `OWN_GATES`."""
    outcome: CheckOutcome
    new_failures: tuple[str, ...]
    """Failures that the base does not have; these are held against the candidate."""
    fixed: tuple[str, ...]
    """Failures of the base that the candidate does not have; these speak for it."""
    flaky: tuple[str, ...]
    """Failures that came and went between runs on the same tree; they count for nobody."""
    note: str = ""
    """Why the check says nothing or less than it could, for people; mostly empty."""
    measured: bool = True
    """False: the check could say nothing, and ``note`` says why."""

    @property
    def clears(self) -> bool:
        """Whether the candidate passes this gate."""
        return not self.new_failures and self.outcome != "unjudged"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Candidates that do the same. ``members`` with the one that is offered first, never empty."""

    tree: TreeId
    """Of the first member: the one that is judged and delivered."""
    members: tuple[CandidateId, ...]


@dataclass(frozen=True, slots=True)
class CrossScore:
    """What the tests that contenders brought say about one of them (see `core.crosstests`)."""

    shared: int = 0
    """How well the tests tell contenders apart that it passes together with another one."""
    alone: int = 0
    """Whether its own tests show something that nobody else can do: weak evidence."""
    passed: int = 0
    """Of all these tests, how many it passes."""
    tests: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """How large a change is; the smaller one is less. What is nothing but tests is no small one."""

    tests_only: bool
    """Whether it touches nothing beside tests and what lies with them."""
    beside: int
    """Changed lines without those of tests."""
    lines: int = field(compare=False)
    """All changed lines, to be told: nobody shall lose by the tests that they bring."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All the evidence about one cluster, in the order of the configured checks."""

    cluster: Cluster
    evidence: tuple[Evidence, ...]
    size: Size
    """Of its change set."""
    cross: CrossScore = CrossScore()
    fused: bool = False
    """Whether no agent made it: then it wins by evidence alone."""
    outdates: tuple[str, ...] = ()
    """Tests of the base, as they were there, that it fails and the base passes (see
    `core.basetests`)."""

    @property
    def clears(self) -> bool:
        """Whether it passes every gate."""
        return all(e.clears for e in self.evidence)

    @property
    def fixed(self) -> int:
        """How many failures of the base it mends."""
        return sum(len(e.fixed) for e in self.evidence)

    @property
    def unread(self) -> bool:
        """Whether files of it cannot be read, so that nothing else was measured."""
        return any(e.check == PARSES and not e.clears for e in self.evidence)

    @property
    def broke(self) -> int:
        """How many failures of checks it brings."""
        return sum(len(e.new_failures) for e in self.evidence if e.check not in OWN_GATES)
