"""A run on a terminal: a line for each agent and check, live; then the verdict and the diff."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from massgen_ls.cli.shown import harmless, shown
from massgen_ls.core import basetests
from massgen_ls.core.ballots import CRITERIA
from massgen_ls.core.candidate import Candidate, Evidence, Scorecard, TreeId
from massgen_ls.core.consensus import electorate, open_votes
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptPaused,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    BaseTested,
    CandidateCaptured,
    CheckFinished,
    CrossTested,
    Delta,
    Envelope,
    FusionTried,
    LandingTried,
    NoteSent,
    NothingCaptured,
    PermissionDecided,
    RefinementChosen,
    SnapshotTaken,
)
from massgen_ls.core.explain import (
    BASE_TESTS,
    Tone,
    evidence_by_gate,
    explanation,
    gate_names,
    marks_of,
    round_cells,
    words,
)
from massgen_ls.core.polls import open_questions, questions
from massgen_ls.core.run_state import RunState, evolve
from massgen_ls.core.scoring import per_tree
from massgen_ls.core.seats import SeatState
from massgen_ls.core.task import CandidateId, RunId, SeatId
from massgen_ls.core.wording import counted

_REASON = 80
"""Characters of why an agent failed, while others are at work."""


class Watch:
    """Follows one run's news. On a terminal a live table, elsewhere a line for each fact."""

    def __init__(self, console: Console, run: RunId) -> None:
        self._console = console
        self._run = run
        self._state = RunState()
        self._started: dict[SeatId, float] = {}
        self._said: dict[str, str] = {}
        self._trees: dict[TreeId, str] = {}
        """By what people call them."""
        self._live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=8,
            transient=True,
            auto_refresh=console.is_terminal,
        )

    def __enter__(self) -> Watch:
        """Starts to draw."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Takes the live table away."""
        if self._console.is_terminal:
            self._live.stop()

    def hear(self, news: Envelope | Delta) -> None:
        """Takes one piece of news."""
        if isinstance(news, Delta):
            lines = [line for line in news.text.split("\n") if line.strip()]
            if lines:
                self._said[news.source] = harmless(lines[-1])
            return
        self._state = evolve(self._state, news.event)
        if isinstance(news.event, AttemptStarted):
            self._started[news.event.seat] = time.monotonic()
        if isinstance(news.event, SnapshotTaken):
            self._trees[news.event.snapshot.tree] = "the base"
        elif isinstance(news.event, CandidateCaptured):
            made = news.event.candidate
            self._trees.setdefault(made.tree, made.id)
        if not self._console.is_terminal:
            line = _line(news, self._trees)
            if line:
                self._console.print(shown(line), highlight=False, soft_wrap=True)

    def reread(self, state: RunState) -> None:
        """Takes the whole state, after news were lost."""
        self._state = state

    def _render(self) -> RenderableType:
        state = self._state
        if state.snapshot is None:
            return Spinner("dots", f"run {self._run}: taking a snapshot of your working tree")
        table = Table.grid(padding=(0, 2))
        for seat in state.seats:
            table.add_row(*self._seat_row(seat))
        judged = {(c.result.check, c.result.tree) for c in state.checked}
        checks = state.spec.checks if state.spec else ()
        if checks and judged:
            names = ", ".join(check.name for check in checks)
            table.add_row("", f"[dim]checks[/] {shown(names)}", f"[dim]{len(judged)} done[/]", "")
        if judges := questions(state):
            left = len(open_questions(state))
            done = f"{len(judges) - left} of {len(judges)} answered"
            table.add_row("", "[dim]judges[/]", f"[dim]{done}[/]", "")
        if voters := open_votes(state):
            done = f"{len(electorate(state)) - len(voters)} of {len(electorate(state))} voted"
            table.add_row("", "[dim]votes[/]", f"[dim]{done}[/]", "")
        return Group(table)

    def _seat_row(self, seat: SeatState) -> tuple[RenderableType, ...]:
        name = f"[bold]{shown(seat.seat)}[/]"
        if seat.phase == "waiting":
            return "[dim]·[/]", name, "[dim]waiting for a worktree[/]", ""
        if seat.phase == "working":
            seconds = time.monotonic() - self._started.get(seat.seat, time.monotonic())
            doing = Text(seat.action or self._said.get(seat.seat, "at work"), "dim")
            doing.truncate(60, overflow="ellipsis")
            return Spinner("dots"), name, doing, f"[dim]{seconds:.1f} s{_spent(seat)}[/]"
        made = next((c for c in self._state.candidates if c.seat == seat.seat), None)
        took = f"[dim]{seat.seconds:.1f} s{_spent(seat)}[/]"
        if made is not None and seat.outcome == "done":
            return "[green]✓[/]", name, _amount(len(made.changes.files), made.changes.size), took
        if seat.outcome == "done" and not seat.captured:
            return Spinner("dots"), name, "[dim]done; reading its changes[/]", took
        if seat.outcome == "done":
            return "[yellow]–[/]", name, Text(shown(seat.reason or "changed nothing"), "dim"), took
        return "[red]✗[/]", name, shown(_short(seat.reason or seat.outcome or "")), took


