"""What pictures may belong to a task."""

from __future__ import annotations

import hashlib

import pytest

from massgen_ls.core.attachments import LARGEST, attachment
from massgen_ls.core.errors import AttachmentError
from massgen_ls.core.task import Attachment

PNG = b"\x89PNG\r\n\x1a\n rest"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0 rest", "image/jpeg"),
        (b"GIF87a rest", "image/gif"),
        (b"GIF89a rest", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_pictures_are_known_by_their_content(content: bytes, kind: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    assert attachment("a.txt", content) == Attachment("a.txt", kind, digest)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/home/me/shot one.png", "shot one.png"),
        ("C:\\shots\\two.png", "two.png"),
        ("a\nb\x00.png", "a b\x00.png"),
        ("folder/", "picture"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_name_is_one_short_line(given: str, shown: str) -> None:
    assert attachment(given, PNG).name == shown


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<svg/>", b"RIFF\x10\x00\x00\x00WAVE", b"\x89PN"]
)
def test_what_is_no_picture_is_refused_by_its_name(content: bytes) -> None:
    with pytest.raises(AttachmentError, match=r"notes\.png is not a picture .*WebP are"):
        attachment("notes.png", content)


def test_the_largest_picture() -> None:
    whole = PNG.ljust(LARGEST, b".")
    assert attachment("a.png", whole).media_type == "image/png"
    with pytest.raises(AttachmentError, match=r"a\.png is larger than 3\.75 MiB"):
        attachment("a.png", whole + b".")
