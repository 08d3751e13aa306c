"""Pictures that come with a wish."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.attachments import LARGEST, attachment
from massgen_ls.testing.editor import ServerError
from tests.fakes.pictures import DOT
from tests.lsp.editor import VSCODE, talking

DATA = base64.b64encode(DOT).decode()


async def test_pictures_come_as_files_as_bytes_and_from_earlier_runs(tmp_path: Path) -> None:
    file = tmp_path / "shot one.png"
    file.write_bytes(DOT)
    kept = attachment("x", DOT).digest
    async with talking(tmp_path, VSCODE) as client:
        wish: dict[str, Any] = {"prompt": "x", "attachments": [{"uri": file.as_uri()}]}
        await client.request("massgen/run", wish)
        wish["attachments"] = [{"name": "pasted.png", "data": DATA}, {"name": "b", "digest": kept}]
        await client.command("massgen.run", wish)
        orders = [spec.task.attachments for spec, _, _ in client.engine.started]
    assert [[(each.name, each.digest) for each in order] for order in orders] == [
        [("shot one.png", kept)],
        [("pasted.png", kept), ("b", kept)],
    ]


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        ({"name": "a.png"}, -32602, "one of `uri`, `data` and `digest`"),
        ({"name": "a.png", "data": DATA, "uri": "file:///a"}, -32602, "one of `uri`"),
        ({"data": DATA}, -32602, "needs a `name`"),
        ({"name": "a.png", "data": "no!"}, -32602, "not base64"),
        ({"uri": "untitled:1"}, -32602, "is not a file"),
        ({"uri": "file:///no/such.png"}, -32602, "such.png cannot be read: No such file"),
        ({"name": "a.txt", "data": "aGVsbG8="}, -32803, "a.txt is not a picture"),
        ({"name": "a.png", "digest": "0" * 64}, -32803, "not there any more"),
        ("a.png", -32602, "one object, not text"),
    ],
)
async def test_what_cannot_be_attached_starts_nothing(
    tmp_path: Path, wanted: object, code: int, words: str
) -> None:
    async with talking(tmp_path, VSCODE) as client:
        with pytest.raises(ServerError, match=words) as caught:
            await client.request("massgen/run", {"prompt": "x", "attachments": [wanted]})
        assert caught.value.code == code
        assert client.engine.started == []


async def test_too_many_and_too_large(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(DOT.ljust(LARGEST + 1, b"."))
    async with talking(tmp_path, VSCODE) as client:
        for wanted, words in (
            ([{"uri": large.as_uri()}], "larger than 3.75 MiB"),
            ([{"name": "a", "data": DATA}] * 11, "at most 10 pictures"),
        ):
            with pytest.raises(ServerError, match=words):
                await client.request("massgen/run", {"prompt": "x", "attachments": wanted})
