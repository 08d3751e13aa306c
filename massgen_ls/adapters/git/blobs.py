"""Reads many blobs with one process, as a checkout would write them or as they are stored."""

from __future__ import annotations

import os
from collections.abc import Sequence

from massgen_ls.adapters.git.plumbing import Git, View
from massgen_ls.core.errors import NotFoundError


async def read_blobs(
    git: Git, view: View, wanted: Sequence[tuple[str, str]], *, filtered: bool = True
) -> list[bytes]:
    """Reads (path for the filters, object name) → bytes, in order.

    Attributes come from the files ``.gitattributes`` in the view's working tree: ``cat-file``
    does not look into an index.

    Raises:
        NotFoundError: An object is not there any more.
    """
    found: dict[int, bytes] = {}
    batch: list[int] = []
    for number, (path, oid) in enumerate(wanted):
        if "\n" in path and filtered:
            found[number] = await _read_one(git, view, path, oid)
        else:
            batch.append(number)
    if batch:
        # The size that a batch announces is that before the filters, so what separates two
        # objects is a mark that no content can know.
        mark = os.urandom(16).hex().encode("ascii")
        asked = b"".join(
            wanted[number][1].encode("ascii")
            + (b" " + os.fsencode(wanted[number][0]) if filtered else b"")
            + b"\n"
            for number in batch
        )
        mode = ["--filters"] if filtered else []
        said = await git.run(
            view, "cat-file", *mode, f"--batch={mark.decode()} %(objectname)", stdin=asked
        )
        pieces = (b"\n" + said).split(b"\n" + mark + b" ")[1:]
        if len(pieces) != len(batch):
            raise NotFoundError(
                "Files of this run are not stored any more", "Start a new run instead."
            )
        for number, piece in zip(batch, pieces, strict=True):
            _, _, content = piece.partition(b"\n")
            found[number] = content
        # Each content is followed by a newline; splitting took it from all but the last.
        found[batch[-1]] = found[batch[-1]][:-1]
    return [found[number] for number in range(len(wanted))]


async def _read_one(git: Git, view: View, path: str, oid: str) -> bytes:
    done = await git.attempt(view, "cat-file", "--filters", f"--path={path}", oid)
    if done.exit_code:
        raise NotFoundError("Files of this run are not stored any more", "Start a new run instead.")
    return done.stdout
