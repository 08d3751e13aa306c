"""Several configurations, one over the other, where every value knows where it was said.

``defaults < user < project < profile < editor < environment < arguments``. Mappings merge key by
key. ``agents`` and ``checks`` are lists of named things: the highest layer that has the list says
which ones there are and in which order, and an item that does not say what it is (an agent without
a ``backend`` that has a ``type``, a check without an ``argv``) takes that from the item of its name
in a lower layer. Any other list, and a ``backend`` that names its type, replaces what is below.

What a user forbids stays forbidden: ``permissions.deny`` adds up over all layers, and an agent that
is described anew keeps the limits and the stricter permissions that it has in a layer below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from massgen_ls.config.document import Document, leaves
from massgen_ls.config.problems import Where

LayerName = Literal["defaults", "user", "project", "profile", "editor", "environment", "arguments"]
"""From the lowest to the highest."""
Author = Literal["us", "user", "project"]
"""Who wrote something: massgen-ls itself, the user, or whoever wrote the project."""

NAMED: Mapping[str, tuple[str, Where]] = {
    "agents": ("id", ("backend", "type")),
    "checks": ("name", ("argv",)),
}
"""The lists of named things: what the name is called, and what makes an item a whole one."""
_LIMITS = ("timeout", "idle_timeout", "max_turns")
"""Of a backend; the first is there in each kind."""
_STRICTER = ("ask", "deny")
"""Modes of permissions that allow less than the default."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: a file, a profile of a file, a variable, an option."""

    name: LayerName
    document: Document
    source: str
    """The file's path, or what else it is, for people and for programs."""
    author: Author
    root: Where = ()
    """What of the document counts, e.g. ``("profiles", "ci")``."""

    @property
    def body(self) -> Any:
        """What it says."""
        body = self.document.body
        for part in self.root:
            body = body[part]
        return body

    @property
    def maps(self) -> bool:
        """Whether it is what a configuration has to be."""
        return isinstance(self.body, dict)

    def origin(self, where: Where) -> Origin:
        """Of a value in its body."""
        there = (*self.root, *where)
        if not self.document.values:
            return Origin(self.name, self.source, self.author, there)
        span = self.document.reach(there)
        return Origin(self.name, self.source, self.author, there, *span[:2], span[2:])

    def key(self, where: Where) -> Origin:
        """Of the key of a value in its body."""
        origin = self.origin(where)
        if not origin.line:
            return origin
        return replace(origin, end=self.document.reach(origin.where, key=True)[2:])


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was said."""

    layer: LayerName
    source: str
    """The file's path; or the name of a variable or option."""
    author: Author
    where: Where = ()
    """The way to it in its own file."""
    line: int = 0
    """1-based; 0 for what has no lines."""
    column: int = 0
    end: tuple[int, int] | None = None
    """Where it ends, if that is in the same line; else where its key ends."""

    def shown(self) -> str:
        """``source:line:column``, without what it does not have."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


DEFAULT = Origin("defaults", "default", "us")
"""Of what no layer says."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The effective configuration, before it is checked."""

    body: dict[str, Any] = field(default_factory=dict[str, Any])
    layers: tuple[Layer, ...] = ()
    sources: Mapping[Where, tuple[int, Where]] = field(
        default_factory=dict[Where, tuple[int, Where]], repr=False
    )
    """Layer and way there; only where that does not follow from what is above it."""
    replaced: Mapping[Where, tuple[int, Where]] = field(
        default_factory=dict[Where, tuple[int, Where]], repr=False
    )
    """Agents and checks that a higher layer describes anew: where they were described below."""

    def instead_of(self, where: Where) -> Origin | None:
        """What an item of a list was described anew over; None: over nothing of anybody's."""
        known = self.replaced.get(where)
        return None if known is None else self.layers[known[0]].origin(known[1])

    def origin(self, where: Where, *, key: bool = False) -> Origin:
        """Where a value was said; of what nobody said, where the nearest thing around it was.

        Args:
            where: Which value.
            key: Where its key stands, not the whole.
        """
        known = where
        while known not in self.sources:
            if not known:
                return DEFAULT
            known = known[:-1]
        layer, there = self.sources[known]
        whole = (*there, *where[len(known) :])
        return self.layers[layer].key(whole) if key else self.layers[layer].origin(whole)

    def says(self, where: Where) -> bool:
        """Whether some layer says this value, or a scalar in the place of what is around it."""
        value: Any = self.body
        for part in where:
            if isinstance(value, dict):
                if part not in value:
                    return False
            elif not isinstance(value, list | tuple):
                return True
            elif not isinstance(part, int) or part >= len(cast("Sequence[Any]", value)):
                return False
            value = cast("Any", value)[part]
        return True

    def leaves(self) -> Iterator[tuple[Where, Any, Origin]]:
        """Every scalar and every empty container with its origin, in order."""
        for where, value in leaves(self.body):
            yield where, value, self.origin(where)


