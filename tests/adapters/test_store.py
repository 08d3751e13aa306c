"""The record: append-only, shared between processes, exact."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.store.codec import check_result_from, event_from
from massgen_ls.adapters.store.sqlite import SqliteStore
from massgen_ls.core.ballots import Ballot, Marks
from massgen_ls.core.budget import Limits, Usage
from massgen_ls.core.candidate import Candidate, CheckResult, Fault, Snapshot, TreeId
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.conversation import Called, Spoken, Transcript
from massgen_ls.core.errors import StorageError
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    BaseTested,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    Conversed,
    CrossTested,
    DeadlinePassed,
    Delivered,
    DeliveryRefused,
    Delta,
    Discarded,
    Event,
    FusionTried,
    JudgingUsed,
    LandingTried,
    NoteSent,
    NothingCaptured,
    Notice,
    PermissionDecided,
    RefinementChosen,
    Revised,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.permissions import Action, Permissions
from massgen_ls.core.plan import Clash, Conflict
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    Diagnostic,
    LineRange,
    Rules,
    RunId,
    RunSpec,
    Scope,
    SeatId,
    Task,
    WorktreeRules,
)
from massgen_ls.core.voting import Verdict
from massgen_ls.core.wire import envelope_json, event_json

ODD = rel_path("b\udcffd\nname")
SPEC = RunSpec(
    Task(
        "tidy — ünïcode \U0001f600",
        Scope(rel_path("a/b.py"), LineRange(1, 9), (Diagnostic(ODD, 3, "unused", "ruff", "F401"),)),
        "what was done before \udcff",
    ),
    (
        AgentSpec(
            AgentId("a"),
            "command",
            {"argv": ["x", "y"], "deep": {"n": [1, None, True]}},
            "be",
            Permissions("ask", ("run:make *", "*"), ("edit:*.lock",)),
            AgentSpec(
                AgentId("a"),
                "codex",
                {"model": "m"},
                "be brief",
                Permissions("deny"),
                AgentSpec(AgentId("a"), "claude_code", fallback=AgentSpec(AgentId("a"), "x")),
            ),
        ),
    ),
    (CheckSpec("tests", ("pytest", "-q"), 5.0, "junit"),),
    Rules(
        "consensus",
        "auto",
        2,
        1.5,
        2.5,
        0.5,
        "off",
        WorktreeRules(("x",), "symlink", (("a", "b"),), ("k",)),
        Limits(5_000_000, 70_000, 2.5),
        True,
        False,
        True,
    ),
    "ask",
)
CHANGES = ChangeSet.of(
    [
        FileChange("rename", ODD, rel_path("old"), "1", "2", "file", "executable", 1, 2),
        FileChange("add", rel_path("pic.png"), new_oid="3", new_type="file"),
    ]
)
CANDIDATE = Candidate(
    *(CandidateId("a.1"), SeatId("a"), "t0", "t1", "c1", CHANGES, "did it"),
    faults=(Fault(ODD, 3, "'(' was never closed"), Fault(ODD, 0, "why", new=True)),
)
PAIR = (CandidateId("a.1"), CandidateId("b.1"))
EVERY_EVENT: list[Event] = [
    RunStarted(SPEC, "/home/x/r\udcffpo", "12:34", live=True),
    SnapshotTaken(Snapshot("/r", "sub", "/s", "c0", "t0", None, ("left out",)), 0.25),
    AttemptStarted(SeatId("a"), 1, "/w", "claude_code"),
    AgentActed(SeatId("a"), "edit", "x.py"),
    AttemptPaused(SeatId("a"), 1, "rate_limit", "429", 2.5, 1),
    AttemptPaused(SeatId("a"), 1, None, "who knows", 0.0, 2),
    UsageReported(SeatId("a"), 1, Usage(1, 2, 3, 4, 5, 6)),
    UsageReported(SeatId("a"), 1, Usage()),
    PermissionDecided(SeatId("a"), Action("run", "rm -rf ~", "Bash", False), "deny", "no", "user"),
    NoteSent(SeatId("a"), "look at b.py too \ud83d", "you"),
    Conversed(
        SeatId("a"),
        1,
        Transcript(
            "a",
            "claude_code",
            (
                Spoken("do it", by="user"),
                Spoken("hm \ud83d \udcff", thinking=True),
                Called("edit", "b\udcff", "new", "done", True, "call-1"),
                Called("run", "make", result="no", ok=False),
                Called("read"),
                Spoken(""),
            ),
            (ODD,),
            "all of it",
            7,
            "session-1",
        ),
    ),
    Conversed(SeatId("a"), 2, Transcript("a", "x")),
    AttemptEnded(SeatId("a"), 1, "timed_out", "too slow", -9, 1.5, "timeout"),
    CandidateCaptured(CANDIDATE, 0.1),
    NothingCaptured(SeatId("a"), 1, "changed nothing"),
    CheckFinished(CheckResult("tests", "t1", "failed", ("x", "x"), 1, 2.5, "out" * 3000, True), 1),
    CrossTested("t1", "t2", CheckResult("tests", "t3", "failed", ("x",), passed=("y",))),
    BaseTested("t1", CheckResult("tests", "t3", "failed", ("x",), passed=("y",)), 1),
    BallotCast(Ballot(SeatId("a"), 2, CandidateId("a.1"), "best")),
    BallotCast(Ballot(SeatId("c"), 2, None, "", PAIR, (Marks(1, 2, 3, 4, 5),) * 2)),
    BallotMissed(SeatId("c"), 2, PAIR, "no answer came"),
    FusionTried(
        Candidate(
            CandidateId("fused.1"),
            SeatId("fused"),
            "t0",
            "t1",
            "c1",
            CHANGES,
            parts=(CandidateId("a.1"), CandidateId("b.1")),
        )
    ),
    FusionTried(None, "they share nothing"),
    LandingTried(PAIR, (Clash(CandidateId("a.1"), (ODD,)),)),
    RefinementChosen(SeatId("a"), 2, CandidateId("b.1"), "b forgets the edge"),
    JudgingUsed(SeatId("c"), 2, PAIR, Usage(5, output=2, cost=7)),
    CancelRequested("you"),
    DeadlinePassed(3.0),
    RunFailed("disk full"),
    RunInterrupted(),
    RunSettled(Verdict("won", CandidateId("a.1"), "because", (CandidateId("a.1"),))),
    Delivered(
        CandidateId("a.1"),
        (ODD,),
        (Conflict(ODD, "overlap", (1, 2), (1, 3), (1, 4), "mine", "theirs"),),
    ),
    DeliveryRefused(CandidateId("a.1"), "moved on"),
    Revised(CandidateId("a.1"), "undone"),
    Discarded(None),
    Discarded(CandidateId("a.1")),
    Notice("warning", "look", SeatId("a"), "t1"),
]


class Ticking:
    """A clock that advances by one second at each look."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        self.time += 1
        return self.time

    def monotonic(self) -> float:
        return self.now()


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda e: e.kind)
def test_every_kind_of_event_comes_back_as_it_went(event: Event) -> None:
    assert event_from(json.loads(json.dumps(event_json(event)))) == event


