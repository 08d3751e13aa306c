"""What a check says about a candidate: its failures, held against those of the base.

A failure that the base has is nobody's fault. A failure that comes and goes on one and the same
tree says nothing about anybody. What is left is new, and the candidate's own.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from massgen_ls.core.candidate import CheckOutcome, CheckResult, Evidence, whole
from massgen_ls.core.wording import counted

_BEST_FIRST: tuple[CheckOutcome, ...] = ("passed", "failed", "timed_out", "broken", "unjudged")


def weigh(check: str, base: Sequence[CheckResult], mine: Sequence[CheckResult]) -> Evidence:
    """Holds a candidate's runs of a check against the base's.

    Args:
        check: The check's name, for the failures that have no name of their own.
        base: Its runs on the base; the order does not matter. Two show what is flaky there.
        mine: Its runs on the candidate, at least one. A failure is new when every run has it.

    Returns:
        The evidence. Where the base was never judged, or its failures have no names, the check
        holds nothing against anyone that it cannot prove, and ``note`` says so.
    """
    return _weigh(check, tuple(base), tuple(whole(mine)))


@functools.lru_cache(maxsize=256)  # the same results are weighed again after every event
def _weigh(check: str, base: tuple[CheckResult, ...], mine: tuple[CheckResult, ...]) -> Evidence:
    outcome = _best(mine)
    mine = tuple(r for r in mine if r.outcome != "unjudged")
    judged = [r for r in base if r.outcome in ("passed", "failed")]
    if not judged or not mine:
        return Evidence(
            check, outcome, (), (), (), note=_silence(check, base, mine), measured=False
        )

    base_runs = [_failures(check, r) for r in judged]
    my_runs = [_failures(check, r) for r in mine]
    base_min, base_max = _least(base_runs), _most(base_runs)
    my_min, my_max = _least(my_runs), _most(my_runs)
    undecided = {
        name
        for least, most in ((base_min, base_max), (my_min, my_max))
        for name in most
        if least[name] != most[name]
    }
    undecided.update(_nameless(check, r) for r in base if r not in judged)

    new = my_min - base_max
    note = ""
    if any(map(_is_nameless, judged)):
        # The base fails in a way that hides which parts fail. A candidate that gets further and
        # then fails in named parts may have made things better: that cannot be held against it.
        named = {name for r in mine if not _is_nameless(r) for name in r.failures}
        if any(name in new for name in named):
            note = f"{check} fails on the base without naming what fails: nothing can be compared"
        new = Counter({name: n for name, n in new.items() if name not in named})
    # A run that ended early did not see the failures that it does not name.
    saw_everything = not any(r.outcome != "passed" and not r.failures for r in mine)
    fixed = base_min - my_max if saw_everything else Counter[str]()
    gone = _gone(fixed, judged, mine)
    if gone:
        fixed = Counter({name: n for name, n in fixed.items() if name not in gone})
        lost = counted(len(gone), "failure")
        note = note or f"{check}: {lost} of the base went away with the tests themselves"
    if any(run.part for run in mine):
        note = f"{check}: who fails the tests of what it changes was not put through the others"
    return Evidence(
        check,
        outcome,
        _sorted(new, undecided),
        _sorted(fixed, undecided),
        tuple(sorted(undecided)),
        note,
    )


def _gone(
    fixed: Iterable[str], base: Sequence[CheckResult], mine: Sequence[CheckResult]
) -> frozenset[str]:
    """Failures of the base that a candidate does not have because it does not have the tests.

    To delete or skip a failing test mends nothing. Only where the candidate's runs name all that
    passed can that be told: a test must be among them, or, for a file that could not even be read
    on the base, one of its tests.
    """
    if any(r.passed is None for r in mine) or not mine:
        return frozenset()
    passed = {name for r in mine for name in r.passed or ()}
    named = {name for r in base if not _is_nameless(r) for name in r.failures}
    missing = {name for name in fixed if name in named and name not in passed}
    if missing:  # seldom, and there may be thousands that passed
        missing -= {part for name in passed for part in parts_above(name)}
        # unittest names the part of a test that fails, and the test when all of it passes.
        missing -= {n for n in missing for p in parts_above(n) if p[-1] == ")" and p in passed}
    return frozenset(missing)


_UNITTEST = re.compile(r"\S+ \(([\w.<>]+)\)$")
_JOINTS = re.compile(r"::|\.| > | (?=\S)|/|(?=\[)")


def parts_above(name: str) -> Iterator[str]:
    """What a test's name says that it is a part of: its class, its module, its file.

    Of a test of unittest, ``test_x (module.Class.test_x)``, these by what fails in their place: the
    import of a module, or what sets up or clears away what its tests share.
    """
    for joint in _JOINTS.finditer(name):
        if joint.start():
            yield name[: joint.start()]
    if case := _UNITTEST.match(name):
        words = case[1].split(".")
        for end in range(1, len(words) + 1):
            part = ".".join(words[:end])
            yield f"{part} (unittest.loader._FailedTest.{part})"
            yield f"{part} (unittest.loader._FailedTest)"  # before Python 3.11
            for shared in ("setUpModule", "tearDownModule", "setUpClass", "tearDownClass"):
                yield f"{shared} ({part})"


def looks_flaky(base: Sequence[CheckResult], mine: Sequence[CheckResult]) -> bool:
    """Whether a second look is worth its time before a failure is held against a candidate.

    It is, when the evidence as it stands shuts the candidate out and one of the two trees has
    been looked at only once. A base that was never judged shuts nobody out.
    """
    mine = whole(mine)
    # What a part of the tests says was looked at twice on the base when it was said.
    twice = len(base) > 1 or all(run.part for run in mine)
    if not base or not mine or (twice and len(mine) > 1):
        return False
    return not weigh(mine[0].check, base, mine).clears


def _best(runs: Sequence[CheckResult]) -> CheckOutcome:
    outcomes: list[CheckOutcome] = [run.outcome for run in runs]
    return min(outcomes, key=_BEST_FIRST.index) if outcomes else "broken"


def _failures(check: str, result: CheckResult) -> Counter[str]:
    if result.outcome == "passed":
        return Counter()
    if _is_nameless(result) or result.outcome != "failed":
        return Counter((*result.failures, _nameless(check, result)))
    return Counter(result.failures)


def _is_nameless(result: CheckResult) -> bool:
    return result.outcome == "failed" and not result.failures


def _nameless(check: str, result: CheckResult) -> str:
    match result.outcome:
        case "timed_out":
            return f"{check} timed out"
        case "broken":
            # What could not be started never says that all is well, or that it found no test.
            ran = result.exit_code in (0, 5)
            return f"{check} ran no tests" if ran else f"{check} could not be started"
        case _:
            code = result.exit_code
            return f"{check} fails" if code is None else f"{check} exits {code}"


def _silence(check: str, base: Sequence[CheckResult], mine: Sequence[CheckResult]) -> str:
    if not mine:
        return f"{check} could not be run on a candidate"
    if not base:
        return f"{check} was not run on the base: it says nothing"
    why = " and ".join(sorted({_nameless(check, r) for r in base}))
    return f"{why} on the base: it says nothing"


def _least(runs: Sequence[Counter[str]]) -> Counter[str]:
    least = runs[0]
    for run in runs[1:]:
        least = least & run  # `&=` would change the run itself
    return least


def _most(runs: Sequence[Counter[str]]) -> Counter[str]:
    most = runs[0]
    for run in runs[1:]:
        most = most | run
    return most


def _sorted(counted: Counter[str], without: Iterable[str]) -> tuple[str, ...]:
    excluded = frozenset(without)
    return tuple(sorted(name for name in counted.elements() if name not in excluded))
