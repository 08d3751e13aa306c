"""Stored JSON → events. The other direction is `massgen_ls.core.wire`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.events import Event

if TYPE_CHECKING:
    from cattrs import Converter


def _as_is(value: Any, _: Any) -> Any:
    return value


@cache
def _converter() -> Converter:
    # Not pydantic: it refuses strings with lone surrogates, and file names have them.
    # Imported at the first use: the list of runs needs none of it.
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=False)
    # The one mapping among the events is an agent's settings: JSON already.
    converter.register_structure_hook_func(lambda t: get_origin(t) is Mapping, _as_is)
    return converter


_KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in get_args(Event)}


def event_from(body: dict[str, Any]) -> Event | None:
    """An event out of its stored form; None for a kind that a newer version has written."""
    kind = _KINDS.get(str(body.get("kind")))
    if kind is None:
        return None
    return _converter().structure({k: v for k, v in body.items() if k != "kind"}, kind)


def check_result_from(body: dict[str, Any]) -> CheckResult:
    """A check's result out of its stored form."""
    return _converter().structure(body, CheckResult)
