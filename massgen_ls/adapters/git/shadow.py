"""The shadow repository: ours, in the cache folder, one for each repository of the user.

Layout below the cache folder; nothing else in it is ever deleted::

    empty/                     the hooks folder of every git command of ours
    trash/                     what is being deleted
    retired, collected         empty; when old runs were last forgotten, and objects freed
    shadows/<key>/
        origin                 which repository of the user this is; marks the folder as ours
        shadow.git/            bare; objects/info/alternates leads to the user's objects
        snapshots/<commit>/    index and recipe of a snapshot: what a checkout of it needs
        gate, collecting       lock files of who deletes objects
        desks/<name>/          a private GIT_DIR for the time of one operation
        locks/                 lock files of desks and worktrees
        trees/<n>/             a worktree: see `massgen_ls.adapters.git.trees`

``extensions.preciousObjects`` is set in the shadow: no git command prunes it, so an object that
no ref protects yet cannot vanish. Worktrees are repositories of their own that read the
shadow's objects through an alternate; an agent's commits, stashes, branches, gc and
configuration stay in its worktree. What an agent without a sandbox could still do is to write
into the cache folder on purpose, as it could into any folder of the user's.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from massgen_ls.adapters.git.locks import shared, try_lock
from massgen_ls.adapters.git.plumbing import Git, View, storage_error
from massgen_ls.adapters.git.repository import Repository, write_config
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.errors import StorageError

_numbers = itertools.count()


def fresh_name() -> str:
    """A file name that no living process uses."""
    return f"{os.getpid()}-{next(_numbers)}-{os.urandom(4).hex()}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a checkout of a snapshot needs beyond its tree."""

    root: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Line ends, file modes and filters as the user has them."""
    sparse: str | None = None
    """The sparse patterns; None for a full checkout."""
    exact: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path → blob with the exact bytes, of files that their blob would not check out as."""
    gitlinks: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    """Paths of the ``.gitattributes`` files."""
    head: str | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow repository and the folders around it."""

    top: str

    @property
    def git_dir(self) -> str:
        """The bare repository."""
        return os.path.join(self.top, "shadow.git")

    def is_there(self) -> bool:
        """Whether it was made."""
        return os.path.isfile(self.folder("origin"))

    def folder(self, *parts: str) -> str:
        """A path below the shadow's own folder."""
        return os.path.join(self.top, *parts)

    @property
    def gate(self) -> str:
        """Held shared while a lock is taken; alone by who deletes objects (see `locks`)."""
        return self.folder("gate")

    @property
    def view(self) -> View:
        """The bare repository itself."""
        return View(self.git_dir)

    def snapshot_folder(self, commit: str) -> str:
        """Where index and recipe of a snapshot are."""
        return self.folder("snapshots", commit)

    def recipe(self, snapshot: Snapshot) -> Recipe:
        """The recipe that was kept with a snapshot."""
        path = os.path.join(self.snapshot_folder(snapshot.commit), "recipe.json")
        try:
            with open(path, encoding="ascii") as file:
                loaded: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            return Recipe(root=snapshot.root)
        except OSError as error:
            raise storage_error(error, path) from error
        except ValueError as error:
            raise StorageError(
                f"{path!r} is damaged", "Delete that file, then start the run again."
            ) from error
        loaded["gitlinks"] = tuple(loaded["gitlinks"])
        loaded["attributes"] = tuple(loaded["attributes"])
        return Recipe(**loaded)

    def keep_recipe(self, commit: str, recipe: Recipe, index: str) -> None:
        """Keeps what later checkouts need; an older one of equal content is replaced."""
        folder = self.snapshot_folder(commit)
        os.makedirs(folder, exist_ok=True)
        replace_file(
            os.path.join(folder, "recipe.json"), json.dumps(asdict(recipe)).encode("ascii")
        )
        os.replace(index, os.path.join(folder, "index"))

    @asynccontextmanager
    async def desk(self, work_tree: str, settings: Mapping[str, str]) -> AsyncGenerator[View]:
        """A private GIT_DIR (HEAD, index) on top of the shadow, for one operation."""
        path = self.folder("desks")
        try:
            name = fresh_name()
            with shared(self.gate):
                # A reaper may be looking at the file that we just made.
                while (lock := try_lock(self.folder("locks", f"desk-{name}"))) is None:
                    name = fresh_name()
            path = self.folder("desks", name)
            os.mkdir(path)
            write_private_head(path, self.git_dir)
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            yield View(path, self.git_dir, work_tree, settings=settings)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock.remove()


def write_private_head(path: str, common: str) -> None:
    """Makes a folder a GIT_DIR on top of another, as a linked worktree's is."""
    # GIT_COMMON_DIR alone is not enough: the store of refs looks for this file only.
    with open(os.path.join(path, "commondir"), "wb") as file:
        file.write(os.fsencode(common) + b"\n")
    with open(os.path.join(path, "HEAD"), "wb") as file:
        file.write(b"ref: refs/heads/none\n")


def replace_file(path: str, content: bytes) -> None:
    """Writes a file whole or not at all."""
    beside = f"{path}.{fresh_name()}"
    with open(beside, "wb") as file:
        file.write(content)
    os.replace(beside, path)


