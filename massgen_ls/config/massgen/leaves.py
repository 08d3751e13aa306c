"""The leaves of a document: scalars, and mappings and lists that are empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from massgen_ls.config.document import Where


def leaves(where: Where, value: Any) -> Iterator[tuple[Where, Any]]:
    """Each leaf with the way to it, in the order of the file."""
    if isinstance(value, dict) and value:
        for key, below in cast("dict[str, Any]", value).items():
            yield from leaves((*where, key), below)
    elif isinstance(value, list) and value:
        for i, below in enumerate(cast("list[Any]", value)):
            yield from leaves((*where, i), below)
    else:
        yield where, value
