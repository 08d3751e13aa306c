"""What in a project's configuration needs its user's trust.

A project may choose among what its user has configured, and be stricter than that. Everything else
has power over the user's machine or money, and is inert until they trust the folder. `TABLE` says
which is which; what it does not name is powerful.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard, cast

from massgen_ls.core.wording import one_line

Where: TypeAlias = "tuple[str | int, ...]"
"""The way to a value: keys and indices from the top."""

May = Literal["choose", "lower", "higher", "stricter", "more", "fewer"]
"""What a project may do unasked: name what the user has (``choose``), set a smaller or a larger
number, a stricter word, more or fewer items than the layers below it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a configuration. ``*`` stands for each item of a list."""

    key: str
    why: str = ""
    """What power it has, for people; empty where a project may do all that it can say."""
    may: May | None = None
    """None: it may not be said without trust, unless the layers below say just the same."""
    default: object = None
    """What holds where no layer below says anything. For ``lower``, None is no limit."""
    order: tuple[object, ...] = ()
    """For ``stricter``: the words, the strictest first."""


_PROGRAM = "starts a program"
_SPENDS = "may spend more"
_MODES = ("deny", "ask", "auto", "allow")
_EFFORT = ("lenient", "balanced", "strict")


def _switch(key: str, why: str, *, default: bool, strict: bool) -> Row:
    return Row(key, why, "stricter", default, (strict, not strict))


TABLE: tuple[Row, ...] = (
    # ── choosing among what the user has ──
    Row("agents.*.id", may="choose"),
    Row("checks.*.name", may="choose"),
    Row("orchestrator.voting.judges.*.id", may="choose"),
    Row("include", may="choose"),
    Row("orchestrator.agents", may="choose"),
    # ── being stricter ──
    Row("agents.*.backend.timeout", "gives an agent more time", "lower"),
    Row("agents.*.backend.idle_timeout", "gives an agent more time", "lower"),
    Row("agents.*.backend.max_turns", _SPENDS, "lower"),
    Row("agents.*.backend.env", "hands variables of yours to an agent", "fewer", ()),
    _switch("agents.*.backend.share", "lets agents share a process", default=True, strict=False),
    Row("agents.*.permissions.mode", "raises permissions", "stricter", "auto", _MODES),
    Row("agents.*.permissions.allow", "raises permissions", "fewer", ()),
    Row("agents.*.permissions.deny", "takes a denial of yours away", "more", ()),
    Row("checks.*.timeout", "gives a check more time", "lower", 300.0),
    Row("orchestrator.timeout", _SPENDS, "lower", 3600.0),
    Row("orchestrator.attempt_timeout", _SPENDS, "lower", 1800.0),
    Row("orchestrator.max_agents", _SPENDS, "lower"),
    Row("orchestrator.quorum", _SPENDS, "lower", 1.0),
    Row(
        "orchestrator.sandbox",
        "confines programs less",
        "stricter",
        "auto",
        ("required", "auto", "off"),
    ),
    Row("orchestrator.limits.max_cost", _SPENDS, "lower"),
    Row("orchestrator.limits.max_tokens", _SPENDS, "lower"),
    Row("orchestrator.limits.max_minutes", _SPENDS, "lower"),
    Row("orchestrator.voting.margin", "lets less decide", "higher", 0.0),
    Row("orchestrator.voting.max_ballots", _SPENDS, "lower", 12),
    Row("orchestrator.voting.timeout", _SPENDS, "lower", 180.0),
    _switch("orchestrator.share_candidates", "shows work to others", default=False, strict=False),
    _switch("orchestrator.instructions", "brings in its words", default=True, strict=False),
    _switch("orchestrator.early_exit", _SPENDS, default=True, strict=True),
    _switch("orchestrator.cross_tests.enabled", "runs more tests", default=True, strict=False),
    Row("orchestrator.cross_tests.timeout", "runs tests for longer", "lower", 120.0),
    Row("orchestrator.cross_tests.max_tests", "runs more tests", "lower", 50),
    Row("orchestrator.max_new_answers_per_agent", _SPENDS, "lower", 2),
    Row("orchestrator.max_new_answers_global", _SPENDS, "lower"),
    Row(
        "orchestrator.answer_novelty_requirement",
        _SPENDS,
        "stricter",
        "lenient",
        _EFFORT[::-1],
    ),
    Row("orchestrator.voting_sensitivity", _SPENDS, "stricter", "lenient", _EFFORT),
    _switch("orchestrator.fusion.enabled", "tries one more candidate", default=False, strict=False),
    # ── only with trust ──
    Row("agents.*.system_message", "speaks to an agent in your name"),
    Row("agents.*.fallback", "brings in another agent"),
    Row("agents.*.backend.type", "brings in an agent"),
    Row("agents.*.backend.argv", _PROGRAM),
    Row("agents.*.backend.program", _PROGRAM),
    Row("agents.*.backend.args", "adds arguments to a program"),
    Row("agents.*.backend.base_url", "sends your code and key to this address"),
    Row("agents.*.backend.login", "uses your own login"),
    Row("agents.*.backend.auth", "chooses how an agent logs in"),
    Row("agents.*.backend.options", "sets an agent's own options"),
    Row("agents.*.backend.mode", "sets an agent's own mode"),
    Row("agents.*.backend.model", _SPENDS),
    Row("checks.*.argv", _PROGRAM),
    Row("checks.*.parser", "reads a check's results in another way"),
    Row("orchestrator.mode", _SPENDS),
    Row("orchestrator.voting.rule", _SPENDS),
    Row("orchestrator.voting.judges.*.backend", "brings in an agent"),
    Row("worktree.include", "gives ignored files of yours to agents"),
    Row("worktree.include_mode", "lets agents write through links into your files"),
    Row("worktree.setup", _PROGRAM),
    Row("worktree.setup_key", "decides when set-up programs run again"),
)  # fmt: skip
"""Every key that somebody has thought about. A key without a row needs trust."""

UNKNOWN = "nobody has said yet that this is harmless"

_ROWS = {row.key: row for row in TABLE}
_ABOVE = {".".join(row.key.split(".")[:n]) for row in TABLE for n in range(row.key.count(".") + 1)}
"""The keys that only hold others."""
_NAMED = ("id", "name")
_SHORT = {"agents": "id", "judges": "id", "checks": "name"}
"""Lists where a name alone stands for an item of that name."""
_SHOWN = 120
_DEEP = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that needs trust."""

    where: Where
    value: object
    why: str


