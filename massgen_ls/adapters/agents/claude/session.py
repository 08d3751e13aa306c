"""One process of Claude Code while it lives: what it is told, and how its questions are answered.

It takes any number of turns. A message that comes while a turn runs reaches the model with the
next result of a tool; one that comes too late for that begins a turn of its own, by itself.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Sequence

from massgen_ls.adapters.agents.attempt.seeing import in_base64
from massgen_ls.adapters.agents.attempt.settings import from_top, inside
from massgen_ls.adapters.agents.claude.events import Question, Reading, Strange, Taken
from massgen_ls.adapters.agents.claude.tools import wanted
from massgen_ls.adapters.agents.program.talk import Talk
from massgen_ls.core.permissions import Action, Decision
from massgen_ls.core.task import Json
from massgen_ls.ports import Picture, Place

_NOBODY = Decision("deny", "nobody can be asked here")


class ClaudeSession:
    """Talks to one process.

    Attributes:
        reading: What was read of it so far.
    """

    def __init__(self, talk: Talk, place: Place) -> None:
        self.reading = Reading(self._shown)
        self._talk = talk
        self._place = place
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, str] = {}
        """Notes of which is not known that they have reached the model, by their names."""
        self._lost: list[str] = []
        self._tells = False
        """Whether it says what becomes of messages; 2.1.197 does not."""
        self._interrupts = 0

    @property
    def asking(self) -> bool:
        """Whether it waits for an answer of ours: then its silence is no wonder."""
        return bool(self._asked)

    @property
    def listening(self) -> bool:
        """Whether notes of ours have not reached the model yet, as far as it tells.

        Versions that do not tell (2.1.197) leave this true for good: it is no reason to wait long.
        """
        return bool(self._waiting)

    async def begin(self, task: str, pictures: Sequence[Picture] = ()) -> None:
        """Gives it its task, and shows it what belongs to it."""
        shown = await asyncio.to_thread(_blocks, pictures)
        await self._say(task, str(uuid.uuid4()), shown)

    async def note(self, words: str) -> None:
        """Puts a message into the turn that runs, at the next chance; else it begins a turn."""
        name = str(uuid.uuid4())
        self._waiting[name] = words
        await self._say(words, name)

    def too_late(self, words: str) -> None:
        """A message came when nothing was passed on any more."""
        self._lost.append(words)

    def unheard(self, *, ended_well: bool) -> tuple[str, ...]:
        """Notes that did not reach the model.

        Args:
            ended_well: Whether its last turn did: of a program that does not say what becomes of
                messages nothing better is known.
        """
        waiting = self._waiting.values() if self._tells or not ended_well else ()
        return (*self._lost, *waiting)

    async def _say(self, words: str, name: str, shown: Sequence[Json] = ()) -> None:
        # What begins with a slash would be taken for a command, and only then.
        text = f" {words}" if words.startswith("/") else words
        content: Json = [*shown, {"type": "text", "text": text}] if shown else text
        message: dict[str, Json] = {"role": "user", "content": content}
        await self._talk.send({"type": "user", "uuid": name, "message": message})

    def taken(self, item: Taken) -> None:
        """A message has reached the model, or will not."""
        self._tells = True
        words = self._waiting.pop(item.message, "")
        if words and not item.reached:
            self._lost.append(words)

    async def interrupt(self) -> None:
        """Ends the turn that runs, and the commands in it; its result follows, and no turn more."""
        self._interrupts += 1
        request: dict[str, Json] = {"subtype": "interrupt", "cancel_queued": True}
        name = f"interrupt-{self._interrupts}"
        await self._talk.send({"type": "control_request", "request_id": name, "request": request})

    async def leave(self) -> None:
        """Ends its input: it ends when what it does is done."""
        await self._talk.hang_up()

    def answer(self, question: Question) -> None:
        """Has a question decided, while the conversation goes on."""
        task = self._talk.beside(self._decide(question))
        self._asked[question.request] = task
        task.add_done_callback(lambda _: self._asked.pop(question.request, None))

    def withdrawn(self, request: str) -> None:
        """Nobody waits for this answer any more."""
        if task := self._asked.get(request):
            task.cancel()

    async def refuse(self, strange: Strange) -> None:
        """Says that something is not offered here, so that it does not wait for it."""
        error = f"{strange.subtype!r} is not offered here"
        response: dict[str, Json] = {
            "subtype": "error",
            "request_id": strange.request,
            "error": error,
        }
        await self._talk.send({"type": "control_response", "response": response})

    async def _decide(self, question: Question) -> None:
        approve = self._place.approve
        if self._ours(question.tool):
            decision = Decision("allow", "it is a tool of ours")
        elif approve is None:
            decision = _NOBODY
        else:
            decision = await approve(await asyncio.to_thread(self._action, question))
        answer: dict[str, Json]
        if decision.word == "allow":
            answer = {"behavior": "allow", "updatedInput": dict(question.given)}
        else:
            why = f"Not allowed: {decision.reason}. Do it in another way, or leave it and say so."
            answer = {"behavior": "deny", "message": why}
        response: dict[str, Json] = {
            "subtype": "success",
            "request_id": question.request,
            "response": answer,
        }
        await self._talk.send({"type": "control_response", "response": response})

    def _ours(self, tool: str) -> bool:
        access = self._place.access
        return access is not None and tool.startswith(f"mcp__{access.name}__")

    def _action(self, question: Question) -> Action:
        kind, target, path = wanted(question.tool, question.given)
        if not path:
            return Action(kind, target, question.tool)
        whole = os.path.join(self._place.folder, path)
        within = inside(whole, self._place.path, self._place.home)
        return Action(kind, self._shown(path), question.tool, within)

    def _shown(self, path: str) -> str:
        if not path:
            return path
        whole = os.path.normpath(os.path.join(self._place.folder, path))
        return from_top(whole, self._place.path)


def _blocks(pictures: Sequence[Picture]) -> list[Json]:
    return [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": picture.media_type, "data": body},
        }
        for picture, body in in_base64(pictures)
    ]
