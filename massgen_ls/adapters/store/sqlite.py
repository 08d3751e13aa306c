"""The record of all runs: one SQLite file, append-only, written by one thread.

WAL with ``synchronous=NORMAL``: what was appended survives the death of this process at any
instant. Several processes may have the file open; sequence numbers are given inside the writing
transaction, so that a cancel request of another process takes its place in the same history.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from massgen_ls.adapters.store.codec import check_result_from, event_from
from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.errors import StorageError
from massgen_ls.core.events import (
    CandidateCaptured,
    Envelope,
    Event,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.task import RunId
from massgen_ls.core.wire import event_json, to_json
from massgen_ls.ports import Clock, RunRecord

_T = TypeVar("_T")

_BLOB = 4096
"""Bytes of JSON past which an event's body goes to the content-addressed table."""

_CHECKS_STAY = 30 * 24 * 3600.0
"""Seconds that the result of a check is believed; looked at once in each process."""

_TICK = 100_000_000
"""Nanoseconds: of two writes within one tick of a file's clock the second may leave no trace."""

_MIGRATIONS = (
    """
    CREATE TABLE runs (
        run TEXT PRIMARY KEY, folder TEXT NOT NULL, root TEXT NOT NULL DEFAULT '',
        prompt TEXT NOT NULL, started REAL NOT NULL, owner TEXT NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',
        winner TEXT NOT NULL DEFAULT '', candidates TEXT NOT NULL DEFAULT '[]'
    );
    CREATE INDEX runs_by_time ON runs (started DESC);
    CREATE TABLE events (
        run TEXT NOT NULL, seq INTEGER NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
        body TEXT, blob TEXT, PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE checks (key TEXT PRIMARY KEY, time REAL NOT NULL, body TEXT NOT NULL);
    """,
)

