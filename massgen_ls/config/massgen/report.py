"""What became of a MassGen file, entry by entry, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from massgen_ls.config.problems import Problem

Kind = Literal["massgen", "massgen-ls"]
Fate = Literal["errors", "mapped", "ignored", "refused"]
FATES: tuple[Fate, ...] = ("errors", "refused", "ignored", "mapped")
"""The lists of a report, the most urgent first."""


@dataclass(frozen=True, slots=True)
class Report:
    """Four lists. Every leaf of a MassGen document stands in exactly one of them."""

    kind: Kind
    errors: tuple[Problem, ...] = ()
    """What nobody can understand, MassGen neither."""
    mapped: tuple[Problem, ...] = ()
    """What is used here, and as what."""
    ignored: tuple[Problem, ...] = ()
    """What has no effect here, each with the reason."""
    refused: tuple[Problem, ...] = ()
    """What would make a run do something else than its author meant."""

    @property
    def ok(self) -> bool:
        """Whether it can be run: nothing is wrong and nothing is refused."""
        return not self.errors and not self.refused

    def lists(self) -> Iterator[tuple[Fate, tuple[Problem, ...]]]:
        """Each list with its name."""
        for fate in FATES:
            yield fate, getattr(self, fate)

    def plain(self) -> dict[str, object]:
        """For programs: ``ok, kind, errors, mapped, ignored, refused``."""
        lists = {fate: [problem.plain() for problem in problems] for fate, problems in self.lists()}
        order = ("errors", "mapped", "ignored", "refused")
        return {"ok": self.ok, "kind": self.kind, **{fate: lists[fate] for fate in order}}