def merge(layers: Sequence[Layer]) -> Merged:
    """Lays them one over the other.

    Args:
        layers: The lowest first.
    """
    whole = _Node({}, -1, (), {})
    pools: dict[str, dict[str, _Node]] = {key: {} for key in NAMED}
    ours = frozenset(n for n, layer in enumerate(layers) if layer.author == "us")
    for number, layer in enumerate(layers):
        if not layer.maps:
            continue  # the check of the whole says it
        high = _one_agent(_Node(layer.body, number, ()))
        children = {**whole.parts()} if whole.is_mapping else {}
        for key, node in high.parts().items():
            low = children.get(key)
            if key in NAMED:
                children[key] = _listed(low, node, pools[key], key, ours)
            else:
                children[key] = node if low is None else _over(low, node, key)
        whole = _Node(None, number, (), children)
    notes = _Notes()
    body = whole.plain((), notes)
    return Merged(cast("dict[str, Any]", body), tuple(layers), notes.sources, notes.replaced)


@dataclass(slots=True)
class _Notes:
    """Where the values of a whole are from."""

    sources: dict[Where, tuple[int, Where]] = field(default_factory=dict[Where, tuple[int, Where]])
    replaced: dict[Where, tuple[int, Where]] = field(default_factory=dict[Where, tuple[int, Where]])


@dataclass(slots=True)
class _Node:
    """A value of one layer as it is, or a container with parts of several."""

    value: Any
    layer: int
    there: Where
    mixed: dict[str, _Node] | list[_Node] | None = None
    instead: _Node | None = None
    """What it was described anew over."""

    def parts(self) -> dict[str, _Node]:
        """Of a mapping."""
        if isinstance(self.mixed, dict):
            return self.mixed
        value = cast("dict[str, Any]", self.value)
        return {k: _Node(v, self.layer, (*self.there, k)) for k, v in value.items()}

    def items(self) -> list[_Node]:
        """Of a list."""
        if isinstance(self.mixed, list):
            return self.mixed
        value = cast("Sequence[Any]", self.value)
        return [_Node(v, self.layer, (*self.there, i)) for i, v in enumerate(value)]

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.mixed, dict) or (self.mixed is None and isinstance(self.value, dict))

    @property
    def is_list(self) -> bool:
        return isinstance(self.mixed, list) or (
            self.mixed is None and isinstance(self.value, list | tuple)
        )

    def get(self, *path: str | int) -> Any:
        """A scalar or a whole container below it; None: it is not there."""
        node = self.node(*path)
        if node is None:
            return None
        return node.value if node.mixed is None else node.plain((), _Notes())

    def node(self, *path: str | int) -> _Node | None:
        """What is below it; None: it is not there."""
        node: _Node | None = self
        for part in path:
            node = node.parts().get(cast("str", part)) if node and node.is_mapping else None
        return node

    def plain(self, where: Where, notes: _Notes) -> Any:
        """The value; notes where its parts are from."""
        if self.layer >= 0:
            notes.sources[where] = (self.layer, self.there)
        if self.instead is not None:
            notes.replaced[where] = (self.instead.layer, self.instead.there)
        if self.mixed is None:
            return self.value
        if isinstance(self.mixed, list):
            return [node.plain((*where, i), notes) for i, node in enumerate(self.mixed)]
        return {key: node.plain((*where, key), notes) for key, node in self.mixed.items()}


def _over(low: _Node, high: _Node, key: str) -> _Node:
    if key == "permissions":
        low, high = _rule(low), _rule(high)
    elif key == "deny" and low.is_list:
        return _added(low, high)
    if not (low.is_mapping and high.is_mapping):
        return high
    if key == "backend" and high.get("type") is not None:
        return _limited(low, high)
    children = {**low.parts()}
    for name, node in high.parts().items():
        below = children.get(name)
        children[name] = node if below is None else _over(below, node, name)
    return _Node(None, high.layer, high.there, children)


def _rule(node: _Node) -> _Node:
    """The long form of ``permissions``: one word is a mode, and null is nothing."""
    if node.mixed is not None or not (node.value is None or isinstance(node.value, str)):
        return node
    word = _Node(node.value, node.layer, node.there)
    return _Node(None, node.layer, node.there, {"mode": word} if node.value else {})


