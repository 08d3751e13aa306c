"""Why a run ended as it did, as a page of Markdown."""

from __future__ import annotations

from massgen_ls.core.ballots import CRITERIA
from massgen_ls.core.explain import (
    BASE_TESTS,
    BallotRow,
    cross_matrix,
    explanation,
    marks_of,
    round_cells,
)
from massgen_ls.core.run_state import RunState
from massgen_ls.core.wording import counted


def markdown(state: RunState, run: str) -> str:
    """The verdict with all that led to it, for a review or an issue."""
    told = explanation(state)
    verdict = state.verdict
    outcome = "still running" if verdict is None else verdict.outcome
    if verdict is not None and verdict.winner:
        outcome += f": {verdict.winner}"
    parts = [f"# {_cell(outcome)}", f"Run `{run}`"]
    if state.spec:
        quoted = state.spec.task.prompt.strip().replace("\n", "\n> ")
        parts.append(f"> {quoted}")
    if verdict is not None:
        parts.append(_cell(verdict.why))
    if told.rows:
        crossed = ["cross-tests"] if any(row.cross for row in told.rows) else []
        based = [BASE_TESTS] if any(row.base_tests for row in told.rows) else []
        head = ["candidate", "change", *told.checks, *crossed, *based, "same as", "judges"]
        rows = [
            [
                f"**{row.candidate}**" if row.won else row.candidate,
                f"{counted(row.files, 'file')}, {counted(row.lines, 'line')}"
                + (f"; {row.origin}" if row.origin else ""),
                *row.checks,
                *[row.cross or "–" for _ in crossed],
                *[row.base_tests or "–" for _ in based],
                ", ".join(c for c in row.cluster if c != row.candidate) or "–",
                row.judges or "–",
            ]
            for row in told.rows
        ]
        parts += ["## Candidates", _table(head, rows)]
    if matrix := cross_matrix(state):
        head = ["test", "brought by", *matrix.candidates]
        lines = [[row.test, row.author, *row.cells] for row in matrix.rows]
        parts += ["## Cross-tests", _table(head, lines)]
    if told.rounds:
        head = ["round", "agent", "said", "candidate", "what came", "reason"]
        parts += ["## Rounds", _table(head, [list(round_cells(w)) for w in told.rounds])]
    elif told.ballots:
        head = ["judge", "shown", "prefers", *CRITERIA, "reason"]
        parts += ["## Ballots", _table(head, [_ballot_cells(b) for b in told.ballots])]
    if told.steps:
        parts += ["## How", "\n".join(f"{n}. {_cell(s)}" for n, s in enumerate(told.steps, 1))]
    return "\n\n".join(parts) + "\n"


def _ballot_cells(row: BallotRow) -> list[str]:
    shown = ", ".join(row.shown) or "all"
    return [row.judge, shown, row.choice, *marks_of(row), row.reason or "–"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """One line that is no markup of its own: what agents wrote stays text."""
    plain = " ".join(text.split())
    for mark in "\\|`<[":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
