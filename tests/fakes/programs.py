"""Where the real agent programs are: the ones of `scripts/agents`, or of MASSGEN_LS_TEST_CLIS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Asked when this is read: later a test may have another HOME.
_FOLDER = subprocess.run(
    [ROOT / "scripts" / "agents", "--where"], stdout=subprocess.PIPE, check=True, text=True
).stdout.strip()
NODE_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")


def folder() -> Path:
    """The folder with the programs (a ``node_modules/.bin``), whether it is there or not."""
    return Path(_FOLDER)


def program(name: str) -> str:
    """The absolute path of a program; without it the test is skipped, and fails in CI."""
    path = folder() / name
    if os.access(path, os.X_OK):
        return str(path)
    reason = f"NO REAL AGENTS: {path} is not there. Run scripts/agents, which installs it."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def search_path() -> str:
    """PATH for a program: its own folder (a ``node`` there is taken first), then the system's."""
    return os.pathsep.join([str(folder()), *NODE_FOLDERS])
