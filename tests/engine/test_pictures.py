"""The pictures of a task, from the order to the agent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from massgen_ls.core.events import Notice
from massgen_ls.core.task import Attachment
from massgen_ls.ports import AgentNews, Brief, Ended, Place
from tests.engine.conftest import Bench
from tests.fakes.pictures import DOT


async def test_an_agent_finds_the_picture_in_its_home_and_in_its_words(bench: Bench) -> None:
    seen: list[tuple[Brief, bytes, bool]] = []

    async def looks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        (picture,) = brief.pictures
        path = Path(picture.path)
        seen.append((brief, path.read_bytes(), Path(place.home) in path.parents))
        yield Ended("done")

    async with bench.engine({"looks": looks}) as supervisor:
        kept = await supervisor.attach("/shots/dot.png", DOT)
        gone = Attachment("gone.png", "image/png", "0" * 64)
        spec = bench.spec("looks")
        spec = replace(spec, task=replace(spec.task, attachments=(kept, gone)))
        run, state = await bench.finish(supervisor, spec)
        history = await supervisor.history(run)
        assert await supervisor.attached("dot.png", kept.digest) == kept
    ((brief, content, at_home),) = seen
    assert (content, at_home) == (DOT, True)
    assert brief.prompt == f"do it\n\nPicture: dot.png ({brief.pictures[0].path})"
    assert state.spec is not None
    assert state.spec.task.attachments == (kept, gone), "the record knows them, without their bytes"
    (notice,) = [e.event for e in history if isinstance(e.event, Notice)]
    assert "the picture gone.png cannot be shown" in notice.text