@dataclass(frozen=True, slots=True)
class Power:
    """A finding with its place, for people."""

    file: str
    """As it is shown: its path from the folder's top."""
    line: int
    """1-based."""
    key: str
    """``agents[0].backend.argv``; empty for a whole file."""
    value: str
    """What it says, shortened; one line."""
    why: str

    @property
    def shown(self) -> str:
        """``massgen.yaml:3: checks[0].argv: make evil (starts a program)``."""
        said = ": ".join(part for part in (self.key, self.value) if part)
        file = one_line(self.file)
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {said} ({self.why})" if said else f"{place} ({self.why})"


def findings(values: object, below: object = None, *, merged: bool = False) -> tuple[Finding, ...]:
    """What in a configuration needs trust.

    Args:
        values: The plain values of a document, or of all layers together.
        below: The values of the layers that the user has made, without the project's.
        merged: Whether ``values`` are those of all layers, so that what ``below`` has and they have
            not was taken away.
    """
    return tuple(_walk((), _normal(values), _normal(below), 0, merged))


def key_of(where: Where) -> str:
    """The key of a way in the table: a profile says what the whole file could."""
    parts = ["*" if isinstance(part, int) else part for part in where]
    while parts[:1] == ["profiles"] and len(parts) > 1:
        parts = parts[2:]
    if parts[:1] == ["agent"]:
        parts[:1] = ["agents", "*"]
    return ".".join(parts)


def _walk(
    where: Where,
    value: object,
    below: object,
    depth: int,
    merged: bool,  # noqa: FBT001 - handed down only
) -> Iterator[Finding]:
    if _same(value, below):
        return
    key = key_of(where)
    row = _ROWS.get(key)
    if depth > _DEEP or (row is None and key not in _ABOVE and key != "profiles"):
        yield Finding(where, value, UNKNOWN)
    elif row is not None:
        if not _may(row, value, below):
            yield Finding(where, value, row.why or "is none of yours")
    elif isinstance(value, dict):
        mapping = cast("dict[str, object]", value)
        under = cast("dict[str, object]", below) if isinstance(below, dict) else {}
        gone = [name for name in under if name not in mapping] if merged else []
        for name in (*mapping, *gone):
            # What a profile says is compared with what holds without it, and is not the whole.
            aside = where == ("profiles",) or (not where and name == "profiles")
            beside = under if aside else under.get(name)
            whole = merged and not aside
            yield from _walk((*where, name), mapping.get(name), beside, depth + 1, whole)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(cast("list[object]", value)):
            yield from _walk((*where, number), item, _twin(item, below), depth + 1, merged)
    else:
        yield Finding(where, value, UNKNOWN)


