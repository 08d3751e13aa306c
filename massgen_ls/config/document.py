"""YAML text → plain values that remember where they stood, so that errors can name the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from massgen_ls.core.errors import ConfigError

Where = tuple["str | int", ...]
"""The way to a value: keys and indices from the top."""

_MAX_NODES = 50_000
"""Nodes after aliases are expanded: more is a bomb, not a configuration."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file."""

    body: Any
    places: Mapping[Where, tuple[int, int]] = field(repr=False)
    """Line and column of each value, or of its key in a mapping; 1-based."""

    def place(self, where: Where) -> tuple[int, int]:
        """Where a value stands, or the nearest thing around it that does."""
        while where and where not in self.places:
            where = where[:-1]
        return self.places.get(where, (1, 1))


def parse(text: str, shown: str) -> Document:
    """Reads YAML (and so JSON).

    Args:
        text: The file's content.
        shown: Its name in messages.

    Raises:
        ConfigError: It is not YAML, holds a key twice, or grows without measure.
    """
    try:
        root = cast("yaml.Node | None", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] # the stub does not say
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{shown}:{mark.line + 1}:{mark.column + 1}" if mark else shown
        raise ConfigError(f"{at}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: not YAML: {str(error).strip()}") from error
    except RecursionError as error:
        raise ConfigError(f"{shown}: nested too deeply") from error
    builder = _Builder(shown)
    body: Any = builder.build(root, ()) if root is not None else {}
    return Document(body, builder.places)


class _Builder:
    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._count = 0
        self._scalars = yaml.constructor.SafeConstructor()
        self.places: dict[Where, tuple[int, int]] = {}

    def build(self, node: yaml.Node, where: Where) -> Any:
        self._count += 1
        if self._count > _MAX_NODES or len(where) > 50:
            raise ConfigError(f"{self._shown}: too large once its aliases are expanded")
        self.places.setdefault(where, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*where, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        try:
            return self._scalar(node)
        except (yaml.YAMLError, ValueError) as error:
            self._fail(node, f"cannot be understood: {str(error).split(chr(10))[0]}")

    def _scalar(self, node: yaml.Node) -> Any:
        return self._scalars.construct_object(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # the stub does not say

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = self.build(value_node, where)
                parts = cast("list[Any]", merged) if isinstance(merged, list) else [merged]
                for part in parts:
                    if isinstance(part, dict):
                        found = {**cast("dict[str, Any]", part), **found}
                continue
            key = self._scalar(key_node)
            if not isinstance(key, str):
                self._fail(key_node, f"the key {key!r} is not a word")
            place = (*where, key)
            if place in self.places and key in found and key_node.start_mark:
                first = self.places[place][0]
                self._fail(key_node, f"the key {key!r} is there twice (first in line {first})")
            self.places[place] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            found[key] = self.build(value_node, place)
        return found

    def _fail(self, node: yaml.Node, what: str) -> None:
        mark = node.start_mark
        raise ConfigError(f"{self._shown}:{mark.line + 1}:{mark.column + 1}: {what}")
