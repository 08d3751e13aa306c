"""What the tests of a fix say about versions of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from massgen_ls.core.changes import RelPath
from massgen_ls.core.crosstests import owner
from massgen_ls.core.task import CheckSpec
from massgen_ls.evaluation import owntests
from massgen_ls.evaluation.mutations import Texts, Version
from massgen_ls.evaluation.trying import Trying


@dataclass(frozen=True, slots=True)
class Fix:
    """A commit that changes code and tests."""

    commit: str
    parent: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known of a fix before versions of it are made."""

    fix: Fix
    prompt: str
    check: CheckSpec
    base: Texts
    code: Texts
    tests: Texts
    old_tests: Texts
    needed: frozenset[str]
    """Tests that pass with the fix: what a version must pass."""
    telling: frozenset[str]
    """Those of them that fail on the base."""
    kept: frozenset[str]
    """Those of them that pass on the base as it was."""

    @property
    def quick(self) -> CheckSpec:
        """The check on the tests of the fix alone, where its runner is known."""
        names = [RelPath(path) for path in self.tests]
        return owner([self.check], names, "") or self.check


@dataclass(frozen=True, slots=True)
class Measured:
    """A version, and what the fix's tests say about it."""

    version: Version
    resolved: bool
    failing: frozenset[str]
    """Functions of the fix's tests that it fails."""
    careless: bool = False
    """Whether tests that there were before the fix are among them."""


async def judged(ground: Ground, version: Version, files: Texts, trying: Trying) -> Measured:
    """What the fix's tests say: those that it changes first, and all if none of these fails."""
    failing: frozenset[str] = frozenset()
    for check in (ground.quick, ground.check):
        run = await trying.run(check, files, ground.tests)
        broken = run.result.outcome not in ("passed", "failed") or run.result.passed is None
        wanted = ground.needed if check is ground.check else inside(ground)
        failing = wanted if broken else wanted - run.passed
        if failing:
            break
    functions = frozenset(map(owntests.function_of, failing))
    return Measured(version, not failing, functions, careless=bool(failing & ground.kept))


def inside(ground: Ground) -> frozenset[str]:
    """The needed tests of the files that the fix changes."""
    return of_files(ground.tests, ground.needed)


def of_files(files: Texts, tests: Collection[str]) -> frozenset[str]:
    """Those of the tests that stand in these files."""
    known = owntests.tests_of(files, tests)
    inside = {name for names in known.values() for name in names}
    return frozenset(test for test in tests if owntests.function_of(test) in inside)
