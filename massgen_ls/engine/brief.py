"""What an agent is told about its task."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from massgen_ls.core.task import AgentSpec, CheckSpec, Origin, RunSpec, Scope, SeatId, Task
from massgen_ls.engine import prompts
from massgen_ls.ports import Access, Brief, Picture


def brief(
    agent: AgentSpec,
    spec: RunSpec,
    attempt: int,
    *,
    briefed: bool,
    access: Access | None = None,
    before: str = "",
    pictures: tuple[Picture, ...] = (),
    past: str = "",
) -> Brief:
    """One agent's order for one attempt.

    Args:
        agent: Who is told.
        spec: The run.
        attempt: From 1.
        briefed: Whether it reads rules. A program that does not is given the user's own words and
            the scope, after its system message, and nothing else.
        access: Our tools, where it has them.
        before: What it is to go on from, where it improves on a candidate.
        pictures: Those of the task, where it can read them.
        past: A file with the conversation that it can go on from.
    """
    task = spec.task
    seat = SeatId(str(agent.id))
    system = agent.system_message.strip()
    shown = "\n".join(prompts.PICTURE.format(name=p.name, path=p.path) for p in pictures)
    if not briefed:
        text = _joined(system, task.prompt, _scope(task.scope), shown)
        return Brief(task, seat, attempt, text, pictures=pictures)
    context = prompts.CONTEXT.format(context=task.context) if task.context else ""
    rules = _worktree(spec, access)
    text = _joined(task.prompt, _scope(task.scope), shown, context, before, rules)
    told = Brief(task, seat, attempt, text, system, pictures=pictures)
    if (origin := origin_of(task, agent)) is None:
        return told
    onward = _joined(task.prompt, _scope(task.scope), shown, before, rules)
    return replace(told, origin=origin.session, past=past, onward=onward)


def origin_of(task: Task, agent: AgentSpec) -> Origin | None:
    """The conversation that an agent can go on from: only its own kind can."""
    return task.origin if task.origin is not None and task.origin.type == agent.type else None


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _scope(scope: Scope) -> str:
    lines: list[str] = []
    if scope.path:
        within = (
            prompts.LINES.format(first=scope.lines.first, last=scope.lines.last)
            if scope.lines
            else ""
        )
        lines.append(prompts.SCOPE.format(path=scope.path, lines=within))
    for diagnostic in scope.diagnostics:
        lines.append(
            prompts.DIAGNOSTIC.format(
                path=diagnostic.path,
                line=diagnostic.line,
                source=f"{diagnostic.source}: " if diagnostic.source else "",
                message=diagnostic.message,
                code=f" [{diagnostic.code}]" if diagnostic.code else "",
            )
        )
    return "\n".join(lines)


def _worktree(spec: RunSpec, access: Access | None) -> str:
    checks = prompts.CHECKS.format(names=_named(spec.checks)) if spec.checks else ""
    submit = prompts.TOOLS.format(server=access.name) if access else ""
    return prompts.WORKTREE.format(checks=checks, submit=submit)


def _named(checks: tuple[CheckSpec, ...]) -> str:
    # `{python}` and the like are ours; on an agent's PATH the plain name is the same program.
    return ", ".join(f"{check.name} (`{_command(check.argv)}`)" for check in checks)


def _command(argv: tuple[str, ...]) -> str:
    """A check's command without our placeholders: on an agent's PATH ``python`` is the same."""
    return shlex.join(_PLACEHOLDER.sub(r"\1", word) for word in argv)


_PLACEHOLDER = re.compile(r"\{(\w+)\}")
