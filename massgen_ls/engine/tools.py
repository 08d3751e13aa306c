"""What an agent can ask of us: give a summary, see what others have finished, vote."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from massgen_ls.core import blinding
from massgen_ls.core.ballots import Ballot
from massgen_ls.core.blinding import Blind
from massgen_ls.core.candidate import Candidate, TreeId
from massgen_ls.core.conversation import shorten
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import BallotCast, Event
from massgen_ls.core.gates import clusters
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CandidateId, Json, SeatId
from massgen_ls.core.wording import counted
from massgen_ls.ports import Objects, ToolAnswer, ToolSpec

_DIFF = 120_000
"""Characters of a candidate's diff that an agent is given."""
_WORDS = 4_000

_SUBMIT = ToolSpec(
    "submit_summary",
    "Say what you changed and why, and what you left undone, in at most five sentences. Call it "
    "once, when you are done; a later call replaces an earlier one.",
    {
        "type": "object",
        "properties": {"summary": {"type": "string", "description": "Plain text."}},
        "required": ["summary"],
        "additionalProperties": False,
    },
)
_LIST = ToolSpec(
    "list_candidates",
    "The changes that other agents have finished for the same task, under neutral names.",
    {"type": "object", "properties": {}, "additionalProperties": False},
)
_CANDIDATE: Json = {"type": "string", "description": "A name from list_candidates, e.g. A."}
_READ = ToolSpec(
    "read_candidate",
    "One of these changes as a unified diff, with its author's summary.",
    {
        "type": "object",
        "properties": {"candidate": _CANDIDATE},
        "required": ["candidate"],
        "additionalProperties": False,
    },
)
_VOTE = ToolSpec(
    "vote",
    "Vote for the change that solves the task best. You cannot vote for your own; a later vote "
    "replaces an earlier one, and a new candidate voids all votes before it.",
    {
        "type": "object",
        "properties": {
            "candidate": _CANDIDATE,
            "reason": {"type": "string", "description": "Why, in one or two sentences."},
        },
        "required": ["candidate", "reason"],
        "additionalProperties": False,
    },
)


class SeatTools:
    """`ports.Toolbox` of one seat.

    Args:
        seat: Whose tools they are.
        view: The run's state as it is now.
        emit: Stores events.
        objects: Where diffs come from.
        labels: The names of candidates, where all seats are told the same ones.
    """

    def __init__(
        self,
        seat: SeatId,
        view: Callable[[], RunState],
        emit: Callable[[Event], Awaitable[None]],
        objects: Objects,
        *,
        labels: Callable[[RunState], Mapping[CandidateId, str]] | None = None,
    ) -> None:
        self.summary = ""
        self._seat = seat
        self._view = view
        self._emit = emit
        self._objects = objects
        self._labels = labels
        self._aliases: dict[TreeId, str] = {}
        """By tree: whoever else arrives at the same change shares its name."""
        self._seen = -1
        """The epoch that it has last seen a list of."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """What there is."""
        return _SUBMIT, _LIST, _READ, _VOTE

    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        """Uses one tool."""
        spec = next((s for s in self.specs if s.name == name), None)
        if spec is None:
            there = ", ".join(s.name for s in self.specs)
            return ToolAnswer(f"There is no tool {name!r}; there are: {there}", ok=False)
        texts = {key: value for key, value in arguments.items() if isinstance(value, str)}
        required = spec.schema.get("required")
        missing = [k for k in required if k not in texts] if isinstance(required, list) else []
        if missing:
            return ToolAnswer(f"{name} needs the text {missing[0]!r}", ok=False)
        if name == _SUBMIT.name:
            self.summary = shorten(texts["summary"].strip(), _WORDS)
            return ToolAnswer("Noted. End now, or go on and call this again.")
        if name == _LIST.name:
            return self._list()
        candidate = self._named(texts["candidate"])
        if candidate is None:
            there = ", ".join(self._names()) or "none yet"
            text = f"There is no candidate {texts['candidate']!r}; there are: {there}"
            return ToolAnswer(text, ok=False)
        if name == _READ.name:
            return await self._read(candidate)
        return await self._vote(candidate, texts["reason"])

    # ── under neutral names ─────────────────────────────────────────────────────────────────

    def _others(self) -> list[Candidate]:
        """One candidate of each cluster that is not its own."""
        state = self._view()
        own = {c.essence for c in state.candidates if c.seat == self._seat}
        firsts = [state.candidate(cluster.members[0]) for cluster in clusters(state)]
        return [c for c in firsts if c is not None and c.essence not in own]

    def _names(self) -> dict[str, Candidate]:
        """Names stay the same as long as the seat works, whatever comes later."""
        others = self._others()
        if self._labels is not None:
            there = self._labels(self._view())
            self._aliases |= {c.tree: there[c.id] for c in others}
        for candidate in others:
            if candidate.tree not in self._aliases:
                self._aliases[candidate.tree] = _letters(len(self._aliases))
        return {self._aliases[c.tree]: c for c in others}

    def _named(self, name: str) -> Candidate | None:
        return self._names().get(name.strip().upper().removeprefix("CANDIDATE ").strip())

    def _list(self) -> ToolAnswer:
        self._seen = self._view().epoch
        names = self._names()
        if not names:
            return ToolAnswer("No other agent has finished yet.")
        lines = [f"{counted(len(names), 'candidate')} of other agents:"]
        for name, candidate in names.items():
            files = ", ".join(f.path for f in candidate.changes.files[:20])
            size = counted(candidate.changes.size, "line")
            # In one line: an author's words must not look like another entry.
            said = " ".join(self._blind("").text(shorten(candidate.summary, 400)).split())
            lines.append(f"- {name}: {size} in {files}. {said}".rstrip())
        return ToolAnswer("\n".join(lines))

    async def _read(self, candidate: Candidate) -> ToolAnswer:
        snapshot = self._view().snapshot
        assert snapshot is not None, "no candidate without a base"
        try:
            patch = await self._objects.patch(snapshot, candidate.tree)
        except MassgenError as error:
            name = self._aliases[candidate.tree]
            return ToolAnswer(f"{name} cannot be read: {error}", ok=False)
        blind = self._blind(blinding.of_base(patch))
        said = f"{blind.text(candidate.summary)}\n\n" if candidate.summary else ""
        return ToolAnswer(said + shorten(blind.diff(patch), _DIFF))

    def _blind(self, base: str) -> Blind:
        """Takes away what tells who made a change; what the task and the base say stays."""
        spec = self._view().spec
        assert spec is not None, "an agent works in a run that has begun"
        names = [str(a.id) for a in (*spec.agents, *spec.rules.voting.judges)]
        return Blind.of(names, [spec.task.prompt, base])

    async def _vote(self, candidate: Candidate, reason: str) -> ToolAnswer:
        state = self._view()
        if self._seen != state.epoch:
            text = "The candidates have changed since you listed them: list and read them again."
            return ToolAnswer(text, ok=False)
        reason = shorten(reason.strip(), _WORDS)
        await self._emit(BallotCast(Ballot(self._seat, state.epoch, candidate.id, reason)))
        return ToolAnswer("Your vote counts until a new candidate comes or you vote again.")


def _letters(number: int) -> str:
    """The n-th name in the row A, B, … Z, AA, AB, and so on, from 0."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
