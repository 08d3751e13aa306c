"""Who is alive, who they are, and how the last descendant of a process is found and ended.

A process id alone proves nothing, because ids are used again: a process is known by its id and its
start time, or by the marker that we put into its environment and that its descendants inherit.

Why our own process is not made a subreaper: orphans would then become our children, and somebody
has to reap them. Reaping all children would steal the exit codes of processes that libraries
started (GitPython), reaping none would collect zombies for as long as an editor is open, and an
adopted orphan cannot be told from a library's child. A PID namespace (`sandbox`) gives the same
guarantee without that danger; without one, the marker, the session and the descent are looked for
here. A daemon that leaves its session *and* clears its environment escapes that when its parents
have exited before we look.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import psutil

MARKER = "MASSGEN_LS_LEASE"
"""The variable in the environment of everything that we start."""
DEADLINE = 5.0
"""Seconds after which a hunt gives up: what is left sleeps in the kernel, or forks faster than
anything outside of a namespace can follow."""


@dataclass(frozen=True, slots=True)
class Row:
    """A living or dead process. ``start`` is in clock ticks since boot, or microseconds."""

    pid: int
    parent: int
    group: int
    session: int
    start: int
    zombie: bool


@dataclass(frozen=True, slots=True)
class Pedigree:
    """What the descendants of one command are known by.

    ``leader`` still has its id, if only as a zombie, as long as its session and group are trusted.
    """

    lease: str
    leader: int
    start: int


def _linux_row(pid: int) -> Row | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        raw = os.read(fd, 4096)
    except OSError:  # it ended in between
        return None
    finally:
        os.close(fd)
    # The name may hold spaces and brackets: fields are counted from the last bracket.
    fields = raw[raw.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Row(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start=int(fields[19]),
        zombie=fields[0] in (b"Z", b"X", b"x"),
    )


def _psutil_row(pid: int) -> Row | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            row = Row(
                pid=pid,
                parent=process.ppid(),
                group=-1,
                session=-1,
                start=round(process.create_time() * 1e6),
                zombie=process.status() == psutil.STATUS_ZOMBIE,
            )
    except psutil.Error:
        return None
    if sys.platform == "win32":
        return row
    with contextlib.suppress(OSError):
        return Row(pid, row.parent, os.getpgid(pid), os.getsid(pid), row.start, row.zombie)
    return row


def row_of(pid: int) -> Row | None:
    """Looks one process up; None when there is none."""
    return _linux_row(pid) if sys.platform == "linux" else _psutil_row(pid)


def table() -> dict[int, Row]:
    """Every process that can be seen, by id."""
    if sys.platform == "linux":
        pids: Iterable[int] = (int(name) for name in os.listdir("/proc") if name.isdigit())
    else:
        pids = psutil.pids()
    return {row.pid: row for pid in pids if (row := row_of(pid)) is not None}


def leases_of(pid: int) -> tuple[str, ...] | None:
    """The leases that a process lives under, the outermost first.

    None: unknown. On Linux that is also the answer in the instant when a process becomes another
    program, so it is worth a second look.
    """
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                raw = file.read()
        except OSError:
            return ()
        if not raw:
            return None
        key = MARKER.encode() + b"="
        start = 0 if raw.startswith(key) else raw.find(b"\0" + key) + 1
        if start == 0 and not raw.startswith(key):
            return ()
        value = raw[start + len(key) :].split(b"\0", 1)[0]
        return tuple(value.decode("ascii", "replace").split("/"))
    try:
        value = psutil.Process(pid).environ().get(MARKER, "")
    except (psutil.Error, OSError):
        return ()
    return tuple(value.split("/")) if value else ()


def descendants(rows: dict[int, Row], roots: Collection[int]) -> set[int]:
    """The ids of everything that descends from ``roots``, without the roots themselves."""
    children: dict[int, list[int]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row.pid)
    found: set[int] = set()
    todo = list(roots)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found and child not in roots:
                found.add(child)
                todo.append(child)
    return found


def lineage(rows: dict[int, Row], pid: int) -> set[int]:
    """A process and everything that it descends from."""
    line: set[int] = set()
    while pid in rows and pid not in line:
        line.add(pid)
        pid = rows[pid].parent
    return line


def handle_of(pid: int) -> int | None:
    """A descriptor that stands for a process and is readable once that has ended.

    None: it is gone, or the kernel is before 5.3, or a filter forbids it, or this Python was built
    without it.
    """
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None


def end(row: Row) -> bool:
    """Kills exactly this process, not another one that was given its id. False: it was gone."""
    if sys.platform == "linux" and (handle := handle_of(row.pid)) is not None:
        # The handle pins the process: with the right start time no signal goes astray. Where there
        # are no handles, the look just before has to do.
        try:
            if _still(row):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        except OSError:  # it has ended, or a filter forbids this call
            pass
        finally:
            os.close(handle)
    if not _still(row):
        return False
    try:
        psutil.Process(row.pid).kill()
    except psutil.Error:
        return False
    return True


def _still(row: Row) -> bool:
    now = row_of(row.pid)
    return now is not None and now.start == row.start and not now.zombie


def hunt(members: Callable[[], tuple[list[Row], bool]], deadline: float = DEADLINE) -> int:
    """Kills until nothing is found any more.

    Args:
        members: Looks for living members; and whether a process was seen whose membership could not
            be told, because it was just becoming another program.
        deadline: Seconds.

    Returns:
        How many processes were ended.
    """
    ended: set[tuple[int, int]] = set()
    doubts = 3
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        found, unsure = members()
        if not found:
            if not unsure or doubts == 0:
                break
            doubts -= 1
        with _watching(found) as gone:
            for row in found:
                if end(row):
                    ended.add((row.pid, row.start))
            gone(_MOMENT)
    return len(ended)


_MOMENT = 0.002
"""Seconds that the dying are given before the next look; hurrying would only burn a core."""
_LONGER = 0.05
"""Seconds at most, where their ends are events that are waited for."""


@contextlib.contextmanager
def _watching(rows: Sequence[Row]) -> Generator[Callable[[float], None]]:
    """Gives a function that waits for the end of these processes, blocking, but not for long."""
    handles = [handle for row in rows if (handle := handle_of(row.pid)) is not None]

    def gone(moment: float) -> None:
        if not handles or len(handles) < len(rows):
            time.sleep(moment)
            return
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        left, until = len(handles), time.monotonic() + _LONGER
        while left and (rest := until - time.monotonic()) > 0:
            for handle, _ in poll.poll(rest * 1000):
                poll.unregister(handle)
                left -= 1

    try:
        yield gone
    finally:
        for handle in handles:
            os.close(handle)


def _ours(pedigree: Pedigree, known: Collection[Row]) -> tuple[list[Row], bool]:
    rows = table()
    me = os.getpid()
    leader = rows.get(pedigree.leader)
    trusted = leader is not None and leader.start == pedigree.start
    found = {row.pid for row in known if (now := rows.get(row.pid)) and now.start == row.start}
    unsure = False
    for row in rows.values():
        # Nothing that descends from the leader started before it.
        if row.zombie or row.start < pedigree.start or row.pid in (me, pedigree.leader):
            continue
        if trusted and pedigree.leader in (row.session, row.group):
            found.add(row.pid)
            continue
        leases = leases_of(row.pid)
        if leases is None:
            unsure = unsure or row.parent != 2  # the children of kthreadd have no environment
        elif pedigree.lease in leases:
            found.add(row.pid)
    roots = {*found, pedigree.leader} if trusted else found
    found |= descendants(rows, roots)
    return [rows[pid] for pid in found if pid != me and not rows[pid].zombie], unsure


def end_survivors(pedigree: Pedigree, known: Collection[Row]) -> int:
    """Ends every descendant of a command whose leader has exited. Blocks: for a thread.

    Args:
        pedigree: What they are known by.
        known: Descendants that were seen before the leader exited. Its children change their
            parent at that moment, so descent proves nothing afterwards.

    Returns:
        How many there were.
    """
    return hunt(lambda: _ours(pedigree, known))


def offspring(pid: int) -> Iterator[Row]:
    """The living descendants of a process, by descent alone; quick on Linux."""
    if sys.platform == "linux":
        todo = [pid]
        while todo:
            parent = todo.pop()
            try:
                with open(f"/proc/{parent}/task/{parent}/children", "rb") as file:
                    children = [int(word) for word in file.read().split()]
            except OSError:
                continue
            todo.extend(children)
            for child in children:
                if (row := row_of(child)) is not None and not row.zombie:
                    yield row
        return
    rows = table()
    yield from (rows[child] for child in descendants(rows, {pid}) if not rows[child].zombie)
