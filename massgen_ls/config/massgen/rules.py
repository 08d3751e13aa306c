"""The words that the tables are written in: what becomes of a key, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from massgen_ls.config.document import Where
from massgen_ls.config.massgen.report import Fate

Shape = Literal["text", "seconds", "count", "any"]
"""``seconds``: a number above 0; ``count``: a whole number from 1."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Has no effect here, whatever stands below it."""

    reason: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Running without it would do something else than its author meant."""

    reason: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """MassGen does not accept it either."""

    reason: str
    instead: str
    becomes: str = ""
    """The way to MassGen's newer key for the same value; from the agent when it begins with ``@``.
    """


@dataclass(frozen=True, slots=True)
class To:
    """Becomes a value of ours.

    ``target`` is a way from the top; from the agent when it begins with ``@``, from every agent
    with ``*``. A text or a list that is there already is added to. Where our schema has no such key
    (a backend without that setting), it is ignored for the reason given.
    """

    target: str
    shape: Shape = "any"
    unless: str = "this backend has no such setting here"


@dataclass(frozen=True, slots=True)
class Sets:
    """Becomes a fixed value of ours, with a sentence about it."""

    target: str
    value: object
    about: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The value decides."""

    of: Mapping[object, Rule]
    otherwise: Rule | None = None
    """For every other value; an error that names the known ones when there is nothing here."""


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with keys of its own."""

    rows: Mapping[str, Rule]
    families: tuple[tuple[str, Rule], ...] = ()
    """Patterns (as in file names) for keys that MassGen has many of."""
    otherwise: Rule | None = None
    """For keys that nothing knows and that look like no known one; without it they are errors."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list; each item by one rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class ByType:
    """A mapping whose keys depend on its ``type``."""

    of: Mapping[str, Table]
    otherwise: Table


@dataclass(frozen=True, slots=True)
class Scene:
    """What a reader may look at beside the value."""

    backend: str = ""
    """The type of the agent's backend."""
    names: Mapping[Where, str | None] = field(default_factory=dict[Where, "str | None"])
    """Our name for the agent whose ``id`` stands there; None for one that is there already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a reader found out about a value: a line of the report, and perhaps a value of ours."""

    fate: Fate
    where: Where
    message: str
    suggestion: str = ""
    target: str = ""
    """As in `To`; nothing is set when it is empty."""
    value: object = None


Read = Callable[[Any, Where, Scene], Iterable[Entry]]


@dataclass(frozen=True, slots=True)
class Reader:
    """Looks into the value; its entries cover every leaf below it once."""

    read: Read
    about: str
    """What becomes of it, for the documentation."""
    unless: str = "this backend has no such setting here"
    """Why it is ignored where our schema has no such key."""
    required: bool = False
    """Whether it must not be empty."""


UNREAD = Ignored("MassGen knows no such key either and reads over it", "Take it out")
"""Of keys that nobody knows, where they cannot be mistaken for one that somebody does."""


Rule = Ignored | Refused | Wrong | To | Sets | Choice | Table | ByType | Items | Reader


def same(keys: str, rule: Rule) -> dict[str, Rule]:
    """One rule for several keys, set apart by spaces."""
    return dict.fromkeys(keys.split(), rule)
