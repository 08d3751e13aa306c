"""Guesses the checks of a project from its files.

Nothing is executed, and a guess is no more than that: it runs when the user says so.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from massgen_ls.adapters.checks.reading import read_bounded
from massgen_ls.core.task import CheckSpec

_LIMIT: Final = 1024 * 1024
"""Bytes of a file that is read."""
_MOST_ENTRIES: Final = 2_000
"""Entries of a folder that are looked at."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A check that the project seems to have."""

    check: CheckSpec
    why: str
    """What was found, and what the check needs, for people."""
    include: tuple[str, ...] = ()
    """Ignored folders of the project that it needs in a worktree: `worktree.include`."""


def detect(folder: Path) -> tuple[Detected, ...]:
    """Proposes the checks of a Python, Node, Rust, Go or Make project, the quickest kind of each.

    Reads a few files of the folder itself, each up to a limit; what cannot be read or parsed is
    taken as absent. May block on a slow disk.
    """
    project = _Project(str(folder))
    found = [
        *_python(project),
        *_node(project),
        *_rust(project),
        *_go(project),
    ]
    # A Makefile mostly wraps what was found already: it speaks only for what was not.
    kinds = {_kind(item.check.name) for item in found}
    found += [item for item in _make(project) if _kind(item.check.name) not in kinds]
    return tuple(found)


def _kind(name: str) -> str:
    return "test" if "test" in name else "lint"


