"""What an agent is told."""

from __future__ import annotations

from massgen_ls.core.task import AgentSpec, Scope, SeatId, Task
from massgen_ls.ports import Brief


def brief(spec: AgentSpec, task: Task, attempt: int) -> Brief:
    """The full text for one agent's attempt.

    A task without scope for an agent without system message is given in the user's own words and
    nothing else.
    """
    parts = [spec.system_message.strip(), task.prompt, _scope(task.scope)]
    text = "\n\n".join(part for part in parts if part)
    return Brief(task, SeatId(str(spec.id)), attempt, text)


def _scope(scope: Scope) -> str:
    lines: list[str] = []
    if scope.path and scope.lines:
        lines.append(f"Scope: {scope.path}, lines {scope.lines.first} to {scope.lines.last}.")
    elif scope.path:
        lines.append(f"Scope: {scope.path}.")
    for diagnostic in scope.diagnostics:
        code = f" [{diagnostic.code}]" if diagnostic.code else ""
        source = f"{diagnostic.source}: " if diagnostic.source else ""
        lines.append(
            f"Diagnostic: {diagnostic.path}:{diagnostic.line}: {source}{diagnostic.message}{code}"
        )
    return "\n".join(lines)
