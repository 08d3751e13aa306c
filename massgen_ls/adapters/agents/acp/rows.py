"""The table of ACP agents that can be named; see `rows.toml` for what a row says."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal, cast

from massgen_ls.core.task import Json

Untrusted = Literal["ignores", "meta", "loads"]


@dataclass(frozen=True, slots=True)
class Row:
    """One agent."""

    id: str
    name: str
    argv: tuple[str, ...]
    keys: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()
    mode: str = ""
    mode_confined: str = ""
    login: str = "log it in, and use `login: user`"
    install: str = ""
    docs: str = ""
    base_url: str = ""
    folders: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    untrusted: Untrusted = "loads"
    untrusted_tools: bool = True
    untrusted_meta: Mapping[str, Json] = field(default_factory=dict[str, Json])
    instructions: tuple[str, ...] = ()
    unasked: str = ""

    @classmethod
    def of(cls, name: str, told: Mapping[str, Any]) -> Row:
        """Reads a row; one that is not right is a mistake of ours and raises."""
        body: dict[str, Any] = {
            key: tuple(cast("list[str]", value)) if isinstance(value, list) else value
            for key, value in told.items()
        }
        return cls(id=name, **body)


@functools.cache
def rows() -> Mapping[str, Row]:
    """All agents by their ids. Reads the table once, when it is first needed."""
    text = files("massgen_ls.adapters.agents.acp").joinpath("rows.toml").read_text("utf-8")
    return {name: Row.of(name, told) for name, told in tomllib.loads(text).items()}


def row(name: str) -> Row | str:
    """An agent, or what to say when there is none of that name."""
    table = rows()
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, 1)
    meant = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(table)}."
    return (
        f"there is no ACP agent {name!r} in the table.{meant} Any other one can be started with "
        "`argv`"
    )
