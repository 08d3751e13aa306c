"""Names of models that may be proposed; the list is made by ``scripts/models``.

It is what agent programs had written in them on the day that they were looked at, and what
configurations of MassGen name. A name that is not in it is as good as one that is: which
models there are only a service knows, and nobody asks one.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Model:
    """A name, and how it is known."""

    name: str
    about: str


@functools.cache
def models(kind: str) -> tuple[Model, ...]:
    """What may be proposed for a type of backend."""
    text = importlib.resources.files("massgen_ls.config").joinpath("models.json").read_text("utf-8")
    found = cast("dict[str, Any]", json.loads(text))
    program = found["programs"].get(kind)
    if program is not None:
        about = f"Known to {program['program']} {program['version']}."
        return tuple(Model(name, about) for name in program["models"])
    about = "Named in configurations of MassGen."
    return tuple(Model(name, about) for name in found["massgen"].get(kind, ()))
