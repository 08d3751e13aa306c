"""Stored JSON → events. The other direction is `massgen_ls.core.wire`."""

from __future__ import annotations

from typing import Any, get_args

import cattrs

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.events import Event
from massgen_ls.core.task import Json

# cattrs and not pydantic: pydantic refuses strings with lone surrogates, and file names have them.
_CONVERTER = cattrs.Converter(forbid_extra_keys=False)


def _as_is(value: Any, _: Any) -> Any:
    return value


_CONVERTER.register_structure_hook_func(lambda t: t is Json, _as_is)
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
