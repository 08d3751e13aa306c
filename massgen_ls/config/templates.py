"""The teams that come with us, ready to be copied: ``configs/*.yaml``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from massgen_ls.config.sources import shipped
from massgen_ls.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Template:
    """A ready team."""

    name: str
    text: str
    """The file, with its comments."""
    about: str
    """What it is, in one line: the first sentence of its first comment."""


@cache
def templates() -> Mapping[str, Template]:
    """All of them by their names, in the order of these. Reads files."""
    files = {
        each.name.removesuffix(".yaml"): each.read_text("utf-8")
        for each in shipped().iterdir()
        if each.name.endswith(".yaml")
    }
    return {name: Template(name, text, _about(text)) for name, text in sorted(files.items())}


def template(name: str) -> Template:
    """The one of this name.

    Raises:
        ConfigError: There is none.
    """
    known = templates()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"There is no template {name!r}", f"{meant}There are: {', '.join(known)}")
    return known[name]


def _about(text: str) -> str:
    comment = re.match(r"(?:#[^\n]*\n)+", text)
    lines = comment[0].split("\n") if comment else []
    paragraph = " ".join(line.removeprefix("#").strip() for line in lines).strip()
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0].rstrip(".")
