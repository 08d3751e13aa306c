"""Stored JSON → events. The other direction is `massgen_ls.core.wire`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import cattrs

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.events import Event

# cattrs and not pydantic: pydantic refuses strings with lone surrogates, and file names have them.
_CONVERTER = cattrs.Converter(forbid_extra_keys=False)


def _as_is(value: Any, _: Any) -> Any:
    return value


# The one mapping among the events is an agent's settings: JSON already.
_CONVERTER.register_structure_hook_func(lambda t: get_origin(t) is Mapping, _as_is)
_KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in get_args(Event)}


def event_from(body: dict[str, Any]) -> Event | None:
    """An event out of its stored form; None for a kind that a newer version has written."""
    kind = _KINDS.get(str(body.get("kind")))
    if kind is None:
        return None
    return _CONVERTER.structure({k: v for k, v in body.items() if k != "kind"}, kind)


def check_result_from(body: dict[str, Any]) -> CheckResult:
    """A check's result out of its stored form."""
    return _CONVERTER.structure(body, CheckResult)
