"""The table of ACP agents is whole, and it is in what is installed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.acp.rows import Row, row, rows

ROOT = Path(__file__).resolve().parents[2]
ROWS = sorted(rows())


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_what_a_user_needs(name: str) -> None:
    known = row(name)
    assert isinstance(known, Row)
    assert known.id == name
    assert known.argv
    assert known.install
    assert known.login[0].islower() or known.login.startswith("`")
    assert known.docs == "" or re.fullmatch(r"https://\S+", known.docs)
    assert known.untrusted in {"ignores", "meta", "loads"}
    assert bool(known.untrusted_meta) == (known.untrusted == "meta")
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", key) for key in (*known.keys, *known.env))
    assert not any(folder.startswith(("/", "..")) for folder in known.folders)


def test_the_nearest_name_is_suggested() -> None:
    assert "Did you mean 'goose'?" in str(row("Goose"))
    assert "There are: claude, codex, gemini" in str(row("x"))


def test_every_agent_of_the_table_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "agents" / "acp.md").read_text()
    assert [name for name in ROWS if f"| `{name}` |" not in manual] == []


def test_the_table_is_in_the_wheel() -> None:
    """hatch takes every file of the package that git does not ignore."""
    table = ROOT / "massgen_ls" / "adapters" / "agents" / "rows.toml"
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert built["targets"]["wheel"]["packages"] == ["massgen_ls"]
    assert "exclude" not in built["targets"]["wheel"]
    ignored = subprocess.run(["git", "check-ignore", "-q", str(table)], cwd=ROOT, check=False)
    assert ignored.returncode == 1
