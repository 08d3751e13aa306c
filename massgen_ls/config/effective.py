"""The configuration that counts, value by value, with defaults and where each was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from massgen_ls.config.layers import DEFAULT, NAMED, Merged, Origin
from massgen_ls.config.problems import Where, shown_path
from massgen_ls.config.schema import Configuration

_WHAT_IT_IS = {whole for _, whole in NAMED.values()}
_NOT_SETTINGS = frozenset({"agent", "profiles", "include"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One value."""

    where: Where
    value: Any
    origin: Origin
    instead_of: Origin | None = None
    """Of the word that says what an agent or check is: where a layer below says another."""

    @property
    def path(self) -> str:
        """``orchestrator.timeout``."""
        return shown_path(self.where)

    def plain(self) -> Mapping[str, object]:
        """For programs."""
        origin = self.origin
        return {
            "path": self.path,
            "value": self.value,
            "layer": origin.layer,
            "source": origin.source,
            "line": origin.line or None,
            "column": origin.column or None,
            **({} if self.instead_of is None else {"instead_of": self.instead_of.shown()}),
        }


def settings(merged: Merged) -> list[Setting]:
    """Every value of a valid configuration, defaults included.

    Args:
        merged: As `load.Loaded.merged` has it: valid, variables replaced.
    """
    parsed = Configuration.model_validate(merged.body)
    whole = parsed.model_dump(mode="json", exclude=set(_NOT_SETTINGS), exclude_none=True)
    found: list[Setting] = []
    for where, value in _values(whole, ()):
        if value in ([], {}, "") and not merged.says(where):
            continue  # nothing, by default
        origin = merged.origin(where) if merged.says(where) else DEFAULT
        instead = merged.instead_of(where[:2]) if where[2:] in _WHAT_IT_IS else None
        found.append(Setting(where, value, origin, instead))
    return found


def _values(body: Any, where: Where) -> Iterator[tuple[Where, Any]]:
    """Everything that is no mapping and no list of them."""
    if isinstance(body, list) and not any(isinstance(x, dict | list) for x in cast("Any", body)):
        yield where, body
    elif isinstance(body, dict | list) and body:
        whole = cast("Any", body)
        for key, value in whole.items() if isinstance(body, dict) else enumerate(whole):
            yield from _values(value, (*where, key))
    else:
        yield where, body