words = st.text(st.characters(), max_size=20)  # lone surrogates, NUL and all
parts = st.builds(Spoken, words, words, st.booleans()) | st.builds(
    Called, words, words, words, words, st.none() | st.booleans(), words
)


@given(st.lists(parts, max_size=5).map(tuple), words)
def test_whatever_was_said_comes_back_as_it_was(
    said: tuple[Spoken | Called, ...], summary: str
) -> None:
    event = Conversed(SeatId("a"), 1, Transcript("a", "x", said, (ODD,), summary, 1, summary))
    assert event_from(json.loads(json.dumps(event_json(event)))) == event


def test_the_table_above_holds_every_kind() -> None:
    from typing import get_args

    assert {type(e) for e in EVERY_EVENT} == set(get_args(Event))


OLD: list[tuple[dict[str, object], Event]] = [
    (
        {
            "kind": "run_started",
            "spec": {
                "task": {"prompt": "p", "scope": {"path": None, "lines": None, "diagnostics": []}},
                "agents": [
                    {
                        "id": "a", "type": "command", "settings": {"argv": ["x"]},
                        "system_message": "",
                    }
                ],
                "checks": [],
                "rules": {"mode": "best_of_n", "quorum": 1.0, "sandbox": "auto"},
                "apply": "none",
            },
            "folder": "/r",
            "owner": "1:2",
        },
        RunStarted(
            RunSpec(Task("p"), (AgentSpec(AgentId("a"), "command", {"argv": ["x"]}),)), "/r", "1:2"
        ),
    ),
    (
        {"kind": "attempt_started", "seat": "a", "attempt": 1, "worktree": "/w"},
        AttemptStarted(SeatId("a"), 1, "/w"),
    ),
    (
        {
            "kind": "attempt_ended", "seat": "a", "attempt": 1, "outcome": "failed", "reason": "x",
            "exit_code": 3, "seconds": 0.5,
        },
        AttemptEnded(SeatId("a"), 1, "failed", "x", 3, 0.5),
    ),
    (
        {
            "kind": "candidate_captured",
            "candidate": {
                "id": "a.1", "seat": "a", "base": "t0", "tree": "t1", "commit": "c1",
                "changes": {"files": []}, "summary": "did it", "digest": "d",
            },
            "seconds": 0.5,
        },
        CandidateCaptured(
            Candidate(
                CandidateId("a.1"), SeatId("a"), "t0", "t1", "c1", ChangeSet(), "did it", "d"
            ),
            0.5,
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "event"), OLD, ids=lambda value: str(value)[:12])
def test_what_an_earlier_version_wrote_is_still_read(body: dict[str, object], event: Event) -> None:
    assert event_from(body) == event


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda e: e.kind)
def test_fields_of_a_newer_version_are_passed_over(event: Event) -> None:
    assert event_from({**event_json(event), "colour": ["blue"]}) == event


