"""The ten house rules, as far as a program can tell."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "massgen_ls").rglob("*.py"))

BROAD_EXCEPTS = {
    "massgen_ls/engine/seat.py",
    "massgen_ls/engine/judging.py",
    "massgen_ls/engine/polling.py",
    "massgen_ls/engine/supervisor.py",
    "massgen_ls/engine/substance.py",
    "massgen_ls/engine/wrapup.py",
    "massgen_ls/adapters/agents/acp/connection.py",
    "massgen_ls/adapters/agents/acp/pool.py",
    "massgen_ls/adapters/mcp/speaking.py",
}
"""Where a bug may become a value: at the seat, in reading and keeping what it left, in judging,
around a whole run; in lsp/; where seats share a process, so that it reaches the one it belongs
to; and around a tool of ours that an agent calls, which is to go on without it."""

WORDS = re.compile(r"\b(proposal|solution|manager|helper|utils|common)\b", re.IGNORECASE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of files to look at")
    return [f for f in listed.stdout.split("\0") if f]


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_no_file_outgrows_its_room(source: Path) -> None:
    assert source.read_text().count("\n") <= 500, "look for the room that wants to come out"


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_names_use_the_words_of_the_house(source: Path) -> None:
    tree = ast.parse(source.read_text())
    named = {source.stem}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            named.add(node.name)
    parts = {part for n in named for part in re.findall(r"[A-Z]?[a-z]+", n)}
    assert not [part for part in parts if WORDS.fullmatch(part)]


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_outside_failures_become_values_in_few_places_only(source: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    if broad:
        assert name(source) in BROAD_EXCEPTS or "/lsp/" in name(source)


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_every_queue_is_bounded_and_no_document_is_split_by_python(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in {"asyncio.Queue", "queue.Queue", "Queue"}:
            assert node.args or node.keywords, f"line {node.lineno}: an unbounded queue"
        assert not called.endswith(".splitlines"), (
            f"line {node.lineno}: LSP lines end at \\n, \\r\\n and \\r only"
        )
        assert called not in {"os.chdir", "os.system", "os.popen"}, f"line {node.lineno}: {called}"
        shell = [k for k in node.keywords if k.arg == "shell"]
        assert not shell, f"line {node.lineno}: a shell"


def test_nothing_generated_or_temporary_is_committed() -> None:
    odd = [
        f
        for f in tracked()
        if re.search(r"(^|/)(__pycache__|node_modules|\.venv|dist|build)/|\.(pyc|log|tmp|orig)$", f)
    ]
    assert odd == []


def test_the_top_level_stays_small() -> None:
    allowed = {
        ".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
        "README.md", "configs", "docs", "editors", "massgen_ls", "pyproject.toml",
        "requirements-dev.lock", "requirements.lock", "scripts", "tests", ".github",
    }  # fmt: skip
    assert {f.split("/")[0] for f in tracked()} <= allowed