class Shadows:
    """Opens the shadows below a cache folder."""

    def __init__(self, git: Git, cache: str, environ: Mapping[str, str]) -> None:
        self._git = git
        self._cache = cache
        self._lfs = shutil.which("git-lfs", path=environ.get("PATH")) is not None
        self._home = environ.get("HOME", "")
        self._opening = asyncio.Lock()

    def of(self, snapshot: Snapshot) -> Shadow:
        """The shadow that a snapshot is in.

        Raises:
            StorageError: It is not one of ours, or it is gone.
        """
        top = os.path.dirname(snapshot.shadow)
        if os.path.dirname(top) != os.path.join(self._cache, "shadows"):
            raise StorageError(
                f"The snapshot lies in {snapshot.shadow!r}, outside of our cache folder",
                "Use the cache folder that it was taken with, or start a new run.",
            )
        if not os.path.isfile(os.path.join(top, "origin")):
            raise StorageError(
                f"The shadow repository {snapshot.shadow!r} is gone", "Start a new run."
            )
        return Shadow(top)

    def all(self) -> list[Shadow]:
        """Every shadow that is there."""
        base = os.path.join(self._cache, "shadows")
        try:
            found = sorted(os.listdir(base))
        except FileNotFoundError:
            return []
        tops = [os.path.join(base, name) for name in found if "." not in name]
        return [Shadow(top) for top in tops if os.path.isfile(os.path.join(top, "origin"))]

    def drop_half_made(self, throw: Callable[[str], None]) -> None:
        """Throws away shadows whose making was interrupted; their maker's id is in the name."""
        base = os.path.join(self._cache, "shadows")
        for name in os.listdir(base) if os.path.isdir(base) else []:
            maker = name.partition(".")[2].partition("-")[0]
            if maker.isdigit() and not _alive(int(maker)):
                throw(os.path.join(base, name))

    async def open(self, repository: Repository) -> Shadow:
        """Makes the shadow of a repository, or brings it up to date.

        Raises:
            StorageError: The cache folder cannot be written.
        """
        key = hashlib.sha256(os.fsencode(repository.common_dir)).hexdigest()[:24]
        # A repository that was replaced by one with other object names needs another shadow.
        if repository.object_format != "sha1":
            key += "-" + repository.object_format
        shadow = Shadow(os.path.join(self._cache, "shadows", key))
        async with self._opening:
            try:
                if not shadow.is_there():
                    await self._make(shadow, repository)
                _bring_up_to_date(shadow, repository)
            except OSError as error:
                raise storage_error(error, shadow.top) from error
        return shadow

    async def _make(self, shadow: Shadow, repository: Repository) -> None:
        os.makedirs(os.path.dirname(shadow.top), mode=0o700, exist_ok=True)
        # Built beside and renamed: a half-made shadow is never seen.
        beside = Shadow(f"{shadow.top}.{fresh_name()}")
        for name in ("snapshots", "desks", "locks", "trees"):
            os.makedirs(beside.folder(name))
        await self._git.run(
            None,
            "init",
            "--quiet",
            "--bare",
            "--template=",
            f"--object-format={repository.object_format}",
            beside.git_dir,
        )
        await asyncio.to_thread(
            write_config,
            beside.git_dir,
            {
                "core": {"repositoryformatversion": "1", "logAllRefUpdates": "false"},
                "extensions": {"preciousObjects": "true"},
                "gc": {"auto": "0"},
                "maintenance": {"auto": "false"},
            },
        )
        os.makedirs(os.path.join(beside.git_dir, "info"), exist_ok=True)
        os.makedirs(os.path.join(beside.git_dir, "objects", "info"), exist_ok=True)
        replace_file(beside.folder("origin"), os.fsencode(repository.common_dir))
        try:
            os.rename(beside.top, shadow.top)
        except OSError:
            shutil.rmtree(beside.top, ignore_errors=True)
            if not shadow.is_there():
                raise

    def settings(self, shadow: Shadow, repository: Repository) -> dict[str, str]:
        """The settings that make our files equal the user's."""
        settings = dict(repository.settings)
        for name in ("core.excludesfile", "core.attributesfile"):
            # An agent has another HOME.
            if settings.get(name, "").startswith("~/") and self._home:
                settings[name] = self._home + settings[name][1:]
        if repository.lfs:
            settings.update(_lfs_settings(shadow, there=self._lfs))
        return settings


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _lfs_settings(shadow: Shadow, *, there: bool) -> dict[str, str]:
    if not there:
        # A pointer is then a file like any other.
        return {
            "filter.lfs.clean": "",
            "filter.lfs.smudge": "",
            "filter.lfs.process": "",
            "filter.lfs.required": "false",
        }
    return {
        "filter.lfs.clean": "git-lfs clean -- %f",
        "filter.lfs.smudge": "git-lfs smudge --skip -- %f",
        "filter.lfs.process": "git-lfs filter-process --skip",
        "filter.lfs.required": "true",
        # `clean` stores what it hashes: with us, never in the user's .git/lfs.
        "lfs.storage": os.path.join(shadow.git_dir, "lfs"),
    }


def alternates(folders: Sequence[str]) -> bytes:
    """The content of ``objects/info/alternates``; names that would be misread are quoted."""
    lines: list[bytes] = []
    for folder in folders:
        raw = os.fsencode(folder)
        if b"\n" in raw or raw.startswith((b"#", b'"')):
            raw = b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
            raw = raw.replace(b"\n", b"\\n")
        lines.append(raw + b"\n")
    return b"".join(lines)


def _bring_up_to_date(shadow: Shadow, repository: Repository) -> None:
    """Takes over what decides about ignored files and conversions, and where objects are."""
    wanted: dict[str, bytes | None] = {
        os.path.join("objects", "info", "alternates"): alternates(repository.object_folders())
    }
    for name in (os.path.join("info", "attributes"), os.path.join("info", "exclude"), "shallow"):
        wanted[name] = _content(os.path.join(repository.common_dir, name))
    for name, content in wanted.items():
        path = os.path.join(shadow.git_dir, name)
        if content == _content(path):
            continue
        if content is None:
            os.unlink(path)
        else:
            replace_file(path, content)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
