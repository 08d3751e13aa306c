"""The base's own tests, held against whoever changes them.

Who changes or deletes tests of the project is judged, by the gates, by what is left of them. So
the base's versions of these files are laid over its tree again, and their check is run there. What
fails then and passes on the base, the change does no longer do as it was. That may be what the
task asks for, so it shuts nobody out: it tells apart those that measure the same in all else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.changes import ChangeSet
from massgen_ls.core.crosstests import WHOLE, Suite, is_beside, is_test, owner
from massgen_ls.core.evidence import parts_above
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CheckSpec


@dataclass(frozen=True, slots=True)
class BaseTest:
    """Run the base's own tests on a candidate that changes them; ``repeat`` 1: look again."""

    onto: TreeId
    repeat: int = 0


def changed(changes: ChangeSet) -> Suite:
    """The test files of the base that a change set changes, renames or deletes."""
    there = [c.old_path or c.path for c in changes.files if c.old_type in ("file", "executable")]
    tests = tuple(path for path in there if is_test(path))
    laid = tuple(path for path in there if is_test(path) or is_beside(path))
    return Suite(tests, laid if tests else ())


def base_check(state: RunState, tree: TreeId) -> tuple[CheckSpec, Suite] | None:
    """The check that runs these tests, and the files to lay over; None where none are changed."""
    if state.spec is None or state.snapshot is None:
        return None
    candidate = next((c for c in state.candidates if c.tree == tree), None)
    files = changed(candidate.changes) if candidate else Suite((), ())
    check = owner(state.spec.checks, files.tests, state.snapshot.prefix)
    if check is None:
        return None
    limit = min(check.timeout, state.spec.rules.cross_tests.timeout)
    return replace(check, timeout=limit), files


def to_run(state: RunState, tree: TreeId) -> BaseTest | None:
    """The run on a tree that is still to be made; None when there is, or need be, none."""
    if state.spec is None or not state.spec.rules.cross_tests.enabled:
        return None
    if base_check(state, tree) is None:
        return None
    runs = _runs(state, tree)
    # What fails once may come and go: it is looked at again before it counts.
    if not runs or (len(runs) == 1 and outdated(state, tree)):
        return BaseTest(tree, len(runs))
    return None


def outdated(state: RunState, tree: TreeId) -> tuple[str, ...]:
    """The tests of the base that a candidate fails, by the runs so far."""
    found = base_check(state, tree)
    runs = _runs(state, tree)
    if found is None or state.snapshot is None:
        return ()
    return broken(state.results(found[0].name, state.snapshot.tree), runs)


def said(state: RunState, tree: TreeId) -> str:
    """What came of them, in a word or two; empty where they were not run."""
    runs = _runs(state, tree)
    if not runs:
        return ""
    if names := outdated(state, tree):
        return "fails" if WHOLE in names else f"fails {len(names)}"
    return "passes" if any(r.outcome in ("passed", "failed") for r in runs) else "not judged"


def _runs(state: RunState, tree: TreeId) -> list[CheckResult]:
    found = sorted((b for b in state.base_tested if b.onto == tree), key=lambda b: b.repeat)
    return [b.result for b in found]


def broken(base: Sequence[CheckResult], runs: Sequence[CheckResult]) -> tuple[str, ...]:
    """Tests that pass in all runs on the base and fail in all runs with its tests laid over.

    Args:
        base: The check's runs on the base.
        runs: Those with the base's tests laid over a candidate.

    Returns:
        Their names, sorted: those of all tests in a file that can no longer be read; `WHOLE`
        where tests have no names. None are where anything could not be judged.
    """
    judged = all(r.outcome in ("passed", "failed") for r in base)
    if not base or not judged or not runs:
        return ()
    found = [_broken(base, run) for run in runs]
    return tuple(sorted(found[0].intersection(*found[1:])))


def _broken(base: Sequence[CheckResult], run: CheckResult) -> set[str]:
    if run.outcome != "failed":  # what takes longer than it may is judged by the gates
        return set()
    if not run.failures:
        return {WHOLE} if all(r.outcome == "passed" for r in base) else set()
    if any(r.outcome == "failed" and not r.failures for r in base):
        return set()
    failing = set(run.failures).difference(*(r.failures for r in base))
    named = [set(r.passed) for r in base if r.passed is not None]
    if not failing or len(named) < len(base):
        return failing
    # A test of its own that fails beside them is none of the base's.
    return {
        name
        for name in named[0].intersection(*named[1:])
        if name in failing or not failing.isdisjoint(parts_above(name))
    }
