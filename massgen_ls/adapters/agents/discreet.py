"""Keys stay out of what is heard of an agent, which may print its environment.

An agent is given its keys, so whatever it runs can show them. What it says is stored, shown and
told to other agents; the values of keys are replaced by their names before any of that.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import assert_never

from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import (
    Acted,
    AgentNews,
    Brief,
    Driver,
    Ended,
    Health,
    Place,
    Returned,
    Said,
    Spoke,
    Used,
)

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 6
"""Characters: shorter values are words that stand everywhere."""


class Discreet:
    """A driver of whose news the values of keys are no part; implements `ports.Driver`.

    Args:
        driver: Who does the work.
        environ: Our own environment, which has the keys.
    """

    def __init__(self, driver: Driver, environ: Mapping[str, str]) -> None:
        self._driver = driver
        self._environ = environ

    @property
    def briefed(self) -> bool:
        """See `ports.Driver.briefed`."""
        return self._driver.briefed

    @property
    def hears(self) -> bool:
        """See `ports.Driver.hears`."""
        return self._driver.hears

    @property
    def heavy(self) -> bool:
        """See `ports.Driver.heavy`."""
        return self._driver.heavy

    async def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews]:
        """Runs the agent once. Closing the iterator ends it and all its processes."""
        hide = self._hiding(spec, place)
        async with contextlib.aclosing(self._driver.attempt(spec, brief, place)) as news:
            async for item in news:
                yield item if hide is None else _without(item, hide)

    async def health(self, spec: AgentSpec) -> Health:
        """Looks whether it could start; see `ports.Driver.health`."""
        return await self._driver.health(spec)

    def _hiding(self, spec: AgentSpec, place: Place) -> _Hiding | None:
        """What has to be replaced; None when there is nothing secret around."""
        named = spec.settings.get("env")
        chosen = {str(name) for name in named} if isinstance(named, list) else set[str]()
        secrets = {
            value: f"[{name}]"
            for name, value in self._environ.items()
            if (name in chosen or _SECRET.search(name)) and len(value) >= _SHORTEST
        }
        if place.access is not None:
            secrets[place.access.token] = "[token]"
        return _Hiding(secrets) if secrets else None


class _Hiding:
    """Replaces secrets in texts; the longest first, as one may be the beginning of another."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._names = secrets
        words = sorted(secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words)))

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda found: self._names[found[0]], text)


def _clean(value: Json, hide: _Hiding) -> Json:
    """A judgement; its keys are those of our own schema."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [_clean(each, hide) for each in value]
    if isinstance(value, dict):
        return {key: _clean(each, hide) for key, each in value.items()}
    return value


def _without(item: AgentNews, hide: _Hiding) -> AgentNews:
    match item:
        case Said() | Spoke() | Returned():
            return replace(item, text=hide(item.text))
        case Acted():
            return replace(item, target=hide(item.target), detail=hide(item.detail))
        case Ended():
            return replace(
                item,
                reason=hide(item.reason),
                summary=hide(item.summary),
                answer=_clean(item.answer, hide),
            )
        case Used():
            return item
        case _:
            assert_never(item)