class _Project:
    """The files of a folder, read at most once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        """A file's text; empty when there is none that can be read."""
        if name not in self._texts:
            raw = read_bounded(os.path.join(self._folder, name), _LIMIT, follow=True)
            self._texts[name] = (raw or b"").decode("utf-8", "replace")
        return self._texts[name]

    def has(self, *names: str) -> str:
        """The first of these that exists; empty when none does."""
        return next((n for n in names if os.path.exists(os.path.join(self._folder, n))), "")

    def entries(self, below: str = "") -> list[str]:
        """Names in a folder, a bounded number of them."""
        try:
            with os.scandir(os.path.join(self._folder, below)) as found:
                return [entry.name for entry, _ in zip(found, range(_MOST_ENTRIES), strict=False)]
        except OSError:
            return []

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML file as a table; empty when it is none."""
        try:
            return tomllib.loads(self.text(name))
        except (ValueError, RecursionError):
            return {}

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file as an object; empty when it is none."""
        try:
            parsed = json.loads(self.text(name) or "{}")
        except (ValueError, RecursionError):
            return {}
        return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _table(of: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        inner = of.get(key)
        if not isinstance(inner, dict):
            return {}
        of = cast("dict[str, Any]", inner)
    return of


# ── Python ──────────────────────────────────────────────────────────────────────────────────────


_VENV: Final = ".venv/bin/python"
_TEST_FOLDERS: Final = ("tests", "test", "")
_FEW: Final = 5
"""Test files that are looked into."""
# No other runner finds tests that are plain functions.
_TEST_FUNCTION = re.compile(r"^(?:async )?def test_", re.MULTILINE)


def _python(project: _Project) -> Iterator[Detected]:
    settings = project.has("pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini")
    tests = _python_tests(project)
    if not (settings or tests or any(name.endswith(".py") for name in project.entries())):
        return
    tool = _table(project.toml("pyproject.toml"), "tool")
    runner, needs = _python_runner(project)
    include = (".venv",) if runner[0] == "python" and project.has(_VENV) else ()

    if tests:
        uses = _pytest_signs(project, tool)
        plain = _TEST_FUNCTION.search(_first_tests(project))
        if uses or plain:
            says = f"and {uses} speaks of pytest" if uses else "plain functions, as pytest's are"
            why = f"{tests}, {says}{needs}"
            yield Detected(CheckSpec("pytest", (*runner, "pytest", "-q"), 600.0), why, include)
        elif "unittest" in _first_tests(project):
            why = f"{tests} with unittest's test cases{needs}"
            unittest = (*runner, "unittest", *_discovery(project), "-v")
            yield Detected(CheckSpec("unittest", unittest, 600.0), why, include)

    if found := project.has("ruff.toml", ".ruff.toml") or ("ruff" in tool and "[tool.ruff]"):
        ruff = ("ruff", "check", "--no-cache", "--output-format", "concise", ".")
        # Ours is there in any case; the project's own comes first on the PATH.
        yield Detected(CheckSpec("ruff", ruff, 120.0, "lines"), f"{found} configures ruff")
    if found := project.has("mypy.ini", ".mypy.ini") or ("mypy" in tool and "[tool.mypy]"):
        # Without targets mypy needs them in its configuration: `.` is right either way.
        where = () if _names_files(project, tool) else (".",)
        mypy = (*runner, "mypy", "--no-color-output", *where)
        why = f"{found} configures mypy{needs}"
        yield Detected(CheckSpec("mypy", mypy, 300.0, "lines"), why, include)
    if found := project.has("pyrightconfig.json") or ("pyright" in tool and "[tool.pyright]"):
        yield Detected(
            CheckSpec("pyright", ("pyright",), 300.0, "lines"), f"{found} configures pyright"
        )


def _python_runner(project: _Project) -> tuple[tuple[str, ...], str]:
    """How to start a module in the project's environment, and what that needs."""
    if project.has(_VENV):
        return ("python", "-m"), "; needs `worktree: {include: [.venv]}`"
    if project.has("uv.lock"):
        return ("uv", "run", "python", "-m"), ""
    if project.has("poetry.lock"):
        return ("poetry", "run", "python", "-m"), ""
    return ("python", "-m"), "; needs it in the Python on your PATH"


def _python_tests(project: _Project) -> str:
    for folder in ("tests", "test"):
        if any(_is_test(name) for name in project.entries(folder)):
            return f"{folder}/ has tests"
    if any(_is_test(name) for name in project.entries()):
        return "there are test files"
    return "tests/ has folders" if any(True for _ in _inner_tests(project)) else ""


def _discovery(project: _Project) -> tuple[str, ...]:
    """What unittest has to be told: by itself it looks for ``test*.py``, in packages alone."""
    found = ((below, list(filter(_is_test, project.entries(below)))) for below in _TEST_FOLDERS)
    folder, names = next((each for each in found if each[1]), ("tests", ["test_.py"]))
    is_package = not folder or project.has(f"{folder}/__init__.py")
    where = () if is_package else ("-s", folder)
    named = () if any(name.startswith("test") for name in names) else ("-p", "*_test.py")
    return ("discover", *where, *named) if where or named else ()


def _inner_tests(project: _Project) -> Iterator[str]:
    """Paths of test files in the folders of `tests`."""
    for below in [name for name in project.entries("tests") if "." not in name][:50]:
        folder = f"tests/{below}"
        yield from (f"{folder}/{name}" for name in project.entries(folder) if _is_test(name))


def _is_test(name: str) -> bool:
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def _first_tests(project: _Project) -> str:
    """The text of a few test files."""
    for below in _TEST_FOLDERS:
        if names := sorted(filter(_is_test, project.entries(below)))[:_FEW]:
            return "\n".join(project.text(os.path.join(below, name)) for name in names)
    return "\n".join(map(project.text, sorted(_inner_tests(project))[:_FEW]))


def _pytest_signs(project: _Project, tool: dict[str, Any]) -> str:
    if "pytest" in tool:
        return "[tool.pytest] in pyproject.toml"
    for name, sign in (("pytest.ini", ""), ("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
        if project.has(name) and sign in project.text(name):
            return name
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "conftest.py"):
        if "pytest" in project.text(name):
            return name
    for name in sorted(project.entries())[:200]:
        if name.startswith("requirements") and "pytest" in project.text(name):
            return name
    if "conftest.py" in project.entries("tests"):
        return "tests/conftest.py"
    return "a test file" if "import pytest" in _first_tests(project) else ""


def _names_files(project: _Project, tool: dict[str, Any]) -> bool:
    targets = {"files", "packages", "modules"}
    if targets & _table(tool, "mypy").keys():
        return True
    text = project.text("mypy.ini") or project.text(".mypy.ini")
    return bool(re.search(r"^(?:files|packages|modules)\s*=", text, re.MULTILINE))


# ── Node ────────────────────────────────────────────────────────────────────────────────────────

_MANAGERS: Final = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
)
_SCRIPTS: Final = (
    ("test", 600.0, "auto"),
    ("lint", 300.0, "lines"),
    ("typecheck", 300.0, "lines"),
    ("type-check", 300.0, "lines"),
    ("check-types", 300.0, "lines"),
)


def _node(project: _Project) -> Iterator[Detected]:
    package = project.json("package.json")
    scripts = _table(package, "scripts")
    manager = next((name for lock, name in _MANAGERS if project.has(lock)), "")
    if not manager:
        declared = str(package.get("packageManager", "")).partition("@")[0]
        manager = declared if declared in {"npm", "pnpm", "yarn", "bun"} else "npm"
    for script, timeout, parser in _SCRIPTS:
        does = scripts.get(script)
        if not isinstance(does, str) or not does.strip():
            continue
        # npm's placeholder is no test, and a watcher never ends.
        if "no test specified" in does or "--watch" in does:
            continue
        yield Detected(
            CheckSpec(f"{manager}-{script}", (manager, "run", script), timeout, parser),
            f"package.json has the script {script!r}; needs `worktree: {{include: [node_modules]}}`"
            f" or `setup: [[{manager}, install]]`",
            ("node_modules",) if project.has("node_modules") else (),
        )


# ── Rust, Go, Make ──────────────────────────────────────────────────────────────────────────────


def _rust(project: _Project) -> Iterator[Detected]:
    if not project.has("Cargo.toml"):
        return
    yield Detected(CheckSpec("cargo-test", ("cargo", "test"), 1800.0), "Cargo.toml is here")
    cargo = project.toml("Cargo.toml")
    found = project.has("clippy.toml", ".clippy.toml")
    if not found and (_table(cargo, "lints", "clippy") or _table(cargo, "workspace", "lints")):
        found = "Cargo.toml"
    verb = "clippy" if found else "check"
    why = f"{found} configures clippy" if found else "Cargo.toml is here"
    argv = ("cargo", verb, "--all-targets", "--message-format", "short")
    yield Detected(CheckSpec(f"cargo-{verb}", argv, 900.0, "lines"), why)


def _go(project: _Project) -> Iterator[Detected]:
    found = project.has("go.mod", "go.work")
    if not found:
        return
    yield Detected(CheckSpec("go-test", ("go", "test", "./..."), 900.0), f"{found} is here")
    yield Detected(CheckSpec("go-vet", ("go", "vet", "./..."), 300.0, "lines"), f"{found} is here")


_TARGET = re.compile(r"^([A-Za-z][\w-]*(?:[ \t]+[A-Za-z][\w-]*)*)[ \t]*::?(?!=)", re.MULTILINE)


def _make(project: _Project) -> Iterator[Detected]:
    file = project.has("GNUmakefile", "makefile", "Makefile")
    if not file:
        return
    targets = {name for line in _TARGET.findall(project.text(file)) for name in line.split()}
    wanted = [t for t in ("test", "tests", "check") if t in targets][:1]
    wanted += [t for t in ("lint",) if t in targets]
    for target in wanted:
        # Its name has to show that it runs tests where the target's does not.
        name = f"make-{target}" if target != "check" else "make-check-tests"
        yield Detected(
            CheckSpec(name, ("make", target), 900.0), f"{file} has the target {target!r}"
        )
