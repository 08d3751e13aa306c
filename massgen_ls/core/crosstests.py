"""Tests that candidates bring, tried on each other: which files, by which check, and what it says.

The tests of one candidate (the *author*) are laid over the tree of another, and the check that
owns them is run there. What also passes on the base shows nothing about the task. Of what fails
there and passes for its author, a test that others pass and yet others fail is evidence; one that
nobody but its author passes may only know its author's names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from massgen_ls.core.candidate import CheckResult, CrossScore, TreeId
from massgen_ls.core.changes import ChangeSet, RelPath
from massgen_ls.core.evidence import parts_above
from massgen_ls.core.task import CheckSpec

MOST_AUTHORS: Final = 5
"""Choices whose tests are tried: runs grow with their square."""

WHOLE: Final = ""
"""The one test of a run that does not name its tests."""

_PYTHON = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")
_GO = re.compile(r"_test\.go$")
_SCRIPT = re.compile(r"\.(?:test|spec)\.[cm]?[jt]sx?$")
_OTHER = re.compile(
    r"(?:^|/)tests/[^/]+\.rs$|(?:^|/)(?:[^/]*Tests?|Test[^/]*)\.(?:java|kt|cs)$|_spec\.rb$"
)
_BESIDE = re.compile(
    r"(?:^|/)conftest\.py$|(?:^|/)(?:tests?|__tests__|testdata|fixtures|__snapshots__)/"
)
"""What tests may need beside themselves."""


def is_test(path: str) -> bool:
    """Whether a file holds tests, by the conventions of the usual runners."""
    return any(kind.search(path) for kind in (_PYTHON, _GO, _SCRIPT, _OTHER))


def is_beside(path: str) -> bool:
    """Whether a file may be needed by tests: it configures them, or lies in a folder of theirs."""
    return bool(_BESIDE.search(path))


@dataclass(frozen=True, slots=True)
class Suite:
    """What a change set brings for tests. Paths are relative to the repository's top."""

    tests: tuple[RelPath, ...]
    laid: tuple[RelPath, ...]
    """The tests and what they need beside them."""


def brought(changes: ChangeSet) -> Suite:
    """The test files that were added or changed."""
    there = [c.path for c in changes.files if c.new_type in ("file", "executable")]
    tests = tuple(path for path in there if is_test(path))
    laid = tuple(path for path in there if is_test(path) or is_beside(path))
    return Suite(tests, laid if tests else ())


# ── the check that owns them ────────────────────────────────────────────────────────────────────


def owner(checks: Sequence[CheckSpec], tests: Sequence[RelPath], prefix: str) -> CheckSpec | None:
    """The check that runs these tests: on them alone where its runner allows that, else whole.

    Args:
        checks: The configured ones, in their order.
        tests: Relative to the repository's top.
        prefix: The folder that was opened, where checks run.
    """
    top = f"{prefix}/" if prefix else ""
    inside = [path.removeprefix(top) for path in tests if path.startswith(top)]
    if not inside:
        return None
    for check in checks:
        if (argv := narrowed(check.argv, inside)) is not None:
            return replace(check, argv=argv)
    return next((c for c in checks if "test" in c.name.lower() and c.parser != "lines"), None)


def narrowed(argv: tuple[str, ...], paths: Sequence[str]) -> tuple[str, ...] | None:
    """A runner's command for some files alone; None when it is no runner known here."""
    words = [item.rpartition("/")[2] for item in argv]
    for at, word in enumerate(words):
        if word in ("pytest", "py.test"):
            files = [path for path in paths if _PYTHON.search(path)]
            return _with(argv[: at + 1], _options(argv[at + 1 :]), files)
        if word in ("jest", "vitest"):
            return _with(argv, (), [path for path in paths if _SCRIPT.search(path)])
        if word == "node" and "--test" in argv[at:]:
            return _with(argv, (), [path for path in paths if _SCRIPT.search(path)])
        if word == "go" and argv[at + 1 : at + 2] == ("test",):
            folders = {path.rpartition("/")[0] for path in paths if _GO.search(path)}
            kept = tuple(item for item in argv if not item.startswith("."))
            return _with(kept, (), [f"./{folder}" for folder in sorted(folders)])
    return None


