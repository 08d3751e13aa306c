"""Frees what only forgotten runs needed, and disturbs nobody.

In two parts. The long one only reads and adds: it finds out which objects of a shadow the runs
that are left reach, and writes those into one pack. The short one deletes everything else, in a
moment in which nobody is at work there: every lock is free, the gate keeps others out, and the refs
are still those that the pack was made for. Ended anywhere, it leaves all that is needed.

``git gc`` does neither: it takes away what the user's repository has as well, which captures have
put here because that repository may lose it any day; and what it takes for garbage may be what a
snapshot in another process is about to count on.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from massgen_ls.adapters.git.locks import exclusive, holding, try_lock
from massgen_ls.adapters.git.plumbing import Git, storage_error
from massgen_ls.adapters.git.reaping import drop, stale_refs
from massgen_ls.adapters.git.shadow import Shadow
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.adapters.git.trees import Place
from massgen_ls.core.errors import GitError

_FEW_PACKS = 50
"""With no more packs than this, and nothing to free, a shadow is left as it is."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of one shadow."""

    origin: str
    """The repository of the user."""
    shadow: str
    runs: int = 0
    """Runs that were forgotten now."""
    objects: int = 0
    size: int = 0
    """Bytes on the disk that are free now; of a dry run those that would be at least, about."""
    left: str = ""
    """Why nothing was done, for people; empty when it was."""


async def collect(git: Git, shadow: Shadow, trash: Trash, now: float, *, dry: bool) -> Collected:
    """Forgets old runs of a shadow and frees what only they needed.

    Args:
        git: Runs git.
        shadow: Where.
        trash: Takes what goes.
        now: Seconds since the epoch.
        dry: Only say what would be done.

    Raises:
        StorageError: Our folder cannot be written.
    """
    origin = ""
    try:
        with open(shadow.folder("origin"), "rb") as file:
            origin = os.fsdecode(file.read())
        if not os.path.isdir(origin):
            return Collected(origin, shadow.top, left="the repository is not there")
        lock = try_lock(shadow.folder("collecting"))
        if lock is None:
            return Collected(origin, shadow.top, left="another process is at it")
        try:
            return await _collect(git, shadow, trash, now, origin, dry=dry)
        finally:
            lock.release()
    except OSError as error:
        raise storage_error(error, shadow.top) from error
    except GitError as error:
        return Collected(origin, shadow.top, left=f"it is damaged ({error.what})")


async def _collect(
    git: Git, shadow: Shadow, trash: Trash, now: float, origin: str, *, dry: bool
) -> Collected:
    refs = await asyncio.to_thread(read_refs, shadow.git_dir)
    stale = stale_refs(refs, now)
    runs = len({ref.split("/")[2] for ref in stale})
    if stale and not dry:
        await drop(git, shadow, stale)
        refs = await asyncio.to_thread(read_refs, shadow.git_dir)
    kept = {ref: oid for ref, oid in refs.items() if ref not in stale}
    reached = await _reached(git, shadow, trash, kept.values())
    if reached is None:
        left = "objects of its repository are missing"
        return Collected(origin, shadow.top, runs, left=left)
    ours = await asyncio.to_thread(_own_objects, shadow)
    doomed = ours.keys() - reached
    size = sum(sum(copies) for copies in ours.values())
    size -= sum(min(ours[oid]) for oid in ours.keys() & reached)
    found = Collected(origin, shadow.top, runs, len(doomed), size)
    if dry or not (doomed or len(_packs(shadow)) > _FEW_PACKS):
        return found
    before, was = set(_packs(shadow)), await asyncio.to_thread(_size, shadow)
    name = await _pack(git, shadow, sorted(ours.keys() & reached))
    if not await asyncio.to_thread(_clear, shadow, trash, refs, name):
        if name not in before:
            _unlink(shadow, name)
        return Collected(origin, shadow.top, runs, left="it is in use")
    trash.wake()
    return replace(found, size=was - await asyncio.to_thread(_size, shadow))


async def _reached(git: Git, shadow: Shadow, trash: Trash, tips: Iterable[str]) -> set[str] | None:
    """Everything that runs and idle worktrees need; None when a part of it cannot be read."""
    trees = (Place(shadow, n, trash).state().tree for n in _numbers(shadow))
    wanted = "".join(f"{oid}\n" for oid in {*tips, *trees} if oid).encode("ascii")
    args = ("rev-list", "--objects", "--no-walk=unsorted", "--no-object-names", "--missing=print")
    more = ("--ignore-missing", "--stdin")
    listed = await git.run(shadow.view, *args, *more, stdin=wanted, low=True)
    if b"?" in listed:
        # Blobs are missing in every partial clone. Below a missing tree nothing can be found.
        only = await git.run(
            shadow.view, *args, "--filter=blob:none", *more, stdin=wanted, low=True
        )
        if b"?" in only:
            return None
    return {oid for oid in listed.decode("ascii").split("\n") if oid and oid[0] != "?"}


async def _pack(git: Git, shadow: Shadow, oids: list[str]) -> str:
    """Writes one pack of all these objects and makes sure of it; returns its name."""
    if not oids:
        return ""
    said = await git.run(
        shadow.view,
        "pack-objects",
        "-q",
        "--threads=1",
        os.path.join(shadow.git_dir, "objects", "pack", "pack"),
        stdin="".join(f"{oid}\n" for oid in oids).encode("ascii"),
        low=True,
    )
    name = f"pack-{said.decode('ascii').strip()}"
    written = await asyncio.to_thread(_in_pack, shadow, name)
    if written.keys() != set(oids):
        raise GitError(f"git packed {len(written)} objects where {len(oids)} were to be kept")
    return name


