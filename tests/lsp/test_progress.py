"""The line about a run that goes on."""

from __future__ import annotations

from massgen_ls.core.events import (
    CheckFinished,
    Event,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.run_state import fold
from massgen_ls.lsp.progress import line_of
from tests.laws.histories import BASE, SNAPSHOT, candidate, made, result, spec


def checked(check: str, tree: str, *failures: str, repeat: int = 0) -> CheckFinished:
    return CheckFinished(result(check, tree, failures), repeat)


def test_what_is_counted_of_checks_is_done_or_still_to_come() -> None:
    run: list[Event] = [RunStarted(spec(2, 3), "/repo", "1:1")]
    told = [line_of(fold(run), "")]
    for news in (
        [SnapshotTaken(SNAPSHOT, 0.0)],
        [checked(f"k{n}", BASE) for n in range(3)],
        made("a0", candidate("a0", "t1")),
        made("a1", candidate("a1", "t2")),
        [checked("k0", "t1", "f1")],
        [checked("k0", "t1", "f1", repeat=1), checked("k0", BASE, repeat=1)],
        [checked("k0", "t2"), checked("k1", "t2")],
        [checked("k2", "t2")],
    ):
        run += news
        told.append(line_of(fold(run), ""))
    assert told == [
        "taking a snapshot",
        "0/2 agents done · checks 0/3",
        "0/2 agents done · checks 3/3",
        "1/2 agents done · checks 3/6",
        "2/2 agents done · checks 3/9",
        "2/2 agents done · checks 4/9",
        "2/2 agents done · checks 4/7",
        "2/2 agents done · checks 6/7",
        "2/2 agents done · checks 7/7",
    ], "the first candidate is ruled out: it is put through no other check"
