"""What a run says line by line where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from massgen_ls.cli.watch import Watch
from massgen_ls.core.candidate import CheckResult, Snapshot
from massgen_ls.core.events import AttemptEnded, CheckFinished, Envelope, Event, SnapshotTaken
from massgen_ls.core.task import RunId, SeatId


def said(*events: Event) -> list[str]:
    text = io.StringIO()
    with Watch(Console(file=text, width=200), RunId("r-1")) as watch:
        for number, event in enumerate(events):
            watch.hear(Envelope(RunId("r-1"), number, 0.0, event))
    return text.getvalue().splitlines()


def test_a_long_reason_is_told_in_full_after_the_run_alone() -> None:
    (line,) = said(AttemptEnded(SeatId("one"), 1, "failed", "why " * 100, seconds=1.0))
    assert line.startswith("one: failed after 1.0 s: why why")
    assert line.endswith("…")
    assert len(line) < 120


def test_a_check_is_told_with_what_it_ran_on() -> None:
    base = "a" * 40
    snapshot = Snapshot("/r", "", "/s", "b" * 40, base, None)
    lines = said(
        SnapshotTaken(snapshot, 0.1),
        CheckFinished(CheckResult("tests", base, "passed", seconds=1.0)),
        CheckFinished(CheckResult("tests", "c" * 40, "passed", seconds=1.0)),
    )
    assert lines[1:] == [
        "check tests on the base: passed, 1.0 s",
        "check tests on cccccccccc: passed, 1.0 s",
    ]
