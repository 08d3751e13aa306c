"""Draws the candidates of a case: versions of a fix, copies of them, and the tests they bring."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from massgen_ls.evaluation import mutations, owntests
from massgen_ls.evaluation.measuring import Ground, Measured, inside, judged
from massgen_ls.evaluation.mutations import Texts, Version
from massgen_ls.evaluation.trying import Trying

CANDIDATES = 5
_RIGHT = 0.45
"""How often a candidate is right: what single agents reach on public tasks."""
_CAREFUL = 0.85
"""How often somebody who is wrong has run the project's tests before, and so fails none of them,
where that can be had: of real patches few fail a test of the project as it was."""
_COPY = 0.25
"""How often it is a copy of one before it in another layout."""
_TESTED = 0.6
"""How often it brings tests."""
_PASTED = 0.4
"""How often somebody who is wrong has pasted results into tests."""


async def drafts(
    ground: Ground, measured: Sequence[Measured], trying: Trying, chance: random.Random
) -> list[Draft]:
    """The candidates of a case: at least one is right, at least one is wrong."""
    right = [Measured(Version("the fix", ground.code), resolved=True, failing=frozenset())]
    right += [m for m in measured if m.resolved]
    wrong = [m for m in measured if not m.resolved]
    careful = [m for m in wrong if not m.careless]
    kinds = [chance.random() < _RIGHT for _ in range(CANDIDATES)]
    kinds[:2] = [True, False]
    drawn: list[tuple[Measured, Texts, str]] = []
    for good in kinds:
        before = [d for d in drawn if d[0].resolved == good]
        pool = right if good else careful if chance.random() < _CAREFUL else wrong
        fresh = [m for m in pool or wrong if all(m is not d[0] for d in before)]
        if before and chance.random() < _COPY:
            of, files, how = chance.choice(before)
            files = mutations.restyled(ground.base, files, chance)
            drawn.append((of, files, f"{how}, in another layout"))
        elif fresh:
            drawn.append((fresh[0], fresh[0].version.files, fresh[0].version.how))
        else:
            of = chance.choice(before)[0]
            drawn.append(await _reworded(ground, of, trying, chance))
    found: list[Draft] = []
    for of, files, how in drawn:
        tests, told = await _own_tests(ground, of, trying, chance)
        code = {path: text for path, text in files.items() if text != ground.base.get(path)}
        found.append(Draft(f"{how}; {told}", code, tests, of.resolved))
    chance.shuffle(found)
    return found


async def _reworded(
    ground: Ground, of: Measured, trying: Trying, chance: random.Random
) -> tuple[Measured, Texts, str]:
    """A version in other words that does the same by the fix's tests, else in another layout."""
    files = mutations.reworded(ground.base, of.version.files, chance)
    how = f"{of.version.how}, in other words"
    other = await judged(ground, Version(how, files), {**ground.base, **files}, trying)
    if (other.resolved, other.failing) == (of.resolved, of.failing):
        return of, files, how
    files = mutations.restyled(ground.base, of.version.files, chance)
    return of, files, f"{of.version.how}, in another layout"


async def _own_tests(
    ground: Ground, of: Measured, trying: Trying, chance: random.Random
) -> tuple[Texts, str]:
    """The tests that somebody brings, and what they are."""
    if chance.random() >= _TESTED:
        return {}, "no tests"
    telling = sorted({*map(owntests.function_of, ground.telling)})
    if of.resolved:
        left_out = frozenset(chance.sample(telling, chance.randint(0, len(telling) // 2)))
        tests = owntests.without(ground.tests, left_out)
        return _changed(tests, ground.old_tests), "tests of the fix"
    if chance.random() < _PASTED:
        watched = owntests.watched(ground.tests, of.failing)
        files = {**ground.base, **of.version.files}
        seen = (await trying.run(ground.quick, files, watched)).seen
        tests = owntests.pasted(ground.tests, seen)
        run = await trying.run(ground.quick, files, tests)
        left = frozenset(map(owntests.function_of, inside(ground) - run.passed))
        tests = owntests.without(tests, left)
        return _changed(tests, ground.old_tests), "tests with its own results"
    tests = owntests.without(ground.tests, of.failing)
    return _changed(tests, ground.old_tests), "those tests of the fix that it passes"


def _changed(tests: Texts, old: Texts) -> Texts:
    return {path: text for path, text in tests.items() if text != old.get(path)}


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate before it is a patch."""

    how: str
    code: Texts
    tests: Texts
    resolved: bool
