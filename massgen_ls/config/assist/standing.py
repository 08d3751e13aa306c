"""Which of several layers has the last word about a value that stands in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from massgen_ls.config.layers import NAMED, Layer, Merged, Origin, merge
from massgen_ls.config.places import user_files
from massgen_ls.config.problems import Where
from massgen_ls.config.secrets import masked
from massgen_ls.config.sources import Beside, gather
from massgen_ls.core.wording import flat

_LONGEST = 60
_ALONE = "In effect: no other layer says it."
_WORDS = {
    "defaults": "a default", "user": "your own configuration", "project": "the project",
    "profile": "a profile", "editor": "the editor's settings", "environment": "a variable",
    "arguments": "an option",
}  # fmt: skip

Way = tuple["str | int", ...]
"""As `Where`, but the items of a list of named things go by their names."""


def standing(folder: Path, file: Path, where: Where, beside: Beside) -> str:
    """A sentence, in Markdown; empty where there is nothing to say. Never raises.

    Args:
        folder: The folder that the user opened.
        file: The file, absolute.
        where: A value in it.
        beside: What counts beside files.
    """
    found = gather(folder, None, beside, project=file not in user_files(beside.env))
    if not any(layer.source == str(file) for layer in found.layers):
        found = gather(folder, file, beside)
    layers = [layer for layer in found.layers if not layer.document.problems and layer.maps]
    merged = merge(layers)
    root = where[:2] if where[:1] == ("profiles",) else ()
    own = next((x for x in layers if (x.source, x.root) == (str(file), root)), None)
    if own is None:
        return f"Counts when the profile `{root[1]}` is chosen." if len(root) == 2 else ""
    way = _way(own.body, where[len(root) :])
    if way is None or way[:1] in {("profiles",), ("include",)}:
        return ""
    mine, there = _value(own.body, way), _value(merged.body, way)
    if mine is None or not _simple(mine[1]):
        return ""
    if there is None:
        if way[0] in NAMED and len(way) > 1:
            origin = merged.origin((way[0],))
            return f"Not in effect: {_who(origin)} chooses other {way[0]}."
        return ""
    return _told(own, layers, merged, way, there)


def _told(
    own: Layer, layers: Sequence[Layer], merged: Merged, way: Way, there: tuple[Where, Any]
) -> str:
    place, value = there
    origin = merged.origin(place)
    if (origin.layer, origin.source) != (own.name, own.source):
        return f"Not in effect: {_who(origin)} says {_shown(value)}."
    over = [
        f"{_shown(found[1])} of {_who(layer.origin(found[0]))}"
        for layer in reversed(layers[: layers.index(own)])
        if (found := _value(layer.body, way)) is not None and found[1] != value
    ]
    return f"In effect, over {' and '.join(over)}." if over else _ALONE


def _who(origin: Origin) -> str:
    if origin.layer == "defaults":
        return "the built-in team" if origin.line else "the default"
    if origin.layer == "editor":
        return _WORDS["editor"]
    at = f"{Path(origin.source).name}:{origin.line}" if origin.line else origin.source
    return f"{_WORDS[origin.layer]} (`{at}`)"


def _shown(value: Any) -> str:
    return f"`{flat(masked(value), _LONGEST)}`"


def _simple(value: Any) -> bool:
    """No mapping, and no list of them."""
    if isinstance(value, list):
        return not any(isinstance(each, dict | list) for each in cast("list[object]", value))
    return not isinstance(value, dict)


def _named(body: Any, key: str) -> Iterator[tuple[Where, str, Any]]:
    """The items of a list of named things: where each stands, and its name."""
    given = cast("dict[str, Any]", body)
    alone = given.get("agent") if key == "agents" else None
    if isinstance(alone, dict) and "agents" not in given:
        yield ("agent",), str(cast("dict[str, Any]", alone).get("id")), alone
    listed = given.get(key)
    for index, item in enumerate(cast("list[Any]", listed) if isinstance(listed, list) else ()):
        name = cast("dict[str, Any]", item).get(NAMED[key][0]) if isinstance(item, dict) else item
        yield (key, index), str(name), item


def _way(body: Any, where: Where) -> Way | None:
    """The way to a value, by names."""
    for key in NAMED:
        for place, name, _ in _named(body, key):
            if where[: len(place)] == place:
                return (key, name, *where[len(place) :])
    return where


def _value(body: Any, way: Way) -> tuple[Where, Any] | None:
    """What a layer says there, and where; None: nothing."""
    place: Where = ()
    rest: Where = way
    value = body
    if len(way) > 1 and way[0] in NAMED:
        found = next((e for e in _named(body, str(way[0])) if e[1] == way[1]), None)
        if found is None:
            return None
        place, _, value = found
        rest = way[2:]
    for part in rest:
        if isinstance(value, dict) and part in value:
            value = cast("dict[Any, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("Any", value)):
            value = cast("list[Any]", value)[part]
        else:
            return None
        place = (*place, part)
    return place, value
