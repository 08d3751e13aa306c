"""The tests of the files that a candidate changes, before a suite that takes long.

Who breaks something mostly breaks it where they were at work. So a slow check first runs, on a
candidate's tree, the base's tests of what the candidate changes. What fails there, and passes on
the base in the whole run and by itself, is a new failure: it shuts the candidate out as it would
in the whole run, which is then not made. Anything else says nothing, and all of it is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.changes import ChangeSet
from massgen_ls.core.crosstests import is_test, narrowed
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CheckSpec

SLOW: Final = 10.0
"""Seconds that the check takes on the base from which this pays: below, starting its runner is
most of it."""
SHARE: Final = 4
"""Only where the tests are at most this part of all."""


def part(state: RunState, check: CheckSpec, tree: TreeId) -> CheckSpec | None:
    """The check on the tests of what a tree changes alone; None where all of it is to be run."""
    if state.snapshot is None or any(not r.part for r in state.results(check.name, tree)):
        return None
    base = state.results(check.name, state.snapshot.tree)
    candidate = next((c for c in state.candidates if c.tree == tree), None)
    if candidate is None or not base or base[0].seconds < SLOW or base[0].passed is None:
        return None
    top = f"{state.snapshot.prefix}/" if state.snapshot.prefix else ""
    files = _files(candidate.changes, _modules(base[0].passed), top)
    chosen = [name for name in base[0].passed if _path(name) in files]
    argv = narrowed(check.argv, files)
    if argv is None or not chosen or SHARE * len(chosen) > len(base[0].passed):
        return None
    return replace(check, argv=argv, timeout=min(check.timeout, base[0].seconds / 2))


def new_failures(
    base: Iterable[CheckResult], alone: CheckResult, mine: CheckResult
) -> tuple[str, ...]:
    """What fails by itself on a candidate, and on the base neither so nor in any whole run.

    Args:
        base: The whole check's runs on the base.
        alone: The part of it, on the base.
        mine: The part of it, on the candidate.
    """
    if mine.outcome != "failed":
        return ()
    found = set(mine.failures)
    for run in (*base, alone):
        found &= set(run.passed or ())
    return tuple(sorted(found))


def _files(changes: ChangeSet, there: Sequence[str], top: str) -> list[str]:
    """Test files of the base that are changed, or named after a file that is; from the folder."""
    touched = {c.old_path or c.path for c in changes.files if c.old_type in ("file", "executable")}
    inside = {path.removeprefix(top) for path in touched if path.startswith(top)}
    gone = {c.old_path or c.path for c in changes.files if c.old_path or c.kind == "delete"}
    names = {name for path in inside if not is_test(path) for name in _tests_of(path)}
    found = {path for path in there if path in inside or path.rpartition("/")[2] in names}
    return sorted(path for path in found if top + path not in gone)


def _tests_of(path: str) -> Iterator[str]:
    """The names that tests of a Python file have."""
    folder, _, name = path.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    if suffix != "py":
        return
    stem = (folder.rpartition("/")[2] if stem == "__init__" else stem).strip("_")
    yield f"test_{stem}.py"
    yield f"{stem}_test.py"


def _modules(passed: Iterable[str]) -> list[str]:
    """The files of tests, by the tests' names."""
    return sorted({path for name in passed if (path := _path(name))})


def _path(name: str) -> str:
    """``tests/test_m.py`` of ``tests.test_m.TestM::test_a``; empty where that cannot be told."""
    parts = name.partition("::")[0].split(".")
    for end, word in enumerate(parts, 1):
        if is_test(f"{word}.py"):
            return "/".join(parts[:end]) + ".py"
    return ""


def told(failing: tuple[str, ...], run: CheckResult) -> CheckResult:
    """What a part that shuts a candidate out says about the check."""
    said = "Only the tests of the changed files were run: what fails here is new.\n\n"
    return replace(run, failures=failing, output=said + run.output, part=True)
