"""What can go wrong with an agent, by kind, and what helps against each.

A driver says which kind of failure ended an attempt; whether to wait and try again, and for how
long, is decided here, the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

FailureKind = Literal[
    "auth",  # no key, a wrong one, not logged in, no right to the model
    "rate_limit",  # asked too often, or a quota is used up for now
    "overloaded",  # the service cannot answer at the moment (5xx)
    "network",  # refused, reset, unresolved, cut in the middle
    "context",  # the conversation outgrew the model
    "refused",  # the model or its service declined the task
    "turns",  # its own limit of turns or spending
    "timeout",  # silent for too long, or out of time
    "crashed",  # ended by a signal or with an error that says nothing else
    "protocol",  # said what cannot be understood, or ended without saying how
    "missing",  # the program is not there or cannot be started
    "config",  # it refuses its settings: a wrong model name, a bad flag
]

FAILURE_KINDS: frozenset[str] = frozenset(get_args(FailureKind))

_PATIENT: dict[str, int] = {"rate_limit": 4, "overloaded": 4, "network": 3}
"""Kinds that pass by themselves, with how often an agent is tried in all."""
_ONCE_MORE = frozenset({"crashed", "protocol"})
"""Kinds that may have been an accident."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How the pauses between tries grow. Seconds."""

    first: float = 2.0
    factor: float = 2.0
    most: float = 60.0
    patience: float = 300.0
    """A service that asks for a longer pause than this is not waited for."""


def next_try(
    kind: FailureKind | None,
    tries: int,
    retry_after: float | None,
    chance: float,
    backoff: Backoff | None = None,
) -> float | None:
    """Seconds until an agent should be tried again; None when that would not help.

    Args:
        kind: What went wrong; None for a failure of no known kind.
        tries: How often it was tried so far, from 1.
        retry_after: Seconds that the service itself asked for.
        chance: From 0 to 1, the share of the jitter: agents that failed together shall not come
            back together.
        backoff: How the pauses grow.
    """
    rule = backoff or Backoff()
    if kind in _ONCE_MORE:
        return 0.0 if tries < 2 else None
    if kind is None or tries >= _PATIENT.get(kind, 0):
        return None
    grown = min(rule.most, rule.first * rule.factor ** (tries - 1))
    jittered = grown * (0.5 + 0.5 * min(max(chance, 0.0), 1.0))
    if retry_after is None:
        return jittered
    if retry_after > rule.patience:
        return None
    # Never before the service said; the jitter comes on top.
    return max(0.0, retry_after) + jittered / 4
