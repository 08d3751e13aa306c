"""``massgen-ls config``: what counts here and where it was said, the schema, and single files."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgen_ls.cli import config_files
from massgen_ls.core.wording import one_line

if TYPE_CHECKING:
    from massgen_ls.cli import Options
    from massgen_ls.config.effective import Setting
    from massgen_ls.config.layers import Origin


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],  # pyright: ignore[reportPrivateUsage] # argparse has no public name for it
    common_arguments: Callable[[argparse.ArgumentParser], None],
) -> None:
    """The arguments of the group. Imports nothing heavy."""
    group = commands.add_parser("config", help="show, check and import configurations")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)

    show = actions.add_parser(
        "show",
        help="show what counts in this folder",
        description="Shows the configuration that counts in this folder: defaults, your own file,"
        " the project's, a profile, variables. Keys are never shown, only their names.",
    )
    common_arguments(show)
    show.add_argument("--origin", action="store_true", help="also say where each value was said")
    show.add_argument("--json", action="store_true", help="for programs")
    show.add_argument("--mode", choices=["best_of_n", "consensus"], help="as for run")

    actions.add_parser("schema", help="print the JSON schema of configuration files")
    config_files.add_parsers(actions)

    ready = actions.add_parser(
        "templates",
        help="list ready teams, or print one",
        description="Lists the teams that come with massgen-ls, or prints one with its comments."
        " `massgen-ls init --template NAME` makes one the team of a project.",
    )
    ready.add_argument("name", nargs="?", metavar="NAME", help="print this one")
    ready.add_argument("--json", action="store_true", help="for programs")


def config(options: Options) -> int:
    """Performs one action of the group."""
    return _ACTIONS[options.action](options)


def _show(options: Options) -> int:
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


def _schema(_: Options) -> int:
    from massgen_ls.config.published import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


def _templates(options: Options) -> int:
    from massgen_ls.config.templates import template, templates

    if options.name:
        found = template(options.name)
        told = {"name": found.name, "about": found.about, "text": found.text}
        sys.stdout.write(json.dumps(told, indent=2) + "\n" if options.json else found.text)
        return 0
    if options.json:
        rows = [{"name": t.name, "about": t.about} for t in templates().values()]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    width = max(map(len, templates()))
    for each in templates().values():
        lines = textwrap.wrap(each.about, max(20, 78 - width))
        sys.stdout.write(f"{each.name:<{width}}  {lines[0]}\n")
        sys.stdout.write("".join(f"{'':<{width}}  {line}\n" for line in lines[1:]))
    return 0


_ACTIONS: dict[str, Callable[[Any], int]] = {
    "show": _show,
    "schema": _schema,
    "templates": _templates,
    "check": config_files.check,
    "import": config_files.import_file,
}