def _added(low: _Node, high: _Node) -> _Node:
    """Denials of both: what is denied below stays denied."""
    if high.value is None and high.mixed is None:
        return low
    if not high.is_list:
        return high
    known = [item.value for item in low.items()]
    more = [item for item in high.items() if item.value not in known]
    return _Node(None, high.layer, high.there, [*low.items(), *more])


def _limited(low: _Node, high: _Node) -> _Node:
    """A backend described anew, with the limits below that it says nothing about."""
    limits = _LIMITS if low.get("type") == high.get("type") else _LIMITS[:1]
    kept = {name: node for name in limits if (node := low.node(name)) is not None}
    if not kept.keys() - high.parts().keys():
        return high
    return _Node(None, high.layer, high.there, {**kept, **high.parts()})


def _anew(low: _Node, high: _Node) -> _Node:
    """An agent described anew, with what the one of its name below may not do."""
    children = {**high.parts()}
    backend, below = children.get("backend"), low.node("backend")
    if backend is not None and below is not None and backend.is_mapping and below.is_mapping:
        children["backend"] = _limited(below, backend)
    rule = low.node("permissions")
    rule = None if rule is None else _rule(rule)
    if rule is not None and rule.is_mapping:
        kept = {"deny": rule.node("deny")}
        if rule.get("mode") in _STRICTER:
            kept["mode"] = rule.node("mode")
        strict = {name: node for name, node in kept.items() if node is not None}
        said = children.get("permissions")
        if strict:
            alone = _Node(None, low.layer, rule.there, strict)
            children["permissions"] = alone if said is None else _over(alone, said, "permissions")
    return _Node(None, high.layer, high.there, children)


def _one_agent(high: _Node) -> _Node:
    """MassGen's ``agent:`` is a team of one."""
    parts = high.parts()
    alone = parts.get("agent")
    if alone is None or "agents" in parts or not alone.is_mapping:
        return high
    kept = {key: node for key, node in parts.items() if key != "agent"}
    kept["agents"] = _Node(None, high.layer, alone.there, [alone])
    return _Node(None, high.layer, high.there, kept)


def _listed(
    low: _Node | None, high: _Node, pool: dict[str, _Node], key: str, ours: frozenset[int]
) -> _Node:
    """A list of named things over another.

    Args:
        low: What is below; it chooses nothing any more.
        high: The list.
        pool: Everything that was named so far.
        key: What the list is called.
        ours: Layers that nobody wrote for this machine or project.
    """
    name, whole = NAMED[key]
    if high.is_mapping:
        return _changed(low, high, pool)
    if not high.is_list:
        return high
    chosen: list[_Node] = []
    for item in high.items():
        if isinstance(item.value, str) and item.mixed is None:
            named = _Node(item.value, item.layer, item.there)
            item = _Node(None, item.layer, item.there, {name: named})
        known = item.get(name) if item.is_mapping else None
        if isinstance(known, str):
            below = pool.get(known)
            if below is not None and item.get(*whole) is None:
                item = _over(below, item, "")
            elif below is not None and below.layer not in ours:
                anew = _anew(below, item) if key == "agents" else item
                item = replace(anew, instead=below)
            pool[known] = item
        chosen.append(item)
    return _Node(None, high.layer, high.there, chosen)


def _changed(low: _Node | None, high: _Node, pool: dict[str, _Node]) -> _Node:
    """Changes of things by their names, which choose nothing: how variables say it."""
    items = low.items() if low is not None and low.is_list else []
    changes = dict(high.parts())
    for known, below in pool.items():
        node = changes.pop(plain_name(known), None)
        if node is not None:
            pool[known] = _over(below, node, "")
            items = [pool[known] if item is below else item for item in items]
    if changes or low is None:
        return high  # nobody is called so: the check of the whole says it
    return _Node(None, low.layer, low.there, items)


def plain_name(name: str) -> str:
    """A name as the name of a variable can say it."""
    return "".join(c if c.isalnum() else "_" for c in name).lower()


def agents_of(body: object) -> list[dict[str, Any]]:
    """The agents that a file lists, in either form."""
    if not isinstance(body, dict):
        return []
    top = cast("dict[str, Any]", body)
    listed = top.get("agents")
    every = [*(cast("list[Any]", listed) if isinstance(listed, list) else ()), top.get("agent")]
    return [cast("dict[str, Any]", each) for each in every if isinstance(each, dict)]
