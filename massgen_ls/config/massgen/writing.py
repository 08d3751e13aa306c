"""Our document → a YAML file for people, with comments where something needs to be known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, cast

import yaml

from massgen_ls.config.document import Document, Where
from massgen_ls.config.massgen.report import Report
from massgen_ls.config.problems import Problem
from massgen_ls.core.wording import flat

_WIDTH = 92


def write(document: Document, report: Report, source: str) -> str:
    """The text of a configuration file.

    Args:
        document: What `convert` returned.
        report: What it returned with it; refused and ignored keys become comments.
        source: The name of the MassGen file.
    """
    body = cast("dict[str, Any]", document.body)
    lines = [f"# From {flat(source)}, a configuration of MassGen."]
    lines.append("# What had no effect here, or needs your hand, is noted where it stood.")
    noted: set[Problem] = set()
    for key, value in body.items():
        lines.append("")
        if key == "agents" and isinstance(value, list):
            lines.append("agents:")
            for i, agent in enumerate(cast("list[Any]", value)):
                lines += _notes(report, ("agents", i), "  ", noted)
                lines += dumped([agent], "  ")
        else:
            lines += _notes(report, (key,), "", noted)
            lines += dumped({key: value}, "")
    others = list(_notes(report, (), "", noted))
    if others:
        lines += ["", *others]
    return "\n".join(lines) + "\n"


def _notes(report: Report, where: Where, indent: str, noted: set[Problem]) -> Iterator[str]:
    for fate, problems in (("NEEDS YOUR HAND", report.refused), ("Not used", report.ignored)):
        here = [p for p in problems if p.where[: len(where)] == where and p not in noted]
        noted.update(here)
        for group in grouped(here):
            first = group[0]
            names = ", ".join(
                dict.fromkeys(flat(_key(p.where, len(where)) or p.path) for p in group)
            )
            then = f" {flat(first.suggestion)}." if first.suggestion else ""
            text = f"{fate}: {names} ({_lines(group)}): {flat(first.message)}.{then}"
            for line in wrap(text, _WIDTH - len(indent), break_on_hyphens=False):
                yield f"{indent}# {line}"


def grouped(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Problems that say the same, together, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.message, problem.suggestion), []).append(problem)
    return list(groups.values())


def _lines(group: Sequence[Problem]) -> str:
    numbers = list(dict.fromkeys(p.line for p in group))
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    shown = ", ".join(str(n) for n in numbers[:4])
    return f"lines {shown}{', …' if len(numbers) > 4 else ''}"


def _key(where: Where, depth: int) -> str:
    """The key of a group or a setting, without what is below an agent's setting."""
    rest = [str(part) for part in where[depth:] if isinstance(part, str)]
    return ".".join(rest[:2])


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, and lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: FBT001, FBT002
        del indentless
        return super().increase_indent(flow, False)  # noqa: FBT003 # PyYAML's own signature

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)  # pyright: ignore[reportUnknownMemberType] # the stub does not say


_Dumper.add_representer(str, _text)  # pyright: ignore[reportUnknownMemberType] # the stub does not say


def dumped(value: Any, indent: str) -> list[str]:
    """The lines of a value as a block, for people."""
    text: str = yaml.dump(  # pyright: ignore[reportUnknownMemberType] # the stub does not say
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH, indent=2
    )
    # A line of a text may hold an odd line end, which is none for YAML's reader here.
    return [f"{indent}{line}" if line else line for line in text.rstrip("\n").split("\n")]


def in_line(value: Any) -> str:
    """A list or mapping in one line."""
    text: str = yaml.dump(  # pyright: ignore[reportUnknownMemberType] # the stub does not say
        value,
        Dumper=yaml.SafeDumper,
        allow_unicode=True,
        sort_keys=False,
        width=float("inf"),
        default_flow_style=True,
    )
    return text.strip()