def _may(row: Row, value: object, under: object) -> bool:
    """Whether a project may say this without trust."""
    below = row.default if under is None else under
    value = row.default if value is None else value  # null, or gone: then the default holds
    if _same(value, below):
        return True
    match row.may:
        case "choose":
            return True
        case "lower":
            return _number(value) and (below is None or (_number(below) and value <= below))
        case "higher":
            return _number(value) and _number(below) and value >= below
        case "stricter":
            order = [(type(word), word) for word in row.order]
            ours, theirs = (type(value), value), (type(below), below)
            return ours in order and theirs in order and order.index(ours) <= order.index(theirs)
        case "more":
            words = _words(value)
            return words is not None and set(_words(below) or ()) <= set(words)
        case "fewer":
            words = _words(value)
            return words is not None and set(words) <= set(_words(below) or ())
        case _:
            return False


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    items = tuple(cast("list[object]", value))
    return cast("tuple[str, ...]", items) if all(isinstance(i, str) for i in items) else None


def _twin(item: object, below: object) -> object:
    """The item of the same name in the layers below."""
    if not isinstance(item, dict) or not isinstance(below, list | tuple):
        return None
    mine = cast("dict[str, object]", item)
    for other in cast("list[object]", below):
        if isinstance(other, dict):
            theirs = cast("dict[str, object]", other)
            if any(n in mine and mine[n] == theirs.get(n) for n in _NAMED):
                return theirs
    return None


def _same(one: object, other: object) -> bool:
    """Equal, where true is no 1."""
    if _number(one) and _number(other):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        ours, theirs = cast("dict[str, object]", one), cast("dict[str, object]", other)
        return ours.keys() == theirs.keys() and all(_same(ours[k], theirs[k]) for k in ours)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        left, right = cast("list[object]", one), cast("list[object]", other)
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _normal(values: object, depth: int = 0) -> object:
    """The long form of what has a short one; anything else as it is."""
    if depth > _DEEP:
        return values
    if isinstance(values, list | tuple):
        return [_normal(item, depth + 1) for item in cast("list[object]", values)]
    if not isinstance(values, dict):
        return values
    found: dict[str, object] = {}
    for name, item in cast("dict[str, object]", values).items():
        if name == "permissions" and isinstance(item, str):
            found[name] = {"mode": item}
        elif name in _SHORT and isinstance(item, list | tuple):
            found[name] = [
                {_SHORT[name]: one} if isinstance(one, str) else _normal(one, depth + 1)
                for one in cast("list[object]", item)
            ]
        else:
            found[str(name)] = _normal(item, depth + 1)
    return found


def spelled(where: Where) -> str:
    """``agents[0].backend``: a way, for people."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.removeprefix(".")


def in_short(value: object) -> str:
    """A value in one line, for people; control characters made visible."""
    if isinstance(value, list | tuple):
        said = " ".join(in_short(item) for item in cast("list[object]", value))
    elif isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        said = ", ".join(f"{name}: {in_short(item)}" for name, item in items)
    elif isinstance(value, bool):
        said = "true" if value else "false"
    else:
        said = str(value)
    said = one_line(" ".join(said.split()))
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


def powers(
    values: object,
    below: object,
    place: Callable[[Where], tuple[str, int] | None],
    *,
    merged: bool = False,
) -> tuple[Power, ...]:
    """The findings with their places.

    Args:
        values: As in `findings`.
        below: As in `findings`.
        place: File and line of a value; None where the user's own word put it there.
        merged: As in `findings`.
    """
    found: list[Power] = []
    for finding in findings(values, below, merged=merged):
        spot = place(finding.where)
        if spot is not None:
            said = in_short(finding.value)
            found.append(Power(*spot, spelled(finding.where), said, finding.why))
    return tuple(found)