def test_an_unknown_kind_of_a_newer_version_is_passed_over() -> None:
    assert event_from({"kind": "moon_landed", "crew": 3}) is None


def test_a_delta_is_told_apart_from_facts() -> None:
    body = envelope_json(Delta(RunId("r"), "a", "stderr", "hm"))
    assert body == {"kind": "delta", "run": "r", "source": "a", "stream": "stderr", "text": "hm"}


async def test_what_was_appended_is_read_in_order_by_another_process(tmp_path: Path) -> None:
    file, run = tmp_path / "runs.sqlite3", RunId("r1")
    async with SqliteStore(file, Ticking()) as one, SqliteStore(file, Ticking()) as two:
        first = await one.append(run, EVERY_EVENT[:2])
        foreign = await two.append(run, [CancelRequested("two")])
        last = await one.append(run, EVERY_EVENT[2:])
        assert [e.seq for e in [*first, *foreign, *last]] == list(range(1, len(EVERY_EVENT) + 2))
        read = await two.read(run)
        assert [e.event for e in read] == [
            *EVERY_EVENT[:2],
            CancelRequested("two"),
            *EVERY_EVENT[2:],
        ]
        assert [e.seq for e in await two.read(run, after=3)] == [e.seq for e in read][3:]
    assert await_free(file) == len(EVERY_EVENT) + 1


def await_free(file: Path) -> int:
    """Rows seen by a plain reader after everybody closed."""
    connection = sqlite3.connect(file)
    try:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    finally:
        connection.close()


async def test_large_bodies_are_stored_once(tmp_path: Path) -> None:
    big = Notice("info", "x" * 10_000)
    async with SqliteStore(tmp_path / "r", Ticking()) as store:
        await store.append(RunId("r1"), [big, big])
        await store.append(RunId("r2"), [big])
        assert [e.event for e in await store.read(RunId("r1"))] == [big, big]
    connection = sqlite3.connect(tmp_path / "r")
    assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
    connection.close()


async def test_two_writers_at_once_never_share_a_number(tmp_path: Path) -> None:
    file, run = tmp_path / "r", RunId("r1")
    async with SqliteStore(file, Ticking()) as one, SqliteStore(file, Ticking()) as two:

        async def write(store: SqliteStore) -> None:
            for _ in range(50):
                await store.append(run, [Notice("info", "n")])

        async with asyncio.TaskGroup() as group:
            group.create_task(write(one))
            group.create_task(write(two))
        assert [e.seq for e in await one.read(run)] == list(range(1, 101))


async def test_the_list_of_runs_follows_the_events(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "r", Ticking()) as store:
        await store.append(RunId("one"), [RunStarted(SPEC, "/r/sub", "1:2"), EVERY_EVENT[1]])
        await store.append(RunId("two"), [RunStarted(SPEC, "/elsewhere", "1:2")])
        await store.append(RunId("one"), [CandidateCaptured(CANDIDATE)])
        settled = RunSettled(Verdict("won", CandidateId("a.1"), "w"))
        assert [r.run for r in await store.unsettled()] == ["one", "two"]
        await store.append(RunId("one"), [settled])
        assert [r.run for r in await store.runs()] == ["two", "one"]
        assert [r.run for r in await store.runs(limit=1)] == ["two"]
        for inside in ("/r", "/r/sub", "/r/other"):
            (record,) = await store.runs(inside)
            assert (record.run, record.outcome, record.winner) == ("one", "won", "a.1")
            assert (record.candidates, record.settled) == (("a.1",), True)
        assert await store.runs("/r-other") == []
        assert await store.find("o") == ["one"]
        assert await store.find("") == ["one", "two"]
        assert await store.find("x") == []
        assert [r.run for r in await store.unsettled()] == ["two"]