def _with(
    argv: tuple[str, ...], options: tuple[str, ...], paths: Sequence[str]
) -> tuple[str, ...] | None:
    return (*argv, *options, *paths) if paths else None


_FLAG = re.compile(r"-[qvxsl]+$|--[\w-]+=|-[a-zA-Z][^ ]")


def _options(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of pytest without the paths among them."""
    found: list[str] = []
    for at, item in enumerate(arguments):
        before = arguments[at - 1] if at else "-q"
        is_value = before.startswith("-") and not _FLAG.match(before)
        if item.startswith("-") or is_value:
            found.append(item)
    return tuple(found)


# ── what it says ────────────────────────────────────────────────────────────────────────────────


def telling(
    on_base: CheckResult, own: CheckResult, base: Iterable[CheckResult], most: int
) -> tuple[str, ...]:
    """The tests of an author that show something: they fail on the base and pass for their author.

    Args:
        on_base: The check on the base with the author's tests laid over it.
        own: The check on the author's own tree.
        base: Its runs on the base as it was; what fails there has its place among the gates.
        most: How many are kept, the first by name.
    """
    return _telling(on_base, own, tuple(base), most)


@functools.lru_cache(maxsize=64)  # the same results are asked about again after every event
def _telling(
    on_base: CheckResult, own: CheckResult, base: tuple[CheckResult, ...], most: int
) -> tuple[str, ...]:
    if on_base.outcome == "timed_out" or (on_base.outcome == "failed" and not on_base.failures):
        return (WHOLE,) if own.outcome == "passed" else ()
    if on_base.outcome != "failed":
        return ()
    known = {name for run in base for name in run.failures}
    failing = {name for name in on_base.failures if name not in known}
    if own.passed is None:
        found = {name for name in failing if passes(own, name)}
    else:
        # Where a whole file could not be read on the base, its author knows the tests in it.
        # Of unittest's the base names only the part of a test that fails.
        failing |= {part for name in failing for part in parts_above(name) if part[-1] == ")"}
        found = {
            name
            for name in own.passed
            if name not in known and (name in failing or not failing.isdisjoint(parts_above(name)))
        }
    return tuple(sorted(found)[:most])


def passes(run: CheckResult, test: str) -> bool | None:
    """Whether a test passes in a run; None when the run says nothing."""
    if run.outcome in ("broken", "unjudged"):
        return None
    if run.outcome == "timed_out" or (run.outcome == "failed" and not run.failures):
        return False
    if test == WHOLE:
        return run.outcome == "passed"
    whole = {test, *parts_above(test)}
    if any(name in whole or test in parts_above(name) for name in run.failures):
        return False
    return (
        run.passed is None or test in run.passed or any(test in parts_above(p) for p in run.passed)
    )


@dataclass(frozen=True, slots=True)
class CrossRow:
    """One test of one author, and who passes it."""

    author: TreeId
    test: str
    """Its name; `WHOLE` where tests have none."""
    passed: frozenset[TreeId]


def scores(
    rows: Iterable[CrossRow], contenders: Sequence[TreeId], beside: Sequence[TreeId] = ()
) -> Mapping[TreeId, CrossScore]:
    """What the tests say about each contender.

    Args:
        rows: The tests.
        contenders: Those that they tell apart.
        beside: Those that are measured by the same tests and have no say in what these are worth:
            what was made of contenders passes what they pass.

    Tests that tell apart the same contenders say the same thing and count once, however many they
    are: a suite of forty does not outvote three telling ones.
    """
    rows = tuple(rows)
    every = frozenset(contenders)
    splits = {row.passed & every for row in rows}
    strong = [(s, len(s) * len(every - s)) for s in splits if len(s) > 1 and s != every]
    weak = [s for s in splits if len(s) == 1 and s != every]
    passing: dict[TreeId, set[frozenset[TreeId]]] = {}
    for tree in beside:
        failed = {row.passed & every for row in rows if tree not in row.passed}
        passing[tree] = splits - failed
    for tree in contenders:
        passing[tree] = {split for split in splits if tree in split}
    return {
        tree: CrossScore(
            shared=sum(weight for split, weight in strong if split in passing[tree]),
            alone=sum(split in passing[tree] for split in weak),
            passed=sum(tree in row.passed for row in rows),
            tests=len(rows),
        )
        for tree in passing
    }
