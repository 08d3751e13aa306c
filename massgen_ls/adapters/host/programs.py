"""Finds the file that a program's name stands for, and whether the machine can load it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping


def resolve(name: str, env: Mapping[str, str], cwd: str) -> str:
    """The absolute path of a program, found as the process itself would find it.

    Args:
        name: A bare name, looked for on the PATH of ``env``, or a path, relative to ``cwd``.
        env: The environment that the program will have.
        cwd: The folder that it will start in, absolute.

    Raises:
        FileNotFoundError: There is none.
        PermissionError: There is one, and it may not be executed.
    """
    if os.sep in name:
        candidates = [os.path.join(cwd, name)]
    else:
        # An entry that is empty or relative would mean the folder that is worked in: a `git` or
        # `ruff` that somebody's repository brings along is no program of the user's.
        candidates = [
            os.path.join(folder, name)
            for folder in absolute(env.get("PATH", os.defpath)).split(os.pathsep)
        ]
    forbidden = ""
    for candidate in candidates if name else ():
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            forbidden = forbidden or candidate
        elif os.path.isdir(candidate) and os.sep in name:
            raise PermissionError(errno.EACCES, "This is a folder, not a program", candidate)
    if forbidden:
        raise PermissionError(errno.EACCES, "It may not be executed", forbidden)
    raise FileNotFoundError(errno.ENOENT, "There is no such program", name)


def absolute(path: str) -> str:
    """A PATH without the entries that depend on the working folder."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if os.path.isabs(part))


def leash() -> tuple[str, ...]:
    """What stands in front of an argv so that the program dies when we are killed; empty if none.

    There is no way to ask for that from Python without a fork of our whole process.
    """
    if sys.platform == "linux":
        for path in ("/usr/bin/setpriv", "/bin/setpriv"):
            real = os.path.realpath(path)
            # The one of busybox does not know the option.
            if os.access(real, os.X_OK) and os.path.basename(real) != "busybox":
                return (real, "--pdeathsig", "KILL", "--")
    return ()


def loadable(path: str) -> bool:
    """Whether the kernel would start this file, as far as its first bytes tell.

    Raises:
        FileNotFoundError: It is a script whose interpreter is not there.
    """
    if sys.platform != "linux":
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return True  # executable but not readable: only the kernel can tell
    if head.startswith(b"\x7fELF"):
        return True
    if not head.startswith(b"#!"):
        return False
    words = head[2:].split(b"\n", 1)[0].split(None, 1)
    interpreter = os.fsdecode(words[0]) if words else ""
    if interpreter.startswith("/") and not os.path.exists(interpreter):
        raise FileNotFoundError(
            errno.ENOENT, "The interpreter of this script is not there", interpreter
        )
    return bool(interpreter)
