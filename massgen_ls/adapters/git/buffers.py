"""Unsaved text → the bytes that saving it would write."""

from __future__ import annotations

import asyncio
import codecs
import os
from dataclasses import dataclass

from massgen_ls.adapters.git.listings import Listing
from massgen_ls.adapters.git.plumbing import Git, View
from massgen_ls.adapters.git.repository import Repository
from massgen_ls.adapters.git.staging import Staged, ignored, shown
from massgen_ls.core.changes import RelPath, rel_path
from massgen_ls.core.errors import GitError, UnsafePathError
from massgen_ls.ports import Buffer

_MARKS = (
    # The longer mark first: UTF-32-LE starts like UTF-16-LE.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def encode(text: str, encoding: str, on_disk: bytes | None) -> bytes:
    """Encodes a buffer as its file is: same byte order mark, same encoding.

    An editor's text carries neither, so the file decides; ``encoding`` decides for new files and
    for those that have no mark. A text that the file's encoding cannot hold becomes UTF-8.
    """
    for mark, name in _MARKS:
        if on_disk is not None and on_disk.startswith(mark):
            return mark + _encoded(text.removeprefix("\ufeff"), name)
    if on_disk and encoding.lower().replace("_", "-") in {"utf-8", "utf8"}:
        try:
            on_disk.decode("utf-8")
        except UnicodeDecodeError:
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                pass
    return _encoded(text, encoding)


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Laid:
    """A buffer that is part of a snapshot."""

    path: RelPath
    content: bytes
    """As saving it would write it."""
    executable: bool


def _inside(repository: Repository, path: str) -> str | None:
    """A buffer's path below the repository's top; None when it lies outside."""
    real = os.path.realpath(path)
    root = repository.real_root.rstrip("/") + "/"
    return real.removeprefix(root) if real.startswith(root) else None


def _on_disk(root: str, path: str) -> tuple[bytes | None, bool]:
    """A file's bytes and executable bit; None when there is no such file. Blocking."""
    try:
        with open(os.path.join(root, path), "rb") as file:
            return file.read(), bool(os.fstat(file.fileno()).st_mode & 0o100)
    except OSError:
        return None, False


async def lay(
    git: Git,
    view: View,
    repository: Repository,
    buffers: tuple[Buffer, ...],
    tracked: Listing,
    staged: Staged,
) -> list[Laid]:
    """Chooses the buffers that belong into the snapshot and encodes them; notes the others."""
    if not buffers:
        return []
    closed = tracked.gitlinks() + staged.nested
    changed = set(staged.changed)
    chosen: dict[RelPath, Buffer] = {}
    for buffer in buffers:
        inside = _inside(repository, buffer.path)
        if inside is None:
            staged.notes.append(f"{shown(buffer.path)}: unsaved, but outside of the repository")
            continue
        try:
            path = rel_path(inside)
        except UnsafePathError as error:
            staged.notes.append(f"{shown(inside)}: unsaved text left out, {error.what}")
            continue
        if any(path == top or path.startswith(top + "/") for top in closed):
            staged.notes.append(f"{shown(path)}: unsaved, but in a repository inside this one")
            continue
        chosen[path] = buffer
    passed_by = await ignored(
        git, view, [path for path in chosen if path not in changed and path not in tracked]
    )
    laid: list[Laid] = []
    for path, buffer in chosen.items():
        if path in passed_by:
            staged.notes.append(f"{shown(path)}: unsaved, but ignored by git")
            continue
        on_disk, bit = await asyncio.to_thread(_on_disk, repository.real_root, path)
        mode = tracked.mode(path)
        if repository.settings.get("core.filemode", "true") == "false" or on_disk is None:
            bit = mode == "100755"
        laid.append(Laid(path, encode(buffer.text, buffer.encoding, on_disk), bit))
    return laid


async def put(git: Git, view: View, laid: list[Laid], staged: Staged) -> None:
    """Writes buffers through the clean filters and puts them on top of the index."""
    entries: list[bytes] = []
    for buffer in laid:
        # NUL cannot be in a path, and everything else may be in an argument.
        done = await git.attempt(
            view, "hash-object", "-w", f"--path={buffer.path}", "--stdin", stdin=buffer.content
        )
        if done.exit_code:
            staged.notes.append(
                f"{shown(buffer.path)}: its filter does not run, the unsaved text is taken as it is"
            )
            raw = await git.run(view, "hash-object", "-w", "--stdin", stdin=buffer.content)
        else:
            raw = done.stdout
        oid = raw.decode("ascii").strip()
        mode = "100755" if buffer.executable else "100644"
        entries.append(f"{mode} {oid}\t".encode("ascii") + os.fsencode(buffer.path) + b"\0")
    if not entries:
        return
    done = await git.attempt(
        view, "update-index", "--replace", "-z", "--index-info", stdin=b"".join(entries)
    )
    if done.exit_code:
        raise GitError(
            "The unsaved buffers could not be put into the snapshot: "
            + done.stderr.decode("utf-8", "replace").strip(),
            "Save them and start again.",
        )
