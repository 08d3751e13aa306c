"""``massgen-ls config``: what counts here and where it was said, the schema, and single files."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.core.wording import one_line

if TYPE_CHECKING:
    from massgen_ls.cli.options import (
        ConfigSchemaOptions,
        ConfigShowOptions,
        ConfigTemplatesOptions,
    )
    from massgen_ls.config.effective import Setting
    from massgen_ls.config.layers import Origin


def show(options: ConfigShowOptions) -> int:
    """What counts in a folder, with ``--origin`` also where it was said."""
    from massgen_ls.cli.run import folder_of
    from massgen_ls.config import Beside, load
    from massgen_ls.config.effective import settings

    folder = folder_of(options)
    said = [("--mode", ("orchestrator", "mode"), options.mode)] if options.mode else []
    loaded = load(folder, options.config, Beside(profile=options.profile, arguments=said))
    found = settings(loaded.merged)
    for warning in loaded.warnings:
        sys.stderr.write(f"massgen-ls: {one_line(warning.shown(loaded.source))}\n")
    if options.json:
        rows = [each.plain() for each in found]
        sys.stdout.write(json.dumps({"source": loaded.source, "settings": rows}, indent=2) + "\n")
        return 0
    lines = _lines(found, folder) if options.origin else (f"{s.path}: {_value(s)}" for s in found)
    sys.stdout.write("".join(f"{one_line(x)}\n" for x in (f"# {loaded.source}", *lines)))
    return 0


def _lines(found: list[Setting], folder: Path) -> Iterator[str]:
    """``path: value`` and the origin behind it, in columns where they are short enough."""

    def named(origin: Origin) -> str:
        at = origin.shown().removeprefix(f"{folder}/")
        return at if origin.layer == "defaults" else f"{origin.layer}: {at}"

    rows = [(f"{each.path}: {_value(each)}", each) for each in found]
    width = max((len(text) for text, _ in rows if len(text) <= 60), default=0)
    for text, each in rows:
        below = f", instead of {named(each.instead_of)}" if each.instead_of else ""
        yield f"{text:<{width}}  # {named(each.origin)}{below}"


def _value(setting: Setting) -> str:
    return json.dumps(setting.value, ensure_ascii=False)


def schema(_: ConfigSchemaOptions) -> int:
    """The JSON schema."""
    from massgen_ls.config.published import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


def templates(options: ConfigTemplatesOptions) -> int:
    """The ready teams, or the text of one."""
    from massgen_ls.config import templates as ready

    if options.name:
        found = ready.template(options.name)
        told = {"name": found.name, "about": found.about, "text": found.text}
        sys.stdout.write(json.dumps(told, indent=2) + "\n" if options.json else found.text)
        return 0
    known = ready.templates()
    if options.json:
        rows = [{"name": t.name, "about": t.about} for t in known.values()]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    width = max(map(len, known))
    for each in known.values():
        lines = textwrap.wrap(each.about, max(20, 78 - width))
        sys.stdout.write(f"{each.name:<{width}}  {lines[0]}\n")
        sys.stdout.write("".join(f"{'':<{width}}  {line}\n" for line in lines[1:]))
    return 0
