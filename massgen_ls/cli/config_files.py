"""``massgen-ls config check`` and ``config import``: whose a file is, and what becomes of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.core.errors import ConfigError

if TYPE_CHECKING:
    from massgen_ls.cli.options import ConfigCheckOptions, ConfigImportOptions
    from massgen_ls.config.document import Document
    from massgen_ls.config.massgen.report import Fate, Report
    from massgen_ls.config.problems import Problem

_OK, _NOT_OK = 0, 2
_HEADINGS: dict[Fate, str] = {
    "errors": "Wrong",
    "refused": "Refused: running without it would do something else than was meant",
    "ignored": "Not used here",
    "mapped": "Used",
}
_SHOWN_PLACES = 6


def check(options: ConfigCheckOptions) -> int:
    """Says what is in a file."""
    from massgen_ls.config.files import checked

    document, report = checked(Path(options.file))
    if options.json:
        sys.stdout.write(json.dumps(report.plain(), indent=2, ensure_ascii=True) + "\n")
    else:
        _print(_shown(options.file, report, document))
    return _OK if report.ok else _NOT_OK


def import_file(options: ConfigImportOptions) -> int:
    """Writes our file out of MassGen's.

    Raises:
        ConfigError: The file is not MassGen's, has errors, or the output is there or cannot be
            written. Nothing is written then.
    """
    from massgen_ls.config.files import checked
    from massgen_ls.config.massgen.writing import write

    source, output = Path(options.file), Path(options.output)
    document, report = checked(source)
    if report.errors:
        return check(options)
    if report.kind != "massgen":
        raise ConfigError(
            f"{source} is a configuration of massgen-ls already", "It can be used as it is"
        )
    text = write(document, report, source.name)
    _write(output, text, force=options.force)
    if options.json:
        told = {**report.plain(), "output": str(output)}
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=True) + "\n")
        return _OK
    _print([*_shown(options.file, report, document), "", f"{output} is written."])
    if report.refused:
        _print(["What is refused above is not in it: look for NEEDS YOUR HAND before you use it."])
    return _OK


def _write(output: Path, text: str, *, force: bool) -> None:
    try:
        if not force:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
            return
        beside = output.with_name(f".{output.name}.{os.getpid()}")
        beside.write_text(text, "utf-8")
        beside.replace(output)
    except FileExistsError:
        raise ConfigError(
            f"{output} is there already", "Name another file with --output, or give --force"
        ) from None
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error


def _shown(file: str, report: Report, document: Document) -> Iterator[str]:
    from massgen_ls.config.files import missing
    from massgen_ls.config.massgen.report import FATES

    if document.body == {} and [p.where for p in report.errors] == [()]:
        (problem,) = report.errors
        then = f" ({problem.suggestion})" if problem.suggestion else ""
        yield f"{file}:{problem.line}:{problem.column}: {problem.message}{then}"
        return
    whose = "a configuration of MassGen" if report.kind == "massgen" else "a configuration"
    parts = missing(document) if report.ok else []
    can = "can be used" if report.ok else "cannot be used as it is"
    if parts:
        can = f"is right; a run needs the drivers for {parts[0]}, which are not built yet"
    yield f"{file}: {whose}, which {can}"
    lists = dict(report.lists())
    counts = [f"{len(lists[fate])} {word}" for fate, word in _COUNTED.items() if lists[fate]]
    if counts:
        yield f"  {', '.join(counts)}"
    for fate in FATES:
        if lists[fate]:
            yield ""
            yield f"{_HEADINGS[fate]}:"
            yield from _groups(lists[fate])


_COUNTED: dict[Fate, str] = {
    "errors": "wrong",
    "refused": "refused",
    "ignored": "not used",
    "mapped": "used",
}


def _groups(problems: Sequence[Problem]) -> Iterator[str]:
    from massgen_ls.config.massgen.writing import grouped

    for group in grouped(problems):
        first = group[0]
        if len(group) == 1:
            place = f"{first.line}:{first.column}"
            yield f"  {place:<8}{first.path or 'the file'}: {first.message}"
        else:
            yield f"  {first.message}"
            for each in group[:_SHOWN_PLACES]:
                yield f"    {f'{each.line}:{each.column}':<8}{each.path}"
            if len(group) > _SHOWN_PLACES:
                yield f"    … and {len(group) - _SHOWN_PLACES} more"
        if first.suggestion:
            yield f"          → {first.suggestion}"


def _print(lines: Iterator[str] | list[str]) -> None:
    from massgen_ls.cli.shown import harmless

    for line in lines:
        sys.stdout.write(harmless(line) + "\n")
