"""Real repositories for tests, and the proof that nobody touched them. A pytest plug-in."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.task import RunId, WorktreeRules
from massgen_ls.ports import Buffer, SnapshotRequest
from tests.fakes.processes import PlainProcesses

RUN = RunId("20261121-000000-aaaa")
PLAIN = WorktreeRules()


def _reads_everything() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder, "closed")
        closed.write_text("x")
        closed.chmod(0)
        return os.access(closed, os.R_OK)


READS_EVERYTHING = _reads_everything()
"""Whether permissions do not hold us back (root): then there is nothing to test about them."""


def environ(home: Path) -> dict[str, str]:
    """An environment that knows nothing of the machine's own git configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "GIT_AUTHOR_NAME": "A User",
        "GIT_AUTHOR_EMAIL": "user@example.org",
        "GIT_COMMITTER_NAME": "A User",
        "GIT_COMMITTER_EMAIL": "user@example.org",
    }


class UserRepo:
    """A user's repository. ``top`` is its working tree."""

    def __init__(self, top: Path, home: Path) -> None:
        self.top = top
        self.home = home
        self.environ = environ(home)

    def git(self, *args: str, cwd: Path | str | None = None, stdin: bytes | None = None) -> str:
        """Runs git as the user would; fails the test when git fails."""
        done = self.attempt(*args, cwd=cwd, stdin=stdin)
        assert done.returncode == 0, (args, done.stderr)
        return os.fsdecode(done.stdout)

    def attempt(
        self, *args: str, cwd: Path | str | None = None, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs git as the user would; it may fail."""
        return subprocess.run(
            ["git", *args],
            cwd=cwd or self.top,
            env=self.environ,
            input=stdin,
            capture_output=True,
            check=False,
        )

    def write(self, path: str, content: str | bytes) -> Path:
        """Writes a file below the top."""
        full = self.top / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content.encode() if isinstance(content, str) else content)
        return full

    def commit(self, message: str = "work", **files: str) -> str:
        """Commits everything that is there."""
        for path, content in files.items():
            self.write(path, content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()


def state_of(top: Path) -> dict[str, tuple[int, str]]:
    """Every path below a folder: mode and content hash; for an index, its time stamp as well."""
    found: dict[str, tuple[int, str]] = {}
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            else:
                content = ""
            if name == "index":
                content += f" {status.st_mtime_ns}"
            found[os.path.relpath(path, top)] = (status.st_mode, content)
    return found


@contextmanager
def untouched(*tops: Path) -> Iterator[None]:
    """Asserts that folders (``.git`` included) are the same before and after, byte for byte."""
    before = [state_of(top) for top in tops]
    yield
    for top, was in zip(tops, before, strict=True):
        assert state_of(top) == was, f"{top} was touched"


class Rooms:
    """The git rooms under test, with short words for what tests do most."""

    def __init__(self, rooms: GitRooms, processes: PlainProcesses, cache: Path) -> None:
        self.rooms = rooms
        self.processes = processes
        self.cache = cache
        self.snapshots = rooms.snapshots
        self.worktrees = rooms.worktrees
        self.objects = rooms.objects

    async def take(self, folder: Path | str, *buffers: Buffer, run: RunId = RUN) -> Snapshot:
        """Takes a snapshot."""
        return await self.snapshots.take(SnapshotRequest(str(folder), run, buffers))

    def shadow_git(self, snapshot: Snapshot, *args: str) -> bytes:
        """Asks the shadow something."""
        done = subprocess.run(
            ["git", *args],
            cwd=snapshot.shadow,
            env={**environ(self.cache), "GIT_DIR": snapshot.shadow},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (args, done.stderr)
        return done.stdout

    def files(self, snapshot: Snapshot, tree: str | None = None) -> dict[str, tuple[str, bytes]]:
        """Path → (mode, stored bytes) of a tree."""
        found: dict[str, tuple[str, bytes]] = {}
        listed = self.shadow_git(snapshot, "ls-tree", "-r", "-z", tree or snapshot.tree)
        for line in listed.split(b"\0"):
            if line:
                head, _, name = line.partition(b"\t")
                mode, kind, oid = head.decode().split(" ")
                content = oid.encode()
                if kind == "blob":
                    content = self.shadow_git(snapshot, "cat-file", "blob", oid)
                found[os.fsdecode(name)] = (mode, content)
        return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's HOME."""
    made = tmp_path / "home"
    made.mkdir()
    (made / ".gitconfig").write_text("[init]\n\tdefaultBranch = main\n")
    return made


@pytest.fixture
def repo(tmp_path: Path, home: Path) -> UserRepo:
    """A repository with one commit."""
    top = tmp_path / "repo"
    top.mkdir()
    made = UserRepo(top, home)
    made.git("init", "-q")
    made.write("a.py", "a = 1\n")
    made.write("src/b.py", "b = 1\nb += 1\n")
    made.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    made.commit("first")
    return made


@pytest.fixture
async def rooms(tmp_path: Path, home: Path) -> AsyncIterator[Rooms]:
    """The git rooms on a cache folder of their own."""
    processes = PlainProcesses()
    cache = tmp_path / "cache"
    async with GitRooms(processes, cache, environ(home), 2, huge=200_000) as made:
        yield Rooms(made, processes, cache)