def _clear(shadow: Shadow, trash: Trash, refs: Mapping[str, str], pack: str) -> bool:
    """Throws everything away but a pack; False when somebody is at work, and nothing was done."""
    with ExitStack() as stack:
        stack.enter_context(exclusive(shadow.gate))
        for name in sorted(os.listdir(shadow.folder("locks"))):
            if not stack.enter_context(holding(shadow.folder("locks", name))):
                return False
        if read_refs(shadow.git_dir) != refs:
            return False
        objects = os.path.join(shadow.git_dir, "objects")
        for name in os.listdir(objects):
            if _FAN.fullmatch(name):
                trash.put(os.path.join(objects, name))
        for name in os.listdir(os.path.join(objects, "pack")):
            if not pack or name.partition(".")[0] != pack:
                trash.put(os.path.join(objects, "pack", name))
        trash.put(os.path.join(objects, "info", "commit-graph"))
        alive = set(refs.values())
        for commit in os.listdir(shadow.folder("snapshots")):
            if commit not in alive:
                trash.put(shadow.folder("snapshots", commit))
    return True


# ── what is there ───────────────────────────────────────────────────────────────────────────────

_FAN = re.compile("[0-9a-f]{2}")


def read_refs(git_dir: str) -> dict[str, str]:
    """Every ref of one of our repositories and what it points at. Blocking."""
    found: dict[str, str] = {}
    try:
        with open(os.path.join(git_dir, "packed-refs"), "rb") as file:
            for line in file.read().split(b"\n"):
                oid, _, name = line.partition(b" ")
                if name.startswith(b"refs/"):
                    found[os.fsdecode(name)] = oid.decode("ascii")
    except FileNotFoundError:
        pass
    for folder, _, names in os.walk(os.path.join(git_dir, "refs")):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file:
                    oid = file.read().strip().decode("ascii", "replace")
            except FileNotFoundError:
                continue
            if not name.endswith(".lock"):
                found[os.path.relpath(path, git_dir).replace(os.sep, "/")] = oid
    return found


def known_runs(shadow: Shadow, now: float) -> set[str]:
    """The runs that would not be forgotten at ``now``. Blocking.

    Raises:
        StorageError: Our folder cannot be read.
    """
    try:
        refs = read_refs(shadow.git_dir)
    except OSError as error:
        raise storage_error(error, shadow.top) from error
    kept = refs.keys() - set(stale_refs(refs, now))
    return {ref.split("/")[2] for ref in kept if ref.startswith("refs/runs/")}


def _numbers(shadow: Shadow) -> list[str]:
    try:
        return [name for name in os.listdir(shadow.folder("trees")) if name.isdigit()]
    except FileNotFoundError:
        return []


def _packs(shadow: Shadow) -> list[str]:
    folder = os.path.join(shadow.git_dir, "objects", "pack")
    return [name[:-4] for name in os.listdir(folder) if name.endswith(".idx")]


def _size(shadow: Shadow) -> int:
    folders = os.walk(os.path.join(shadow.git_dir, "objects"))
    return sum(
        os.stat(os.path.join(above, n)).st_size for above, _, names in folders for n in names
    )


def _own_objects(shadow: Shadow) -> dict[str, list[int]]:
    """The objects in the shadow itself, and about what each of their copies takes."""
    found: dict[str, list[int]] = {}
    objects = os.path.join(shadow.git_dir, "objects")
    for fan in os.listdir(objects):
        if _FAN.fullmatch(fan):
            with os.scandir(os.path.join(objects, fan)) as entries:
                for entry in entries:
                    if not entry.name.startswith("tmp_"):
                        size = entry.stat(follow_symlinks=False).st_size
                        found[fan + entry.name] = [size]
    for name in _packs(shadow):
        for oid, size in _in_pack(shadow, name).items():
            found.setdefault(oid, []).append(size)
    return found


def _in_pack(shadow: Shadow, name: str) -> dict[str, int]:
    """The objects of a pack, and what each takes in it."""
    base = os.path.join(shadow.git_dir, "objects", "pack", name)
    with open(f"{base}.idx", "rb") as file:
        index = file.read()
    if index[:8] != b"\xfftOc\0\0\0\x02":
        raise GitError(f"{base}.idx has a format that is not known")
    count: int = struct.unpack_from(">I", index, 8 + 255 * 4)[0]
    width = _width(index, count)
    start = 8 + 1024
    oids = [index[start + n * width : start + (n + 1) * width].hex() for n in range(count)]
    offsets: tuple[int, ...] = struct.unpack_from(f">{count}I", index, start + count * (width + 4))
    ends = sorted(offsets)
    after = dict(zip(ends, [*ends[1:], os.stat(f"{base}.pack").st_size], strict=False))
    return {oid: max(0, after[at] - at) for oid, at in zip(oids, offsets, strict=True)}


def _width(index: bytes, count: int) -> int:
    """Bytes of an object name: the trailer of an index is two of them."""
    plain = len(index) - 8 - 1024 - 8 * count
    for width in (20, 32):
        rest = plain - width * (count + 2)
        if rest >= 0 and rest % 8 == 0 and rest // 8 <= count:
            return width
    raise GitError("an index of a pack is cut off")


def _unlink(shadow: Shadow, name: str) -> None:
    folder = os.path.join(shadow.git_dir, "objects", "pack")
    for each in os.listdir(folder):
        if name and each.partition(".")[0] == name:
            os.unlink(os.path.join(folder, each))
