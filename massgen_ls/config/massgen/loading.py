"""Where a MassGen file is loaded as if it were ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from massgen_ls.config.document import Document
from massgen_ls.config.problems import Problem

OURS = frozenset({"checks", "worktree", "profiles", "include"})
"""Keys at the top that make a file ours without a look at the tables, which take long to build."""


def understood(document: Document) -> tuple[Document, Sequence[Problem]]:
    """A document in our words, whoever wrote it, and what is to be said about it.

    Args:
        document: As it was read.

    Returns:
        Of ours: itself and its problems. Of MassGen's: what it means here; what is wrong or refused
        as errors, what has no effect as warnings, one for each reason.
    """
    if document.problems:
        return document, document.problems
    body: object = document.body
    if isinstance(body, dict) and not OURS.isdisjoint(cast("dict[str, object]", body)):
        return document, ()
    from massgen_ls.config.massgen.kind import kind_of

    if kind_of(document.body) != "massgen":
        return document, ()
    from massgen_ls.config.massgen.mapping import convert
    from massgen_ls.config.massgen.writing import grouped

    ours, report = convert(document)
    # With errors it is not whole: nobody should look for more of them in what is left.
    return replace(ours, problems=report.errors), (
        *report.errors,
        *report.refused,
        *(group[0] for group in grouped(report.ignored)),
    )