_HISTORY = """
    SELECT e.run, e.seq, e.time, coalesce(e.body, b.body) FROM events e
    LEFT JOIN blobs b ON b.sha256 = e.blob WHERE e.run=? AND e.seq>? ORDER BY e.seq
"""
_HISTORIES = """
    SELECT e.run, e.seq, e.time, coalesce(e.body, b.body) FROM events e
    LEFT JOIN blobs b ON b.sha256 = e.blob
    WHERE e.run IN (SELECT value FROM json_each(?)) AND (
        e.kind IN (SELECT value FROM json_each(?)) OR e.run IN (
            SELECT run FROM events WHERE run IN (SELECT value FROM json_each(?))
            AND kind IN (SELECT value FROM json_each(?))
        )
    ) ORDER BY e.run, e.seq
"""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SqliteStore:
    """`ports.Store` in a file. Use as an async context manager."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None
        self._forgot = False

    async def __aenter__(self) -> SqliteStore:
        """Opens the file, makes it when it is not there, and brings it up to date."""
        try:
            await self._do(self._open)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        if self._connection is not None:
            await self._do(self._connection.close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], _T]) -> _T:
        try:
            # Shielded: a transaction runs to its end even when the caller is cancelled.
            loop = asyncio.get_running_loop()
            return await asyncio.shield(loop.run_in_executor(self._thread, work))
        except (sqlite3.Error, OSError) as error:
            hint = (
                "Make room or make the folder writable, or set MASSGEN_LS_STATE to another folder"
            )
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                hint = f"It is damaged: move {self._file} away, and the next run begins a new one"
            raise StorageError(
                f"The record of runs at {self._file} cannot be used: {error}", hint
            ) from error

    def _open(self) -> None:
        self._keep_private()
        connection = sqlite3.connect(
            self._file, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in filter(None, (s.strip() for s in script.split(";"))):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")

    def _keep_private(self) -> None:
        """Prompts and what agents said are nobody else's, not even for a moment.

        SQLite gives the files beside it (``-wal``, ``-shm``) the permissions of the file. A folder
        that is there already may be shared on purpose: it stays as it is.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        if os.name != "posix":
            return
        for end in ("", "-wal", "-shm"):  # an earlier version made them for everybody
            path = self._file.with_name(self._file.name + end)
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if path.stat().st_mode & 0o077:
                    path.chmod(0o600)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageError(f"The record of runs at {self._file} is not open")
        return self._connection

    # ── events ──────────────────────────────────────────────────────────────────────────────

    async def append(self, run: RunId, events: Sequence[Event]) -> Sequence[Envelope]:
        """Stores events for good, in this order, and gives them their numbers."""
        return await self._do(lambda: self._append(run, events))

    def _append(self, run: RunId, events: Sequence[Event]) -> Sequence[Envelope]:
        now = self._clock.now()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            row = db.execute("SELECT max(seq) FROM events WHERE run=?", (run,)).fetchone()
            first = (row[0] or 0) + 1
            settled = db.execute("SELECT settled FROM runs WHERE run=?", (run,)).fetchone()
            if settled is not None and settled[0]:
                # Two processes may bury one run at a time: exactly one settlement is kept.
                events = [e for e in events if not isinstance(e, RunSettled | RunInterrupted)]
            envelopes = [Envelope(run, first + i, now, event) for i, event in enumerate(events)]
            for envelope in envelopes:
                self._insert(envelope)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        return envelopes

    def _insert(self, envelope: Envelope) -> None:
        db, event = self._db, envelope.event
        body = json.dumps(event_json(event))
        blob = None
        if len(body) > _BLOB:
            blob = hashlib.sha256(body.encode()).hexdigest()
            db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (blob, body))
        db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (envelope.run, envelope.seq, envelope.time, event.kind, None if blob else body, blob),
        )
        self._project(envelope)

    def _project(self, envelope: Envelope) -> None:
        """Keeps the list of runs beside the events, in the same transaction."""
        db, run, event = self._db, envelope.run, envelope.event
        match event:
            case RunStarted():
                db.execute(
                    "INSERT OR IGNORE INTO runs (run, folder, prompt, started, owner)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (run, _storable(event.folder), _storable(event.spec.task.prompt),
                     envelope.time, event.owner),
                )  # fmt: skip
            case SnapshotTaken():
                db.execute(
                    "UPDATE runs SET root=? WHERE run=?", (_storable(event.snapshot.root), run)
                )
            case CandidateCaptured():
                db.execute(
                    "UPDATE runs SET candidates=json_insert(candidates, '$[#]', ?) WHERE run=?",
                    (event.candidate.id, run),
                )
            case RunSettled():
                db.execute(
                    "UPDATE runs SET settled=1, outcome=?, winner=? WHERE run=? AND settled=0",
                    (event.verdict.outcome, event.verdict.winner or "", run),
                )
            case _:
                pass

    async def read(self, run: RunId, after: int = 0) -> Sequence[Envelope]:
        """A run's history past a sequence number."""

        def query() -> Sequence[Envelope]:
            return self._events(_HISTORY, (run, after))

        return await self._do(query)

    async def newest(
        self,
        folder: str | None,
        limit: int,
        kinds: Collection[str],
        whole: Collection[str] = (),
    ) -> Sequence[Sequence[Envelope]]:
        """The histories of the newest runs: these kinds alone, but of one with ``whole`` all."""

        def query() -> Sequence[Sequence[Envelope]]:
            found: dict[str, list[Envelope]] = {r.run: [] for r in self._runs(folder, limit)}
            runs, some, all_of = (json.dumps([*each]) for each in (found, kinds, whole))
            events = self._events(_HISTORIES, (runs, some, runs, all_of))
            for envelope in events:
                found[envelope.run].append(envelope)
            return [history for history in found.values() if history]

        return await self._do(query)

    def _events(self, query: str, values: Sequence[object]) -> Sequence[Envelope]:
        found: list[Envelope] = []
        for run, seq, when, body in self._db.execute(query, values):
            event = event_from(json.loads(body))
            if event is not None:
                found.append(Envelope(RunId(run), seq, when, event))
        return found

    def mark(self) -> object:
        """Size and time of what was written last; see `massgen_ls.ports.Store.mark`.

        A transaction is written first and can be read a moment later: on a slow disk that may be
        longer than a tick.
        """
        try:
            found = os.stat(f"{self._file}-wal")
        except OSError:
            return object()  # equal to nothing
        if time.time_ns() - found.st_mtime_ns < _TICK:
            return object()
        return found.st_size, found.st_mtime_ns

    # ── the list of runs ────────────────────────────────────────────────────────────────────

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        """The newest runs first; ``folder`` keeps those of that folder, below it or above it."""
        return await self._do(lambda: self._runs(folder, limit))

    def _runs(self, folder: str | None, limit: int) -> Sequence[RunRecord]:
        rows = self._db.execute("SELECT * FROM runs ORDER BY started DESC, run DESC")
        known = (_record(row) for row in rows)
        related = (r for r in known if folder is None or _related(r, folder))
        return [*itertools.islice(related, limit)]

    async def find(self, prefix: str) -> Sequence[RunId]:
        """Every run whose id starts so; just the one when the id is whole."""

        def query() -> Sequence[RunId]:
            rows = self._db.execute("SELECT run FROM runs WHERE substr(run, 1, ?) = ?",
                                    (len(prefix), prefix)).fetchall()  # fmt: skip
            found = [RunId(row[0]) for row in rows]
            return [RunId(prefix)] if prefix in found else found

        return await self._do(query)

    async def unsettled(self) -> Sequence[RunRecord]:
        """Runs without a verdict, whoever drives them."""
        return await self._do(
            lambda: [_record(r) for r in self._db.execute("SELECT * FROM runs WHERE settled=0")]
        )

    # ── check results ───────────────────────────────────────────────────────────────────────

    async def cached_check(self, key: str, since: float = 0.0) -> CheckResult | None:
        """A stored check result, if it was stored at ``since`` or later."""

        def query() -> CheckResult | None:
            row = self._db.execute(
                "SELECT body FROM checks WHERE key=? AND time>=?", (key, since)
            ).fetchone()
            return replace(check_result_from(json.loads(row[0])), cached=True) if row else None

        return await self._do(query)

    async def cache_check(self, key: str, result: CheckResult) -> None:
        """Stores a check result under everything that it depends on; forgets very old ones."""
        body = json.dumps(to_json(result))

        def write() -> None:
            now = self._clock.now()
            if not self._forgot:
                self._forgot = True
                self._db.execute("DELETE FROM checks WHERE time < ?", (now - _CHECKS_STAY,))
            self._db.execute("INSERT OR REPLACE INTO checks VALUES (?, ?, ?)", (key, now, body))

        await self._do(write)


def _storable(text: str) -> str:
    """SQLite's text is UTF-8: a lone surrogate of a path becomes an escape in the list."""
    return text.encode("utf-8", "backslashreplace").decode()


def _related(record: RunRecord, folder: str) -> bool:
    mine = record.folder.rstrip("/") + "/"
    asked = folder.rstrip("/") + "/"
    top = (record.root or record.folder).rstrip("/") + "/"
    return mine.startswith(asked) or asked.startswith(top)


def _record(row: Sequence[Any]) -> RunRecord:
    run, folder, root, prompt, started, owner, settled, outcome, winner, candidates = row
    return RunRecord(
        RunId(run), folder, root, prompt, started, owner, bool(settled), outcome, winner,
        tuple(json.loads(candidates)),
    )  # fmt: skip
