"""Guessing a project's checks from its files alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_ls.adapters.checks.detect import detect

PYTEST = "python -m pytest -q"
RUFF = "ruff check --no-cache --output-format concise ."


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({"README.md": "hello"}, {}),
        (
            {"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n", "tests/test_a.py": ""},
            {"pytest": PYTEST, "ruff": RUFF},
        ),
        ({"pyproject.toml": "", "tests/unit/test_a.py": "import pytest"}, {"pytest": PYTEST}),
        ({"pkg/a.py": "", "tests/test_a.py": "def test_it():\n    pass\n"}, {"pytest": PYTEST}),
        ({"tests/test_a.py": "async def test_it() -> None: ..."}, {"pytest": PYTEST}),
        ({"tests/test_a.py": "class Some:\n    def test_it(self): ...\n"}, {}),
        (
            {"setup.cfg": "[tool:pytest]", "tests/unit/test_a.py": ""},
            {"pytest": PYTEST},
        ),
        (
            {"uv.lock": "", "pyproject.toml": "pytest", "tests/test_a.py": ""},
            {"pytest": "uv run python -m pytest -q"},
        ),
        ({"a.py": "", "test_a.py": "import unittest"}, {"unittest": "python -m unittest -v"}),
        (
            {"tests/__init__.py": "", "tests/test_a.py": "import unittest"},
            {"unittest": "python -m unittest -v"},
        ),
        (
            {"tests/test_a.py": "import unittest"},
            {"unittest": "python -m unittest discover -s tests -v"},
        ),
        (
            {"test/a_test.py": "import unittest"},
            {"unittest": "python -m unittest discover -s test -p *_test.py -v"},
        ),
        (
            {"a.py": "", "a_test.py": "import unittest"},
            {"unittest": "python -m unittest discover -p *_test.py -v"},
        ),
        (
            {"tests/unit/__init__.py": "", "tests/unit/test_a.py": "import unittest"},
            {"unittest": "python -m unittest discover -s tests -v"},
        ),
        ({"pyproject.toml": "[tool.mypy]\n"}, {"mypy": "python -m mypy --no-color-output ."}),
        (
            {"pyproject.toml": "[tool.mypy]\nfiles = ['src']\n[tool.pyright]\n"},
            {"mypy": "python -m mypy --no-color-output", "pyright": "pyright"},
        ),
        (
            {"requirements-dev.txt": "pytest==8", "tests/test_a.py": "", "a.py": ""},
            {"pytest": PYTEST},
        ),
        (
            {"package.json": '{"scripts": {"test": "vitest", "lint": "eslint ."}}'},
            {"npm-test": "npm run test", "npm-lint": "npm run lint"},
        ),
        (
            {"package.json": '{"scripts": {"typecheck": "tsc"}}', "pnpm-lock.yaml": ""},
            {"pnpm-typecheck": "pnpm run typecheck"},
        ),
        (
            {"package.json": '{"packageManager": "yarn@4.1.0", "scripts": {"test": "jest"}}'},
            {"yarn-test": "yarn run test"},
        ),
        (
            {"package.json": '{"scripts": {"test": "echo \\"no test specified\\"; exit 1"}}'},
            {},
        ),
        ({"package.json": '{"scripts": {"test": "jest --watch"}}'}, {}),
        (
            {"Cargo.toml": "[package]\nname='a'\n"},
            {
                "cargo-test": "cargo test",
                "cargo-check": "cargo check --all-targets --message-format short",
            },
        ),
        (
            {"Cargo.toml": "[lints.clippy]\nall = 'warn'\n"},
            {
                "cargo-test": "cargo test",
                "cargo-clippy": "cargo clippy --all-targets --message-format short",
            },
        ),
        ({"go.mod": "module a"}, {"go-test": "go test ./...", "go-vet": "go vet ./..."}),
        (
            {"Makefile": "X := 1\n.PHONY: test\ntest lint: x\n\techo\n"},
            {"make-test": "make test", "make-lint": "make lint"},
        ),
        ({"Makefile": "check:\n\tsh t.sh\n"}, {"make-check-tests": "make check"}),
        ({"Makefile": "test := 1\nlint = 2\ntest/a: x\n"}, {}),
        (
            {"Makefile": "test:\n\tgo test\nlint:\n\tx\n", "go.mod": ""},
            {"go-test": "go test ./...", "go-vet": "go vet ./..."},
        ),
    ],
)
def test_proposes_what_the_files_say(
    files: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = detect(tmp_path)
    assert {item.check.name: " ".join(item.check.argv) for item in found} == expected
    assert all(item.why for item in found)


def test_an_environment_in_the_project_has_to_be_brought_in(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("pytest")
    (tmp_path / "test_a.py").write_text("")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text("")
    (found,) = detect(tmp_path)
    assert "include: [.venv]" in found.why


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "name", ["pyproject.toml", "package.json", "Cargo.toml", "Makefile", "setup.cfg", "tests"]
)
@pytest.mark.parametrize("what", ["pipe", "loop", "zeros", "folder", "binary", "deep", "device"])
def test_hostile_files_do_no_harm(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    match what:
        case "pipe":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
        case "zeros":
            with path.open("wb") as file:
                file.truncate(1 << 40)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "deep":
            path.write_text('{"a":' * 100_000 + "[" * 100_000)
        case _:
            path.write_bytes(os.urandom(4096))
    assert not [item for item in detect(tmp_path) if not item.check.name.startswith("cargo")]


def test_detecting_starts_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("X := $(shell touch made)\ntest:\n\ttouch made\n")
    (tmp_path / "package.json").write_text('{"scripts": {"test": "touch made"}}')
    (tmp_path / "setup.py").write_text("open('made', 'w')")
    detect(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["Makefile", "package.json", "setup.py"]
