"""What the user says to an agent at work, until it has reached the agent.

For agents to which nothing can be said within a turn: messages wait for its end and are the next
turn. A turn that fails may not have been heard, so what was said in it counts as unheard.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """The messages of one attempt, in their order."""

    _waiting: list[str] = field(default_factory=list[str])
    _told: list[str] = field(default_factory=list[str])
    """Are part of the turn that goes on."""

    def add(self, text: str) -> None:
        """One more."""
        self._waiting.append(text)

    def next_turn(self) -> str:
        """The words of the next turn; empty when there is nothing to say.

        The turn before has ended well: what was said in it has been heard.
        """
        self._told, self._waiting = self._waiting, []
        return "\n\n".join(self._told)

    @property
    def unheard(self) -> tuple[str, ...]:
        """What the agent does not know, as far as one can tell."""
        return (*self._told, *self._waiting)
