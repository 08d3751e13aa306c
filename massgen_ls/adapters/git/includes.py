"""Ignored files that a worktree needs all the same (``node_modules``, ``.env``)."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence

from massgen_ls.adapters.git.plumbing import Git, View, names

_FICLONE = 0x40049409


async def find(git: Git, view: View, patterns: Sequence[str]) -> list[str]:
    """Paths of the view's working tree that its index does not know and a pattern matches.

    Git itself matches, so the patterns mean what they mean in a ``.gitignore``. A folder that
    matches as a whole is one path, without the trailing slash.
    """
    chosen = [f"--exclude={pattern}" for pattern in patterns]
    asked = await git.run(view, "ls-files", "-o", "-i", "-z", "--directory", *chosen)
    return [name.rstrip("/") for name in names(asked)]


def walk(top: str, roots: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Every path at and below some roots, with its own status; links are not followed."""
    for root in sorted(roots):
        stack = [root]
        while stack:
            path = stack.pop()
            try:
                found = os.lstat(os.path.join(top, path))
            except OSError:
                continue
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                try:
                    inside = sorted(os.listdir(os.path.join(top, path)), reverse=True)
                except OSError:
                    continue
                stack.extend(f"{path}/{name}" for name in inside)


def fingerprint(top: str, roots: Sequence[str], *, strict: bool) -> str:
    """A digest of names and status below some roots.

    ``strict`` takes in inode and change time, which no program can set back: equal digests then
    mean that nobody touched a file. Otherwise: names, sizes, modes and modification times.
    """
    digest = hashlib.sha256()
    for path, found in walk(top, roots):
        line = f"{found.st_mode:o} {found.st_size if not stat.S_ISDIR(found.st_mode) else 0}"
        if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
            line += f" {found.st_mtime_ns}"
        if strict:
            line += f" {found.st_ino} {found.st_ctime_ns} {found.st_mtime_ns}"
        digest.update(os.fsencode(path) + b"\0" + line.encode("ascii") + b"\n")
    return digest.hexdigest()


def bring(source: str, target: str, roots: Sequence[str], *, link: bool) -> None:
    """Copies (or links) paths from one working tree into another. Blocking.

    Files get reflinks where the file system has them; times and modes are kept; symlinks stay
    symlinks. What the target has already is left alone.
    """
    real_target = os.path.realpath(target)
    for root in roots:
        destination = os.path.join(target, root)
        parent = os.path.dirname(destination)
        os.makedirs(parent, exist_ok=True)
        # A committed symlink to a folder elsewhere must not lead the copy out of the worktree.
        if os.path.commonpath([os.path.realpath(parent), real_target]) != real_target:
            continue
        if os.path.lexists(destination):
            continue
        if link:
            os.symlink(os.path.join(source, root), destination)
            continue
        for path, found in walk(source, [root]):
            _copy(os.path.join(source, path), os.path.join(target, path), found)


def _copy(source: str, target: str, found: os.stat_result) -> None:
    try:
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(target)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(source, target)
            os.chmod(target, stat.S_IMODE(found.st_mode) & 0o777 | 0o600)
            os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    except OSError as error:
        # What the user themselves cannot read, or what vanished meanwhile, is not brought.
        if error.errno not in {errno.EACCES, errno.ENOENT, errno.EPERM}:
            raise


def _copy_file(source: str, target: str) -> None:
    if sys.platform == "linux":
        import fcntl

        with open(source, "rb") as old, open(target, "xb") as new:
            try:
                fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
                return
            except OSError:
                pass
            try:
                while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
                    pass
                return
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                    raise
            shutil.copyfileobj(old, new)
        return
    shutil.copyfile(source, target)
