"""Every problem of one file, for editors and for checks: nothing raises, nothing is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from massgen_ls.config.layers import Layer, merge
from massgen_ls.config.places import user_files
from massgen_ls.config.problems import Problem
from massgen_ls.config.sources import Beside, Gathered, gather, profiles_of
from massgen_ls.config.validation import examine


def problems_of(file: Path, beside: Beside | None = None) -> list[Problem]:
    """What is wrong in a file or worth knowing, where it stands, in its order. Never raises.

    The file is seen in its place: over the user's own, with what it includes, and once with each of
    its profiles.

    Args:
        file: Absolute; an editor's newer text of it comes through ``beside.read``.
        beside: What counts beside files.
    """
    beside = beside or Beside()
    mine = file in user_files(beside.env)
    inside = file.parent.name == ".massgen"
    folder = file.parent.parent if inside else file.parent
    found = gather(folder, None if mine else file, beside, project=not mine)
    own = str(file)
    unread = [p for p in found.problems if p.file == own]
    if any(layer.source == own and layer.document.problems for layer in found.layers):
        return sorted(unread, key=_order)
    problems = dict.fromkeys(unread)
    for layers in _views(found, own):
        _, _, seen = examine(merge(layers), beside.env, str(folder))
        problems.update(dict.fromkeys(p for p in seen if p.file == own))
    return sorted(problems, key=_order)


def problems_here(folder: Path, file: Path | None, beside: Beside) -> list[Problem]:
    """What is wrong or worth knowing in all that counts for a folder. Never raises.

    Args:
        folder: The folder that the user opened.
        file: A configuration file instead of the project's own, absolute.
        beside: What counts beside files.
    """
    found = gather(folder, file, beside)
    if any(p.severity == "error" for p in found.problems):
        return list(found.problems)
    _, _, seen = examine(merge(found.layers), beside.env, str(folder))
    return [*found.problems, *seen]


def _views(found: Gathered, own: str) -> Iterator[Sequence[Layer]]:
    """The file as it is, and with each of its profiles. Files that cannot be read stay out."""
    layers = [layer for layer in found.layers if not layer.document.problems]
    yield layers
    above = next((i for i, layer in enumerate(layers) if layer.source == own), len(layers) - 1) + 1
    for layer in layers[:above]:
        if layer.source != own or layer.root:
            continue
        for name in profiles_of(layer):
            profile = replace(layer, name="profile", root=("profiles", name))
            yield [*layers[:above], profile, *layers[above:]]


def _order(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column
