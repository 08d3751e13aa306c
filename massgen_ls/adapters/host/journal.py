"""What this process has started, kept on disk, so that a later one can end what a crash left.

One small file names the owner and the token that all its markers begin with: written once, it
proves every process that still carries such a marker. One small file for each process keeps its id
and start time, for programs that clear their environment. Nothing is ever ended by its id alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil

from massgen_ls.adapters.host.survivors import (
    DEADLINE,
    Pedigree,
    Row,
    descendants,
    hunt,
    leases_of,
    lineage,
    row_of,
    table,
)
from massgen_ls.core.errors import StorageError

_OWNER = "owner-"
_PROCESS = "process-"


@functools.cache
def _boot() -> str:
    """Names this boot and this view of process ids: start times are comparable only within it."""
    if sys.platform == "linux":
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read(8)
        with contextlib.suppress(OSError):
            return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino:x}"
        return boot
    return f"{round(psutil.boot_time()):x}"


def owner_of(pid: int) -> str:
    """The identity of a living process, ``<pid>:<start>``; the start is not for reading.

    Raises:
        ProcessLookupError: There is none.
    """
    row = row_of(pid)
    if row is None:
        raise ProcessLookupError(f"no process {pid}")
    return f"{pid}:{row.start}-{_boot()}"


def alive(owner: str) -> bool:
    """Whether the process that is meant by ``<pid>:<start>`` still runs.

    One that runs under another view of process ids (a container with the same home folder) cannot
    be judged from here and counts as alive: what may live is not to be cleaned away.
    """
    pid, _, born = owner.partition(":")
    start, _, boot = born.partition("-")
    if not (pid.isascii() and pid.isdigit() and start.isascii() and start.isdigit()):
        return False
    here, there = _boot().split("."), boot.split(".")
    if here[0] != there[0]:
        return False
    if here != there:
        return True
    row = row_of(int(pid))
    return row is not None and row.start == int(start) and not row.zombie


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was found of dead owners."""

    owners: int
    """Those of which nothing is left now."""
    processes: int


class Journal:
    """The record of this process's children in a folder that all our processes share.

    Args:
        folder: Where the records are; made when it is not there.

    Raises:
        StorageError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.token = secrets.token_hex(6)
        """What the markers of this process's children begin with."""
        self.owner = owner_of(os.getpid())
        try:
            # The mode is for the last folder of a path alone, and both are ours.
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            self._write(f"{_OWNER}{self.token}", {"owner": self.owner})
        except OSError as error:
            raise _unwritable(folder, error) from error

    def opened(self, pedigree: Pedigree, program: str) -> None:
        """Records a process that was just started.

        Raises:
            StorageError: The folder can no longer be written.
        """
        try:
            self._write(
                f"{_PROCESS}{pedigree.lease}",
                {"pid": pedigree.leader, "start": pedigree.start, "program": program},
            )
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def closed(self, lease: str) -> None:
        """Forgets a process of which nothing is left."""
        with contextlib.suppress(OSError):
            os.unlink(self._folder / f"{_PROCESS}{lease}")

    def close(self) -> None:
        """Forgets this owner, if nothing of its processes is left."""
        if not any(self._folder.glob(f"{_PROCESS}{self.token}.*")):
            with contextlib.suppress(OSError):
                os.unlink(self._folder / f"{_OWNER}{self.token}")

    def reap_dead_owners(self) -> Reaped:
        """Ends what processes of ours left behind when they were killed. Blocks: for a thread."""
        return reap_dead_owners(self._folder)

    def _write(self, name: str, record: dict[str, object]) -> None:
        target = os.path.join(self._folder, name)
        # Renamed into place, so that a reader never sees half of it. Not synced: after a power cut
        # there are no processes left to look for.
        partial = os.path.join(self._folder, f".{name}")
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(partial, target)


def reap_dead_owners(folder: Path, deadline: float = DEADLINE) -> Reaped:
    """Ends every process whose owner is dead, and forgets it. Blocks: for a thread.

    Gives up after ``deadline`` seconds; then the records stay, for the next start to go on.

    A process is ended when it carries a marker of that owner, or has both the id and the start time
    that were recorded, or descends from such a one. Ourselves and what we come from are spared, for
    we may have been started by a process that a dead owner left behind.
    """
    dead: dict[str, Path] = {}
    for path in folder.glob(f"{_OWNER}*") if folder.is_dir() else ():
        record = _read(path)
        owner = record.get("owner") if record is not None else None
        # What cannot be read proves nothing, so it is left alone.
        if isinstance(owner, str) and not alive(owner):
            dead[path.name.removeprefix(_OWNER)] = path
    if not dead:
        return Reaped(0, 0)
    leaders: set[tuple[object, object]] = set()
    records: list[Path] = []
    for path in folder.glob(f"{_PROCESS}*"):
        if path.name.removeprefix(_PROCESS).split(".", 1)[0] in dead:
            records.append(path)
            record = _read(path)
            if record is not None:
                leaders.add((record.get("pid"), record.get("start")))

    def orphans() -> tuple[list[Row], bool]:
        rows = table()
        me = os.getpid()
        spared = lineage(rows, me)
        spared |= descendants(rows, {me})
        found: set[int] = set()
        sessions: set[int] = set()
        unsure = False
        for row in rows.values():
            if (row.pid, row.start) in leaders:
                sessions.add(row.pid)
                if not row.zombie:
                    found.add(row.pid)
                continue
            if row.zombie or row.pid in spared:
                continue
            leases = leases_of(row.pid)
            if leases is None:
                unsure = unsure or row.parent != 2
            elif any(lease.split(".", 1)[0] in dead for lease in leases):
                found.add(row.pid)
        # A recorded leader that still has its id vouches for its session.
        found |= {row.pid for row in rows.values() if row.session in sessions and not row.zombie}
        found |= {pid for pid in descendants(rows, found) if not rows[pid].zombie}
        return [rows[pid] for pid in found - spared], unsure

    ended = hunt(orphans, deadline)
    if orphans()[0]:
        return Reaped(0, ended)
    for path in (*records, *dead.values()):
        with contextlib.suppress(OSError):
            path.unlink()
    return Reaped(len(dead), ended)


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder {folder} cannot be written: {error.strerror}",
        "Make room or make it writable, or set MASSGEN_LS_STATE to another folder.",
    )


def _read(path: Path) -> dict[str, object] | None:
    try:
        record: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:  # another process of ours was quicker
        return None
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", record) if isinstance(record, dict) else {}
