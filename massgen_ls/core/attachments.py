"""What pictures may belong to a task, told by their content."""

from __future__ import annotations

import hashlib

from massgen_ls.core.errors import AttachmentError
from massgen_ls.core.task import Attachment

MOST = 10
"""Pictures of one task."""
LARGEST = 3_932_160
"""Bytes of one: 5 MiB in base64, where the services of the models end."""


def attachment(name: str, content: bytes) -> Attachment:
    """What is known of a picture.

    Args:
        name: What people call it; its last part is kept.
        content: The whole file.

    Raises:
        AttachmentError: It is no picture that agents can be shown, or too large.
    """
    shown = " ".join(name.replace("\\", "/").rpartition("/")[2].split())[:100] or "picture"
    if len(content) > LARGEST:
        most = f"{LARGEST / 1024 / 1024:g} MiB"
        raise AttachmentError(
            f"{shown} is larger than {most}, the most that models can be shown",
            "Scale it down, or cut it",
        )
    kind = _media_type(content)
    if kind is None:
        hint = "PNG, JPEG, GIF and WebP are; a text can be put into the task or the project"
        raise AttachmentError(f"{shown} is not a picture that agents can be shown", hint)
    return Attachment(shown, kind, hashlib.sha256(content).hexdigest())


def _media_type(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return None
