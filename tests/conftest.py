"""What every test shares."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.fakes.programs import program

# A law is not a stopwatch: a busy machine must not make it fail.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def claude() -> str:
    """The absolute path of the real Claude Code."""
    return program("claude")


@pytest.fixture(scope="session")
def gemini() -> str:
    """The absolute path of the real Gemini CLI."""
    return program("gemini")


@pytest.fixture(scope="session")
def codex() -> str:
    """The absolute path of the real Codex."""
    return program("codex")
