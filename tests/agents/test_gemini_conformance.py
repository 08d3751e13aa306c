"""Gemini CLI does what every driver must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.adapters.agents.gemini.driver import GeminiDriver
from tests.agents.conformance import Conformance, Kind
from tests.agents.stage import Stage

pytestmark = pytest.mark.agents


@pytest.fixture
def kind(gemini: str) -> Kind:
    return Kind(
        "gemini_cli",
        lambda stage: GeminiDriver(stage.processes, stage.around),
        {"GEMINI_API_KEY": "seat"},
        {"program": gemini, "model": "gemini-2.5-pro"},
    )


@pytest.fixture
def stage(kind: Kind, tmp_path: Path) -> Stage:
    return Stage(tmp_path, kind.environ)


class TestGeminiCli(Conformance):
    tells_cache = False
    asks_outside = False

    @pytest.fixture
    def kind(self, kind: Kind) -> Kind:  # pyright: ignore[reportIncompatibleMethodOverride]
        return kind