async def test_the_newest_runs_are_read_at_once_and_whole_where_it_matters(tmp_path: Path) -> None:
    began, said = RunStarted(SPEC, "/r", "1:2"), Notice("info", "x" * 10_000)
    taken = Delivered(CandidateId("a.1"), ())
    async with SqliteStore(tmp_path / "r", Ticking()) as store:
        await store.append(RunId("plain"), [began, said])
        await store.append(RunId("taken"), [began, said, taken])
        await store.append(RunId("else"), [RunStarted(SPEC, "/elsewhere", "1:2"), said])
        await store.append(RunId("last"), [began])

        async def newest(
            folder: str | None, limit: int, *kinds: type[Event], whole: tuple[str, ...] = ()
        ) -> dict[str, list[Event]]:
            found = await store.newest(folder, limit, {kind.kind for kind in kinds}, whole)
            for history in found:
                assert {(e.run, e.seq, e.time) for e in history} <= {
                    (e.run, e.seq, e.time) for e in await store.read(history[0].run)
                }
            return {each[0].run: [envelope.event for envelope in each] for each in found}

        every = await newest("/r", 9, RunStarted, whole=(Delivered.kind,))
        assert every == {"last": [began], "taken": [began, said, taken], "plain": [began]}
        assert [*every] == ["last", "taken", "plain"], "the newest first"
        assert await newest("/r", 2, Delivered, RunStarted) == {
            "last": [began],
            "taken": [began, taken],
        }
        assert await newest(None, 9, Notice) == {run: [said] for run in ("else", "taken", "plain")}
        assert await newest("/r-other", 9, RunStarted) == {}


async def test_a_whole_id_is_found_though_it_begins_another(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "r", Ticking()) as store:
        await store.append(RunId("ab"), [EVERY_EVENT[0]])
        await store.append(RunId("abc"), [EVERY_EVENT[0]])
        assert await store.find("ab") == ["ab"]


async def test_check_results_are_kept_by_key_and_marked(tmp_path: Path) -> None:
    result = CheckResult("k", "t", "failed", ("a", "b"), 1, 0.5, "out")
    async with SqliteStore(tmp_path / "r", Ticking()) as store:
        assert await store.cached_check("key") is None
        await store.cache_check("key", result)
        found = await store.cached_check("key")
    assert found == CheckResult("k", "t", "failed", ("a", "b"), 1, 0.5, "out", cached=True)


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda f: f.mkdir(), "MASSGEN_LS_STATE"),
        (
            lambda f: f.write_bytes(b"not a database, and longer than a header of one" * 10),
            r"It is damaged: move /.*/r away",
        ),
    ],
    ids=["a folder is in the way", "garbage"],
)
async def test_an_unusable_file_says_what_to_do(
    tmp_path: Path, spoil: Callable[[Path], object], hint: str
) -> None:
    spoil(tmp_path / "r")
    with pytest.raises(StorageError, match=hint):
        async with SqliteStore(tmp_path / "r", Ticking()):
            pass


@pytest.mark.skipif(os.name != "posix", reason="permissions are different there")
async def test_the_record_is_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "runs.sqlite3"
    mask = os.umask(0)
    try:
        for _ in range(2):
            async with SqliteStore(file, Ticking()) as store:
                await store.append(RunId("r"), [Notice("info", "private")])
                modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in file.parent.iterdir()}
                assert len(modes) == 3, "the file, its log and its index"
                assert set(modes.values()) == {0o600}, modes
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            file.chmod(0o644)  # as an earlier version left it
    finally:
        os.umask(mask)


async def test_results_of_checks_are_forgotten_after_a_month(tmp_path: Path) -> None:
    class At(Ticking):
        day = 0

        def now(self) -> float:
            return self.day * 24 * 3600.0

    clock = At()
    result = CheckResult("c", TreeId("t"), "passed")
    for day in (0, 25, 40):
        clock.day = day
        async with SqliteStore(tmp_path / "r", clock) as store:
            await store.cache_check(str(day), result)
    async with SqliteStore(tmp_path / "r", clock) as store:
        known = [day for day in (0, 25, 40) if await store.cached_check(str(day)) is not None]
    assert known == [25, 40]


def test_a_ballot_of_before_judges_were_asked_is_still_a_vote() -> None:
    old = {"judge": "b", "epoch": 2, "choice": "a.1", "reason": "best"}
    read = event_from({"kind": "ballot_cast", "ballot": old})
    assert read == BallotCast(Ballot(SeatId("b"), 2, CandidateId("a.1"), "best"))


def test_results_and_candidates_of_older_records_are_read() -> None:
    body = {"check": "k", "tree": "t", "outcome": "failed", "failures": ["a"], "exit_code": 1}
    assert check_result_from(body) == CheckResult("k", "t", "failed", ("a",), 1)
    assert check_result_from({**body, "passed": ["b"]}).passed == ("b",)
    candidate = {"id": "a.1", "seat": "a", "base": "b", "tree": "t", "commit": "c", "changes": {}}
    found = event_from({"kind": "candidate_captured", "candidate": candidate})
    assert isinstance(found, CandidateCaptured)
    assert found.candidate.substance == "t", "without a digest the tree tells it apart"
