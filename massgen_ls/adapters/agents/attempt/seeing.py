"""Pictures for agents that take them with the task."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Sequence

from massgen_ls.ports import Picture


def in_base64(pictures: Sequence[Picture]) -> Iterator[tuple[Picture, str]]:
    """Each picture that can be read, with its bytes as text. Blocks: for a thread.

    The prompt says where they lie: one that went away is missed by the agent itself.
    """
    for picture in pictures:
        with contextlib.suppress(OSError), open(picture.path, "rb") as file:
            yield picture, base64.b64encode(file.read()).decode("ascii")