def _short(reason: str) -> str:
    """The beginning: the whole of it is told once, after the run."""
    return textwrap.shorten(reason, _REASON, placeholder=" …")


def _spent(seat: SeatState) -> str:
    return f", {seat.usage}" if seat.usage.tokens or seat.usage.cost else ""


def _amount(files: int, lines: int) -> str:
    return (
        f"{files} {'file' if files == 1 else 'files'}, {lines} {'line' if lines == 1 else 'lines'}"
    )


def _line(news: Envelope, trees: Mapping[TreeId, str]) -> str:
    def named(tree: TreeId) -> str:
        return trees.get(tree, tree[:10])

    match news.event:
        case SnapshotTaken(snapshot=snapshot, seconds=seconds):
            return f"snapshot {snapshot.commit[:10]} of {snapshot.root} ({seconds:.2f} s)"
        case AttemptStarted(seat=seat):
            return f"{seat}: at work"
        case AttemptEnded(seat=seat, outcome=outcome, reason=reason, seconds=seconds):
            why = f": {_short(reason)}" if reason else ""
            return f"{seat}: {outcome.replace('_', ' ')} after {seconds:.1f} s{why}"
        case AttemptPaused(seat=seat, seconds=seconds, reason=reason, tries=tries):
            return f"{seat}: try {tries} failed, the next one in {seconds:.1f} s: {reason}"
        case PermissionDecided(seat=seat, action=action, word=word, reason=reason):
            what = f"{action.kind} {action.target}".strip()
            return f"{seat}: {what}: {'allowed' if word == 'allow' else 'not allowed'} ({reason})"
        case NoteSent(seat=seat, text=text, by=by):
            return f"{seat}: told by {by}: {text}"
        case CandidateCaptured(candidate=candidate):
            size = _amount(len(candidate.changes.files), candidate.changes.size)
            return f"{candidate.seat}: captured {candidate.id} ({size})"
        case NothingCaptured(seat=seat, reason=reason):
            return f"{seat}: no candidate ({reason})"
        case CheckFinished(result=result):
            failures = f", {counted(len(result.failures), 'failure')}" if result.failures else ""
            cached = ", from the record" if result.cached else f", {result.seconds:.1f} s"
            what = f"check {result.check} on {named(result.tree)}"
            return f"{what}: {result.outcome}{failures}{cached}"
        case BallotCast(ballot=ballot):
            asked = f" of {', '.join(ballot.shown)}" if ballot.shown else ""
            word = f"{ballot.choice or 'neither'}{asked}"
            return f"judge {ballot.judge}: {word}: {ballot.reason}"
        case BallotMissed(judge=judge, shown=compared, reason=reason):
            about = f" about {', '.join(compared)}" if compared else ""
            return f"judge {judge}: no answer{about}: {reason}"
        case FusionTried(candidate=fused, reason=reason):
            return f"fusion: {fused.id if fused else f'none ({reason})'}"
        case RefinementChosen(seat=seat, onto=onto, reason=reason):
            return f"{seat}: wants to improve on {onto}: {reason}"
        case CrossTested(author=author, onto=onto, result=result, repeat=repeat):
            again = ", again" if repeat else ""
            names = f"tests of {named(author)} on {named(onto)}{again}"
            return f"{names}: {result.outcome}, {result.seconds:.1f} s"
        case LandingTried(clashes=clashes) if clashes:
            return "; ".join(f"{clash.candidate}: {clash}" for clash in clashes)
        case BaseTested(onto=onto, result=result):
            return f"the base's tests on {named(onto)}: {result.outcome}, {result.seconds:.1f} s"
        case _:
            return ""


# ── after the run ───────────────────────────────────────────────────────────────────────────────


