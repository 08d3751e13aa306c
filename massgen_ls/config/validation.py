"""Layers → values of the core, or every problem there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError

from massgen_ls.config.document import Document
from massgen_ls.config.expand import expand
from massgen_ls.config.explain import explain
from massgen_ls.config.layers import Layer, Merged, merge
from massgen_ls.config.load import Loaded
from massgen_ls.config.problems import InvalidConfig, Problem
from massgen_ls.config.schema import Configuration, Worker
from massgen_ls.core.budget import Limits, micros
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    ConsensusRules,
    CrossTestRules,
    Rules,
    Voting,
    WorktreeRules,
)

_NO_MAPPING = "a configuration is a mapping with keys such as `agents` and `checks`"


def examine(
    merged: Merged, environ: Mapping[str, str], folder: str = ""
) -> tuple[Configuration | None, Merged, list[Problem]]:
    """Checks the whole. Never raises.

    Args:
        merged: The layers, one over the other.
        environ: For ``${NAME}``.
        folder: The folder that the user opened.

    Returns:
        The configuration where it can be used, the same with its variables replaced, and every
        problem with the file that it comes from, in the order of the files.
    """
    problems = [
        Problem(_NO_MAPPING, file=layer.source)
        for layer in merged.layers
        if not layer.maps and layer.body is not None
    ]
    merged, found = expand(merged, environ, folder)
    problems += found
    parsed: Configuration | None = None
    try:
        parsed = Configuration.model_validate(merged.body)
    except ValidationError as errors:
        told = {(p.file, p.where) for p in problems if p.severity == "error"}
        wrong = [explain(merged, e, Configuration) for e in errors.errors(include_url=False)]
        problems += [p for p in wrong if (p.file, p.where) not in told or p.on_key]
    ranks = {layer.source: rank for rank, layer in enumerate(merged.layers)}
    problems = list(dict.fromkeys(problems))
    problems.sort(key=lambda p: (ranks.get(p.file, -1), p.line, p.column))
    if any(p.severity == "error" for p in problems):
        return None, merged, problems
    return parsed, merged, problems


def validated(merged: Merged, environ: Mapping[str, str], folder: str, shown: str) -> Loaded:
    """The effective configuration as values of the core.

    Args:
        merged: The layers, one over the other.
        environ: For ``${NAME}``.
        folder: The folder that the user opened.
        shown: Where it comes from, for people.

    Raises:
        InvalidConfig: With every problem.
    """
    parsed, merged, problems = examine(merged, environ, folder)
    if parsed is None:
        raise InvalidConfig([p for p in problems if p.severity == "error"], shown)
    return replace(values(parsed, shown), merged=merged, warnings=tuple(problems))


def validate(document: Document, shown: str) -> Loaded:
    """One parsed file alone, without layers and variables.

    Raises:
        InvalidConfig: With every problem: place, what is wrong, what was perhaps meant.
    """
    return validated(merge([Layer("project", document, shown, "project")]), {}, "", shown)


def values(parsed: Configuration, shown: str) -> Loaded:
    """A valid configuration as values of the core."""
    agents = parsed.workers
    rules = parsed.orchestrator
    limits = rules.limits
    return Loaded(
        tuple(_agent(agent.id, agent) for agent in agents),
        tuple(CheckSpec(c.name, c.argv, c.timeout, c.parser) for c in parsed.checks),
        Rules(
            mode=rules.mode,
            agents=rules.agents,
            max_agents=rules.max_agents,
            attempt_timeout=rules.attempt_timeout,
            run_timeout=rules.timeout,
            quorum=rules.quorum,
            sandbox=rules.sandbox,
            worktree=WorktreeRules(**parsed.worktree.model_dump()),
            limits=Limits(
                None if limits.max_cost is None else micros(limits.max_cost),
                limits.max_tokens,
                limits.max_minutes,
            ),
            share_candidates=rules.share_candidates,
            instructions=rules.instructions,
            voting=_voting(parsed),
            cross_tests=CrossTestRules(**rules.cross_tests.model_dump()),
            early_exit=rules.early_exit,
            consensus=ConsensusRules(
                rules.max_new_answers_per_agent,
                rules.max_new_answers_global,
                rules.answer_novelty_requirement,
                rules.voting_sensitivity,
            ),
            fusion=rules.fusion.enabled,
        ),
        shown,
    )


def _voting(parsed: Configuration) -> Voting:
    given = parsed.orchestrator.voting
    agents = {agent.id: agent for agent in parsed.workers}
    judges = (
        _agent(j.id, agents[j.id] if j.backend is None else Worker(backend=j.backend))
        for j in given.judges
    )
    return Voting(given.rule, given.margin, tuple(judges), given.max_ballots, given.timeout)


def _agent(seat: str, agent: Worker) -> AgentSpec:
    settings = agent.backend.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    if key := settings.pop("api_key", None):
        settings["api_key_env"] = key[2:-1]  # MassGen's form of a name: ${NAME}
    rule = agent.permissions
    return AgentSpec(
        AgentId(seat),
        agent.backend.type,
        settings,
        agent.system_message,
        Permissions(rule.mode, rule.allow, rule.deny),
        _agent(seat, agent.fallback) if agent.fallback else None,
    )
