"""The sandbox around an agent or a check: what it may write, and what it does not see.

bubblewrap where it works, else nothing: then `Fence.required` refuses to start. The file system is
read-only but for what a `Fence` names, /tmp is fresh and shows only those of its folders that the
program needs, credentials in the user's home and sockets that lead outside appear empty, and a PID
namespace takes every descendant along when the program ends or when we die. The network is left
alone: agents talk to their models.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from massgen_ls.ports import Fence

SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".pypirc",
    ".npmrc", ".yarnrc.yml", ".vault-token", ".password-store", ".mozilla", ".thunderbird",
    ".terraform.d", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    ".config/gh", ".config/hub", ".config/glab-cli", ".config/gcloud", ".config/git/credentials",
    ".config/op", ".config/rclone", ".config/google-chrome", ".config/chromium",
    ".local/share/keyrings", ".claude/.credentials.json", ".codex/auth.json",
    ".gemini/oauth_creds.json", ".bash_history", ".zsh_history", ".python_history",
)  # fmt: skip
"""Under the user's home: what an agent has no business to read."""

# Whoever can talk to these runs what they like outside of any sandbox.
_DOORS = ("/run/docker.sock", "/run/podman", "/run/containerd", "/run/user/{uid}")
# Sockets of other programs lie under /tmp by these names: never seen, whoever names them.
_PRIVATE_TEMPS = (".", "ssh-", "tmux-", "systemd-private-", "gpg-", "keyring-", "dbus-", "snap")
_NAMED = re.compile(r"/tmp/([^/\s:;,=\"']+)")  # noqa: S108
_HOPS = 16
"""Links that are followed from one to the next."""
_HEAD = 256
"""Bytes of a script that are read for its first line."""
_NO_NAMES: Mapping[str, str] = {}

Kind = Literal["bubblewrap", "none"]


@dataclass(frozen=True, slots=True)
class Description:
    """The sandbox of this machine, for people."""

    kind: Kind
    works: bool
    text: str
    """What it protects, or why there is none and what to do."""


class Sandbox:
    """Turns a `Fence` into what stands in front of an argv.

    Args:
        kind: Which sandbox to use; it must work here, see `probe`.
        program: The path of that program.
        home: The user's real home folder; its secrets are hidden.
        why: Why there is none, for people.
    """

    def __init__(self, kind: Kind, program: str, home: str, why: str = "") -> None:
        self.kind: Kind = kind
        self._program = program
        self._home = home
        self._why = why

    @property
    def works(self) -> bool:
        """Whether there is a sandbox at all."""
        return self.kind != "none"

    @classmethod
    def probe(cls, home: str, path: str) -> Sandbox:
        """Finds out what works here by running it once. Blocks for some milliseconds: for a thread.

        Args:
            home: The user's home folder.
            path: The PATH to find sandbox programs on.
        """
        if sys.platform != "linux":
            return cls("none", "", home, "sandboxes are known on Linux only")
        why = "bubblewrap (bwrap) is not installed"
        program = shutil.which("bwrap", path=path)
        if program is not None:
            sandbox = cls("bubblewrap", os.path.realpath(program), home)
            true = shutil.which("true", path=path) or "/bin/true"
            said = _try(sandbox.wrap(Fence(()), ("true",), "/", true))
            if not said:
                return sandbox
            why = f"bwrap is there and fails: {said}"
        return cls("none", "", home, why)

    def wrap(
        self,
        fence: Fence,
        argv: Sequence[str],
        cwd: str,
        program: str,
        env: Mapping[str, str] = _NO_NAMES,
    ) -> tuple[str, ...]:
        """The argv that runs a program inside of the fence.

        A program that is ended by a signal gives exit code 128 + its number in here.

        Args:
            fence: What it may write and what it must not see.
            argv: The program's own argv; its first item is replaced by ``program``.
            cwd: Where it starts, absolute.
            program: The resolved path of the program.
            env: The program's environment: folders of /tmp that it names, say in PATH, are there.
        """
        way, script = _way_to(program)
        needed = (*fence.writable, *fence.readable, cwd, *way)
        return (
            self._program,
            "--ro-bind", "/", "/",
            "--dev", "/dev",
            "--proc", "/proc",
            *_temporary((*needed, *map(os.path.realpath, needed)), (script, *argv, *env.values())),
            *self._hidden(fence),
            *(
                word
                for folder in fence.writable
                for word in ("--bind-try", os.path.realpath(folder), os.path.realpath(folder))
            ),
            "--unshare-pid", "--unshare-ipc", "--die-with-parent",
            # With root's rights the first thing to do inside would be to mount / writable again.
            *(("--cap-drop", "ALL") if os.geteuid() == 0 else ()),
            "--chdir", os.path.realpath(cwd),
            "--", program, *argv[1:],
        )  # fmt: skip

    def describe(self) -> Description:
        """What `massgen-ls doctor` says of it."""
        if not self.works:
            return Description(
                kind="none",
                works=False,
                text=f"none: {self._why}. Agents run with your rights; "
                "install bubblewrap to confine them.",
            )
        return Description(
            kind=self.kind,
            works=True,
            text=f"{self.kind} ({self._program}): agents write only their worktree, their own home "
            "and a fresh /tmp; keys, tokens and sockets of yours are hidden; no process outlives "
            "its agent.",
        )

    def _hidden(self, fence: Fence) -> Iterator[str]:
        doors = (door.format(uid=os.getuid()) for door in _DOORS)
        secrets = (os.path.join(self._home, name) for name in SECRETS)
        for path in (*doors, *secrets, *fence.hidden):
            # Most are not there, which one look tells; the whole way is looked at for the others.
            if not os.path.lexists(path):
                continue
            real = os.path.realpath(path)
            if os.path.isdir(real):
                yield from ("--perms", "0555", "--tmpfs", real)
            elif os.path.exists(real):
                yield from ("--ro-bind", "/dev/null", real)


def _temporary(paths: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    """A fresh /tmp with those of its folders, read-only, in which paths lie or that texts name.

    Repositories, toolchains and our own worktrees may lie there. Every mount takes its time, and
    what other programs keep there is nobody's business.
    """
    yield from ("--tmpfs", "/tmp")  # noqa: S108 - the folder itself is meant
    wanted = sorted({*map(_top, paths), *(name for text in texts for name in _NAMED.findall(text))})
    seen = {""}
    for name in wanted:  # grows
        if name in seen or name.startswith(_PRIVATE_TEMPS):
            continue
        seen.add(name)
        path = f"/tmp/{name}"  # noqa: S108
        if os.path.islink(path):
            target = os.readlink(path)
            yield from ("--symlink", target, path)
            wanted.append(_top(os.path.normpath(os.path.join("/tmp", target))))  # noqa: S108
        elif os.path.isdir(path):
            yield from ("--ro-bind-try", path, path)


def _top(path: str) -> str:
    """The name in /tmp under which a path lies; empty when it lies elsewhere."""
    return path.split("/")[2] if path.startswith("/tmp/") else ""  # noqa: S108


def _way_to(program: str) -> tuple[list[str], str]:
    """The program with the links that lead to it and, when it is a script, its first line."""
    way = [program]
    while len(way) < _HOPS and os.path.islink(way[-1]):
        way.append(os.path.join(os.path.dirname(way[-1]), os.readlink(way[-1])))
    try:
        with open(program, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        head = b""
    return way, os.fsdecode(head.partition(b"\n")[0]) if head.startswith(b"#!") else ""


def _try(argv: Sequence[str]) -> str:
    """Empty when it ran, else why not."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
    return said or f"exit code {done.returncode}"
