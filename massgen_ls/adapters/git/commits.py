"""Writes commits of our own. A commit is a few lines of text: to start git for it takes longer."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence

from massgen_ls.adapters.git.plumbing import storage_error
from massgen_ls.adapters.git.shadow import fresh_name

# Equal content makes an equal commit, whenever and wherever it is made.
_BY = "massgen-ls <massgen-ls@localhost> 1000000000 +0000"


def write_commit(git_dir: str, tree: str, parents: Sequence[str], message: str) -> str:
    """Stores a commit in one of our repositories, as ``git commit-tree`` does; returns its name.

    The tree has to be there. No ref leads to the commit yet.

    Raises:
        StorageError: It cannot be written.
    """
    head = [f"tree {tree}", *(f"parent {oid}" for oid in parents), f"author {_BY}"]
    head.append(f"committer {_BY}")
    text = "\n".join([*head, "", message.replace("\0", " "), ""]).encode("utf-8", "replace")
    whole = b"commit %d\0%b" % (len(text), text)
    digest = hashlib.sha1(usedforsecurity=False) if len(tree) == 40 else hashlib.sha256()
    digest.update(whole)
    oid = digest.hexdigest()
    folder = os.path.join(git_dir, "objects", oid[:2])
    path = os.path.join(folder, oid[2:])
    try:
        os.makedirs(folder, exist_ok=True)
        # Whole or not at all, and over an equal one: what was stored long ago is young again.
        beside = os.path.join(folder, f"tmp_obj_{fresh_name()}")
        with open(beside, "wb", opener=_read_only) as file:
            file.write(zlib.compress(whole))
        os.replace(beside, path)
    except OSError as error:
        raise storage_error(error, path) from error
    return oid


def _read_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o444)
