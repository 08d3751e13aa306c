r"""Episodes as a file, YAML or JSON: for trying a program by hand.

A list is one conversation for everyone, a mapping has one for each seat. A turn is a list of steps,
or ``{steps: […], usage: {…}}``; a step is its name and its fields, or the first field alone::

    - - text: I will greet.
      - write: {path: hello.txt, text: "Hello\n"}
    - - refuse: {status: 429, headers: {retry-after: "1"}}
    - - cut: {text: this will not be heard to its end}
    - - text: Done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from massgen_ls.config.document import parse
from massgen_ls.core.errors import ConfigError
from massgen_ls.testing.models import episode as e
from massgen_ls.testing.models.episode import Episode, Step, Turn, Usage

STEPS: Mapping[str, type[Any]] = {
    "text": e.Text,
    "thinking": e.Thinking,
    "answer": e.Answer,
    "write": e.Write,
    "edit": e.Edit,
    "read": e.Read,
    "shell": e.Shell,
    "native": e.Native,
    "refuse": e.Refuse,
    "too-long": e.TooLong,
    "cut": e.Cut,
    "reset": e.Reset,
    "garbage": e.Garbage,
    "silence": e.Silence,
}
"""All steps but `Wait`: a gate needs someone to open it."""


def episodes(text: str, shown: str) -> dict[str, Episode]:
    """The episodes of a file by seat; ``"*"`` is everyone.

    Raises:
        ConfigError: it is no YAML, or a step in it is none.
    """
    body = parse(text, shown).body
    seats = cast("dict[str, Any]", body) if isinstance(body, dict) else {"*": body}
    try:
        return {str(seat): Episode(*map(turn_of, turns)) for seat, turns in seats.items()}
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{shown}: {error}") from error


def turn_of(written: Any) -> Turn:
    """A turn; raises ValueError or TypeError with what is wrong."""
    if isinstance(written, dict):
        whole = cast("dict[str, Any]", written)
        usage = Usage(**whole.get("usage", {}))
        return Turn(*map(step_of, whole["steps"]), usage=usage) if "steps" in whole else bad(whole)
    if not isinstance(written, list):
        return bad(written)
    return Turn(*map(step_of, cast("list[Any]", written)))


def bad(written: Any) -> Turn:
    """Raises: this is no turn."""
    raise ValueError(f"{written!r} is no turn. A turn is a list of steps: [{{text: Hello}}].")


def step_of(written: Any) -> Step:
    """A step; raises ValueError or TypeError with what is wrong."""
    pairs: list[tuple[str, Any]] = (
        [(written, None)]
        if isinstance(written, str)
        else list(cast("dict[str, Any]", written).items())
        if isinstance(written, dict)
        else []
    )
    if len(pairs) != 1 or pairs[0][0] not in STEPS:
        raise ValueError(f"{written!r} is no step. A step is one of {', '.join(STEPS)}.")
    name, given = pairs[0]
    kind = STEPS[name]
    if name == "cut":
        return e.Cut(cast("Any", step_of(given)) if given else None)
    if name == "answer":
        return e.Answer(given)
    if isinstance(given, dict):
        return kind(**cast("dict[str, Any]", given))
    if given is None:
        return kind()
    if name == "garbage":
        given = str(given).encode()
    return kind(**{fields(kind)[0].name: given})
