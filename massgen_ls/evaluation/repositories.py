"""Checkouts of commits of a repository that is only read, and patches that fit them.

A checkout is a small repository of our own that borrows the objects of the other one: nothing is
written there, no branch is copied, and its size does not matter.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from massgen_ls.core.errors import GitError, WorkspaceError
from massgen_ls.ports import Command, Finished, Processes

_KEEP = 1 << 40

WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("-p0",),
    ("--ignore-space-change",),
    ("--recount",),
    ("--unidiff-zero",),
    ("-p0", "--ignore-space-change"),
)
"""Options of ``git apply``, the strictest first: as it is; without a/ and b/; where line ends were
changed on the way; where a hunk's header counts wrongly; without lines of context."""


_SAFELY = tuple(
    word
    for setting in (
        "core.quotePath=false",
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "log.showSignature=false",  # its program would be the repository's choice
    )
    for word in ("-c", setting)
)
"""What a repository of somebody else's may not choose."""


class Repositories:
    """Runs git for checkouts; nothing of the user's settings has a part in it.

    Args:
        processes: Starts git.
        top: A folder of ours.
        environ: PATH is taken from there.
    """

    def __init__(self, processes: Processes, top: Path, environ: Mapping[str, str]) -> None:
        self._processes = processes
        settings = top / "gitconfig"
        # Whoever asks for a repository to be read trusts it that far, whoever owns it.
        settings.write_text("[safe]\n\tdirectory = *\n[core]\n\tautocrlf = false\n")
        self._environ = {
            "PATH": environ.get("PATH", os.defpath),
            "HOME": str(top),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(settings),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }

    async def attempt(
        self, folder: Path, *args: str, stdin: bytes | None = None, **variables: str
    ) -> Finished:
        """Runs git in a folder; it may fail."""
        command = Command(
            argv=("git", *_SAFELY, *args),
            cwd=str(folder),
            env={**self._environ, **variables},
            stdin=stdin,
            keep=_KEEP,
            tree=False,
        )
        try:
            return await self._processes.run(command)
        except FileNotFoundError as error:
            hint = "Install git 2.35 or newer and make sure that it is on PATH"
            raise WorkspaceError("git was not found", hint) from error

    async def run(
        self, folder: Path, *args: str, stdin: bytes | None = None, **variables: str
    ) -> bytes:
        """Runs git in a folder; what it prints.

        Raises:
            GitError: It failed.
        """
        done = await self.attempt(folder, *args, stdin=stdin, **variables)
        if done.exit_code:
            raise GitError(f"git {args[0]} failed: {said(done)}")
        return done.stdout

    async def commit(self, repo: Path, name: str) -> str:
        """The full name of a commit.

        Raises:
            WorkspaceError: There is no such repository or commit.
        """
        if not repo.is_dir():
            raise WorkspaceError(f"the repository {repo} is not there")
        found = await self.attempt(repo, "rev-parse", "--git-dir")
        if found.exit_code:
            raise WorkspaceError(f"{repo} is no git repository: {said(found)}")
        found = await self.attempt(repo, "rev-parse", "--verify", "-q", f"{name}^{{commit}}")
        if found.exit_code or name.startswith("-"):
            raise WorkspaceError(f"{repo} has no commit {name}", "Fetch it there")
        return found.stdout.decode().strip()

    async def checkout(self, repo: Path, commit: str, into: Path) -> None:
        """Makes a folder with the files of a commit: a repository that has it as its HEAD.

        Args:
            repo: Where the commit is.
            commit: Its full name.
            into: The folder; it does not exist yet.

        Raises:
            GitError: git fails; what it says is in the message.
        """
        asked = await self.run(
            repo,
            *("rev-parse", "--path-format=absolute", "--git-common-dir", "--show-object-format"),
        )
        common, form = os.fsdecode(asked).rstrip("\n").rsplit("\n", 1)
        into.mkdir(parents=True)
        await self.run(into, "init", "-q", "--template=", f"--object-format={form}", ".")
        await asyncio.to_thread(_borrow, into / ".git", Path(common))
        await self.run(into, "update-ref", "--no-deref", "HEAD", commit)
        await self.run(into, "reset", "-q", "--hard", commit)

    async def fitting(self, folder: Path, patch: Path) -> tuple[str, ...]:
        """The options with which a patch can be applied to a checkout: the first `WAYS` that fits.

        When none does, none: then ``git apply`` says why where it is tried.
        """
        for options in WAYS:
            argv = ("apply", "--check", *options, str(patch))
            if not (await self.attempt(folder, *argv)).exit_code:
                return options
        return ()


def said(done: Finished) -> str:
    """The last thing that git had to say."""
    lines = [line for line in done.stderr.decode("utf-8", "replace").split("\n") if line.strip()]
    return lines[-1].strip() if lines else f"exit code {done.exit_code}"


def _borrow(own: Path, other: Path) -> None:
    (own / "objects" / "info").mkdir(parents=True, exist_ok=True)
    objects = os.fsencode(other / "objects")
    (own / "objects" / "info" / "alternates").write_bytes(objects + b"\n")
    if (other / "shallow").is_file():
        shutil.copyfile(other / "shallow", own / "shallow")
