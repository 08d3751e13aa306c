"""Pictures that an editor attaches to a task."""

from __future__ import annotations

import asyncio

from massgen_ls.core.attachments import LARGEST
from massgen_ls.core.task import Attachment
from massgen_ls.lsp import uris
from massgen_ls.lsp.desk import Engine
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.protocol import AttachmentParams


async def attach(engine: Engine, wanted: AttachmentParams) -> Attachment:
    """Keeps a picture for a run.

    Raises:
        ParamsError: There is no such file.
        AttachmentError: It is no picture, or too large.
        NotFoundError: That of an earlier run is not there any more.
    """
    if wanted.digest is not None:
        return await engine.attached(wanted.name, wanted.digest)
    if wanted.data is not None:
        return await engine.attach(wanted.name, wanted.data)
    path = uris.to_path(wanted.uri or "")
    if path is None:
        raise ParamsError(f"{wanted.uri} is not a file", "Save it, or send its bytes as `data`.")
    try:
        content = await asyncio.to_thread(_read, path)
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror or error}") from error
    return await engine.attach(path, content)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(LARGEST + 1)
