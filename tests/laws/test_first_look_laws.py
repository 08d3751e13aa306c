"""Laws of the tests of the changed files, run before a slow suite."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.coordination import RunCheck, next_steps
from massgen_ls.core.events import CheckFinished, RunStarted
from massgen_ls.core.evidence import looks_flaky, weigh
from massgen_ls.core.firstlook import SLOW, new_failures, part, told
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import CheckSpec, Rules, RunSpec, Task
from tests.laws.histories import SNAPSHOT, agent, candidate, made

PYTEST = CheckSpec("k0", ("python", "-m", "pytest", "-q"))
NAMES = ("tests.test_m::a", "tests.test_m.T::b", "tests.test_n::c", "tests.test_n::d")
ALL = (*NAMES, *(f"tests.test_o::o{n}" for n in range(12)))

subsets = st.sets(st.sampled_from(NAMES)).map(lambda found: tuple(sorted(found)))


def run(failures: tuple[str, ...], tree: str = "t1", *, of: tuple[str, ...] = ALL) -> CheckResult:
    passed = tuple(name for name in of if name not in failures)
    return CheckResult("k0", tree, "failed" if failures else "passed", failures, passed=passed)


runs = subsets.map(run)


@given(st.lists(runs, min_size=1, max_size=2), runs, runs)
def test_what_shuts_out_fails_there_and_passes_in_every_run_on_the_base(
    base: list[CheckResult], alone: CheckResult, mine: CheckResult
) -> None:
    found = set(new_failures(base, alone, mine))
    assert found <= set(mine.failures)
    assert all(found.isdisjoint(r.failures) for r in (*base, alone))
    if found:
        once = told(tuple(sorted(found)), mine)
        evidence = weigh("k0", base, (once, once))
        assert set(evidence.new_failures) == found, "and it is a new failure to the gate, too"
        assert looks_flaky(base, (once,)), "which looks at it once more"
        assert not looks_flaky(base, (once, once)), "and has no need of the base then"


@given(st.lists(runs, min_size=1, max_size=2), runs, st.lists(runs, min_size=1, max_size=2))
def test_a_part_counts_for_nothing_once_all_of_it_was_run(
    base: list[CheckResult], mine: CheckResult, all_of_it: list[CheckResult]
) -> None:
    parts = (replace(mine, part=True), *all_of_it)
    assert weigh("k0", base, parts) == weigh("k0", base, all_of_it)
    assert looks_flaky(base, parts) == looks_flaky(base, all_of_it)


@given(runs, subsets)
def test_a_part_mends_nothing_that_it_did_not_run(
    base: CheckResult, failing: tuple[str, ...]
) -> None:
    mine = replace(run(failing, of=NAMES[:2]), part=True)
    assert set(weigh("k0", (base,), (mine,)).fixed) <= set(mine.passed or ())


def state(*paths: str, seconds: float = SLOW, check: CheckSpec = PYTEST) -> RunState:
    files = [FileChange("modify", rel_path(p), None, "a", "b", "file", "file", 1, 1) for p in paths]
    found = replace(candidate("a0", "t1"), changes=ChangeSet.of(files))
    order = RunSpec(Task("t"), (agent("a0"),), (check,), Rules())
    base = replace(run((), SNAPSHOT.tree), seconds=seconds)
    return fold([RunStarted(order, "/r", "1:1"), *made("a0", found), CheckFinished(base)])


def files(known: RunState) -> tuple[str, ...]:
    found = part(known, known.spec.checks[0] if known.spec else PYTEST, "t1")
    return found.argv[len(PYTEST.argv) :] if found else ()


@pytest.mark.parametrize(
    ("changed", "run"),
    [
        (("m.py",), ("tests/test_m.py",)),
        (("pkg/m/__init__.py",), ("tests/test_m.py",)),
        (("pkg/_m.py", "n.py"), ("tests/test_m.py", "tests/test_n.py")),
        (("tests/test_n.py",), ("tests/test_n.py",)),
        (("README.md", "other.py"), ()),
        (("m.c",), ()),
        (("o.py",), ()),  # most of the suite: then all of it
    ],
)
def test_which_tests_are_those_of_the_changed_files(
    changed: tuple[str, ...], run: tuple[str, ...]
) -> None:
    assert files(state(*changed)) == run
    assert not files(state(*changed, seconds=SLOW - 0.1)), "a quick suite is run at once"
    assert not files(state(*changed, check=CheckSpec("k0", ("make", "test"))))


def test_what_a_candidate_deletes_is_not_run() -> None:
    gone = FileChange("delete", rel_path("tests/test_m.py"), None, "a", None, "file", None, 0, 1)
    known = state("m.py", "n.py")
    first = known.candidates[0]
    changes = ChangeSet.of([*first.changes.files, gone])
    known = replace(known, candidates=(replace(first, changes=changes),))
    assert files(known) == ("tests/test_n.py",)


def test_after_two_parts_that_fail_neither_side_is_run_again() -> None:
    known = state("m.py")
    assert next_steps(known) == {RunCheck("k0", "t1")}
    lost = replace(run(NAMES[:1]), part=True)
    known = fold([CheckFinished(lost)], known)
    assert next_steps(known) == {RunCheck("k0", "t1", 1)}
    over = {type(s).__name__ for s in next_steps(fold([CheckFinished(lost, 1)], known))}
    assert over == {"Settle"}


def test_a_part_that_comes_and_goes_is_followed_by_all_of_it_twice() -> None:
    known = state("m.py")
    lost = replace(run(NAMES[:1]), part=True)
    known = fold([CheckFinished(lost), CheckFinished(run(NAMES[3:]), 1)], known)
    assert next_steps(known) == {RunCheck("k0", "t1", 2), RunCheck("k0", SNAPSHOT.tree, 1)}
    assert part(known, PYTEST, "t1") is None


def test_a_test_whose_name_tells_no_file_is_none_of_a_changed_file() -> None:
    known = state("m.py")
    strange = (*ALL, "m::doctest")
    base = replace(run((), SNAPSHOT.tree, of=strange), seconds=SLOW)
    known = replace(known, checked=type(known.checked)())
    assert files(fold([CheckFinished(base)], known)) == ("tests/test_m.py",)