def print_verdict(console: Console, run: RunId, state: RunState) -> None:
    """The candidates with their evidence, then the verdict and why."""
    cards = {member: card for card in per_tree(state) for member in card.cluster.members}
    if state.candidates:
        console.print(_matrix(state, cards))
    for seat in state.seats:
        if seat.outcome not in {None, "done"}:
            console.print(f"[red]{shown(seat.seat)}[/]: {shown(seat.reason or seat.outcome or '')}")
    for seat in state.seats:
        for why in seat.lost:
            console.print(f"[yellow]{shown(seat.seat)}[/]: {shown(why)} Its fallback took over.")
    if state.usage.tokens or state.usage.cost:
        console.print(f"[dim]spent: {state.usage}[/]", highlight=False)
    for notice in state.notices:
        console.print(f"[yellow]note:[/] {shown(notice.text)}")
    verdict = state.verdict
    if verdict is None:
        console.print(f"[bold]{run}[/] is still running")
        return
    colour = {"won": "green", "abstained": "yellow", "tied": "yellow"}.get(verdict.outcome, "red")
    what = f"{verdict.outcome}: {verdict.winner}" if verdict.winner else verdict.outcome
    console.print(f"[bold {colour}]{shown(what)}[/]  [dim]{run}[/]")
    console.print(shown(verdict.why), highlight=False)


def print_ballots(console: Console, state: RunState) -> None:
    """What each judge has said, and how the verdict was come by."""
    told = explanation(state)
    if told.rounds:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for title in ("round", "agent", "said", "candidate", "what came", "reason"):
            table.add_column(title)
        for word in told.rounds:
            table.add_row(*map(shown, round_cells(word)))
        console.print(table)
    elif told.ballots:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for title in ("judge", "shown", "prefers", *CRITERIA, "reason"):
            table.add_column(title)
        for row in told.ballots:
            among = ", ".join(row.shown) or "all"
            cells = (row.judge, among, row.choice, *marks_of(row), row.reason)
            table.add_row(*map(shown, cells))
        console.print(table)
    for step in told.steps:
        console.print(f"[dim]·[/] {shown(step)}", highlight=False)


def _matrix(state: RunState, cards: Mapping[CandidateId, Scorecard]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("candidate")
    table.add_column("change")
    checks = gate_names(state)
    for check in checks:
        table.add_column(shown(check))
    if crossed := any(card.cross.tests for card in cards.values()):
        table.add_column("cross-tests")
    if based := any(basetests.said(state, c.tree) for c in state.candidates):
        table.add_column(BASE_TESTS)
    ranking = state.verdict.ranking if state.verdict else ()
    places = {candidate: i for i, candidate in enumerate(ranking)}
    for candidate in sorted(state.candidates, key=lambda c: places.get(c.id, len(places))):
        card = cards.get(candidate.id)
        evidence = evidence_by_gate(state, card)
        won = state.verdict is not None and state.verdict.winner == candidate.id
        table.add_row(
            f"[bold green]{shown(candidate.id)}[/]" if won else shown(candidate.id),
            _amount(len(candidate.changes.files), candidate.changes.size) + _origin(candidate),
            *[_cell(evidence.get(c), eligible=card is not None, check=c) for c in checks],
            *([_crossed(card)] if crossed else []),
            *([basetests.said(state, candidate.tree) or "–"] if based else []),
        )
    return table


def _crossed(card: Scorecard | None) -> str:
    return f"{card.cross.passed} of {card.cross.tests}" if card and card.cross.tests else "–"


def _origin(candidate: Candidate) -> str:
    if candidate.parts:
        return "[dim], fused[/]"
    return f"[dim], improves on {shown(candidate.built_on)}[/]" if candidate.built_on else ""


_COLOURS: dict[Tone, str] = {"bad": "red", "good": "green", "doubtful": "yellow", "plain": "dim"}


def _cell(evidence: Evidence | None, *, eligible: bool, check: str) -> str:
    found = words(evidence, eligible=eligible, check=check)
    return ", ".join(f"[{_COLOURS[tone]}]{shown(text)}[/]" for tone, text in found)


def print_diff(console: Console, patch: str) -> None:
    """A unified diff: in colour on a terminal, byte for byte elsewhere."""
    if console.is_terminal:
        text = harmless(patch.rstrip("\n"))
        console.print(Syntax(text, "diff", theme="ansi_dark", background_color="default"))
    else:
        # What is not UTF-8 was read with surrogateescape; it leaves as it came.
        stream = getattr(console.file, "buffer", None)
        if stream is None:
            console.file.write(patch)
        else:
            console.file.flush()
            stream.write(patch.encode("utf-8", "surrogateescape"))
            stream.flush()
