"""Keys stay out of what is kept, shown and told on.

An agent is given its keys, so whatever it runs can show them, and so can the checks of its work.
Every event and all live noise of a run pass through one veil before anything else sees them; the
values of keys are replaced by their names. What is not touched: names of files, of candidates and
of tests, by which things are found again, and the files themselves, which are the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.conversation import Called, Part, Spoken
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    BallotCast,
    BallotMissed,
    BaseTested,
    CandidateCaptured,
    CheckFinished,
    Conversed,
    CrossTested,
    DeliveryRefused,
    Delta,
    Event,
    FusionTried,
    NoteSent,
    NothingCaptured,
    Notice,
    PermissionDecided,
    RefinementChosen,
    RunFailed,
)
from massgen_ls.core.permissions import Action
from massgen_ls.core.secrets import Hidden
from massgen_ls.core.task import CheckSpec, Json
from massgen_ls.ports import (
    Acted,
    Checker,
    Ended,
    Place,
    Returned,
    Said,
    Spoke,
    ToolAnswer,
    Toolbox,
    ToolSpec,
    Used,
)

News = TypeVar("News", Said | Spoke | Acted | Returned | Used, Ended)


class Veil:
    """What has to stay secret in one run.

    Args:
        secrets: What is shown instead, by the secret.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets: dict[str, str] = {}
        self._hidden = Hidden({})
        self._held: dict[tuple[str, str], Delta] = {}
        self.hide(secrets or {})

    def hide(self, secrets: Mapping[str, str]) -> None:
        """Adds secrets, with what is shown instead of each."""
        self._secrets = {**secrets, **self._secrets}
        self._hidden = Hidden(self._secrets)

    def text(self, text: str) -> str:
        """A text without secrets."""
        return self._hidden(text)

    # ── news of an agent ────────────────────────────────────────────────────────────────────

    def news(self, item: News) -> News:
        """What an agent says, before it is shortened: half a key would not be known any more.

        Live noise is left to `live`, which sees keys that come in pieces.
        """
        match item:
            case Spoke() | Returned():
                return replace(item, text=self.text(item.text))
            case Acted():
                return replace(
                    item,
                    action=self.text(item.action),
                    target=self.text(item.target),
                    detail=self.text(item.detail),
                )
            case Ended():
                return replace(item, reason=self.text(item.reason), summary=self.text(item.summary))
            case _:
                return item

    def action(self, action: Action) -> Action:
        """What an agent wants to do, for people. Rules look at what it really is."""
        return replace(action, target=self.text(action.target), tool=self.text(action.tool))

    # ── live noise ──────────────────────────────────────────────────────────────────────────

    def live(self, delta: Delta) -> Delta | None:
        """A piece of noise. What may be the beginning of a secret is held back until more comes."""
        if not self._secrets:
            return delta
        key = (delta.source, delta.stream)
        held = self._held.pop(key, None)
        text = self.text(held.text + delta.text if held is not None else delta.text)
        cut = self._hidden.uncertain(text)
        if cut:
            self._held[key] = replace(delta, text=text[-cut:])
            text = text[:-cut]
        return replace(delta, text=text) if text else None

    def held(self) -> Sequence[Delta]:
        """All that was held back: nothing more comes that it could be the beginning of."""
        left, self._held = list(self._held.values()), {}
        return left

    # ── events ──────────────────────────────────────────────────────────────────────────────

    def event(self, event: Event) -> Event:
        """A fact without secrets, as it is stored and told."""
        if not self._secrets:
            return event
        match event:
            case AgentActed():
                return replace(
                    event, action=self.text(event.action), target=self.text(event.target)
                )
            case (
                AttemptEnded()
                | AttemptPaused()
                | NothingCaptured()
                | BallotMissed()
                | RefinementChosen()
                | FusionTried()
                | RunFailed()
                | DeliveryRefused()
            ):
                return replace(event, reason=self.text(event.reason))
            case PermissionDecided():
                return replace(
                    event, action=self.action(event.action), reason=self.text(event.reason)
                )
            case Conversed(transcript=told):
                parts = tuple(map(self._part, told.parts))
                clean = replace(told, parts=parts, summary=self.text(told.summary))
                return replace(event, transcript=clean)
            case CandidateCaptured(candidate=candidate):
                clean = replace(candidate, summary=self.text(candidate.summary))
                return replace(event, candidate=clean)
            case (
                CheckFinished(result=result)
                | CrossTested(result=result)
                | BaseTested(result=result)
            ):
                clean = replace(result, output=self.text(result.output))
                return replace(event, result=clean)
            case BallotCast(ballot=ballot):
                return replace(event, ballot=replace(ballot, reason=self.text(ballot.reason)))
            case Notice() | NoteSent():
                return replace(event, text=self.text(event.text))
            case _:
                return event

    def _part(self, part: Part) -> Part:
        if isinstance(part, Spoken):
            return replace(part, text=self.text(part.text))
        return Called(
            self.text(part.tool),
            self.text(part.target),
            self.text(part.detail),
            self.text(part.result),
            part.ok,
            part.call,
        )


class VeiledTools:
    """A toolbox that is never told a secret; implements `ports.Toolbox`."""

    def __init__(self, tools: Toolbox, veil: Veil) -> None:
        self._tools = tools
        self._veil = veil

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """What there is."""
        return self._tools.specs

    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        """Uses one."""
        clean: dict[str, Json] = {
            key: self._veil.text(value) if isinstance(value, str) else value
            for key, value in arguments.items()
        }
        return await self._tools.call(name, clean)


class VeiledChecker:
    """Checks of whose output keys are no part, whoever keeps it; implements `ports.Checker`."""

    def __init__(self, checker: Checker, veil: Veil) -> None:
        self._checker = checker
        self._veil = veil

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        """Runs it once; see `ports.Checker.run`."""
        result = await self._checker.run(check, tree, place, say)
        return replace(result, output=self._veil.text(result.output))
