"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.cast import Cast, casting
from tests.e2e.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A user's machine with an empty repository folder."""
    return World(tmp_path.resolve())


@pytest.fixture
async def cast(world: World, claude: str, gemini: str, codex: str) -> AsyncIterator[Cast]:
    """The real agent programs in that world, with models whose scripts the test gives."""
    programs = {"claude": claude, "gemini": gemini, "codex": codex}
    async with casting(world, programs) as cast:
        yield cast
