"""Reads texts with tree-sitter, which comes with the extra ``languages``. Implements `Parse`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from massgen_ls.core.syntax import Language, Node

if TYPE_CHECKING:
    from tree_sitter import Parser

_log = logging.getLogger(__name__)

EXTRA: Final = "languages"
_GRAMMARS: Final[dict[Language, tuple[str, str]]] = {
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
}
"""Where each is: a package, and the function in it."""


class TreeSitter:
    """Grammars are imported when they are first asked for. For one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[Language, tuple[Parser, Sequence[str]] | None] = {}

    def languages(self) -> Sequence[Language]:
        """Those that it can read here."""
        return [language for language in _GRAMMARS if self._grammar(language)]

    def __call__(self, language: Language, content: bytes) -> Sequence[Node] | None:
        """All nodes of a text; see `core.syntax.Parse`."""
        grammar = self._grammar(language)
        if grammar is None:
            return None
        parser, kinds = grammar
        tree = parser.parse(content)
        if tree.root_node.has_error:
            return None
        found: list[Node] = []
        add, depth, cursor = found.append, 0, tree.walk()
        into, on, out = cursor.goto_first_child, cursor.goto_next_sibling, cursor.goto_parent
        while True:
            node = cursor.node
            assert node is not None
            add((depth, kinds[node.kind_id], node.start_byte, node.end_byte))
            if into():
                depth += 1
                continue
            while not on():
                if not out():
                    return found
                depth -= 1

    def _grammar(self, language: Language) -> tuple[Parser, Sequence[str]] | None:
        if language not in self._known:
            self._known[language] = _load(*_GRAMMARS[language])
        return self._known[language]


def _load(package: str, function: str) -> tuple[Parser, Sequence[str]] | None:
    """A parser and the names of its kinds of nodes; None where they are not installed."""
    try:
        from tree_sitter import Language as Grammar
        from tree_sitter import Parser

        pointer: object = getattr(import_module(package), function)()
        grammar = Grammar(pointer)
        parser = Parser(grammar)
    except ModuleNotFoundError:
        return None
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        _log.warning("the grammar of %s cannot be used: %s", package, error)
        return None
    kinds = [grammar.node_kind_for_id(n) or "" for n in range(grammar.node_kind_count)]
    return parser, kinds
