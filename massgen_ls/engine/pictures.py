"""The pictures of a task, where an agent can read them."""

from __future__ import annotations

from dataclasses import dataclass

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import Task
from massgen_ls.ports import Attachments, Picture


@dataclass(frozen=True, slots=True)
class Laid:
    """What became of them."""

    found: tuple[Picture, ...] = ()
    missing: tuple[str, ...] = ()
    """Why others cannot be shown, for people."""


async def pictures(attachments: Attachments, task: Task, home: str) -> Laid:
    """Copies a task's pictures into an agent's home; one that is lost does not end the attempt."""
    found: list[Picture] = []
    missing: list[str] = []
    for each in task.attachments:
        try:
            path = await attachments.lay(each, home)
        except MassgenError as error:
            missing.append(f"the picture {each.name} cannot be shown: {error}")
        else:
            found.append(Picture(each.name, each.media_type, path))
    return Laid(tuple(found), tuple(missing))
