"""What is imported before somebody waits: the first answers come from the standard library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imported(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        # The answer to `initialize`, and `--help`.
        ("import massgen_ls.cli.serve", {"asyncio", "massgen_ls.core.events", "massgen_ls.ports"}),
        ("import massgen_ls.cli", {"asyncio", "massgen_ls.core.events", "massgen_ls.ports"}),
        # The list of runs.
        (
            "import massgen_ls.cli.runs",
            {"rich", "cattrs", "pydantic", "yaml", "pygit2", "rapidfuzz", "git", "pygls"},
        ),
    ],
)
def test_what_is_heavy_is_imported_where_it_is_used(statement: str, forbidden: set[str]) -> None:
    assert imported(statement) & forbidden == set()
