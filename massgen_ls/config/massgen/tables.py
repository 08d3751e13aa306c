"""What becomes of the keys at the top of a MassGen file, of an agent, and of the smaller groups.

Facts about MassGen 0.1.x; `orchestrator` and `backend` have tables of their own.
"""

from __future__ import annotations

from massgen_ls.config.massgen.backend import BACKEND
from massgen_ls.config.massgen.orchestrator import ORCHESTRATOR, TIMEOUTS
from massgen_ls.config.massgen.readers import LEVELS, read_id
from massgen_ls.config.massgen.rules import (
    UNREAD,
    Ignored,
    Items,
    Reader,
    Refused,
    Table,
    To,
    Wrong,
    same,
)

SCREEN = Ignored("our command line and your editor have displays of their own")
NLIP = Ignored("NLIP messages between agents are not used here")
MEMORY = Ignored(
    "agents keep no memory between runs",
    "Write what they should always know into the repository's AGENTS.md",
)
V1 = "is a key of MassGen's first version, which MassGen itself no longer reads"
NOT_READ = Ignored("MassGen does not read this key either")

V1_KEYS = {
    **same(
        "models model_configs", Wrong(V1, "List them under `agents`, each with `id`, `backend`")
    ),
    "num_agents": Wrong(V1, "List as many `agents` as you want, each with an `id` and a `backend`"),
    "max_rounds": Wrong(
        V1,
        "Write `orchestrator: {max_new_answers_per_agent: N}`",
        "orchestrator.max_new_answers_per_agent",
    ),
    "consensus_threshold": Wrong(V1, "Take it out: a plurality of the votes wins"),
    **same("voting_enabled enable_voting", Wrong(V1, "Take it out: agents always vote in MassGen")),
    "streaming_display": Wrong(V1, "Write `ui: {display_type: rich_terminal}`, or nothing"),
    "logging": Wrong(V1, "Write `ui: {logging_enabled: true}`, or nothing"),
}
"""At the top."""

AGENT = Table(
    {
        "id": Reader(
            read_id, "`agents[].id`; characters that ours may not have become dashes", required=True
        ),
        "system_message": To("@system_message", "text"),
        "append_system_prompt": To("@system_message", "text"),
        "backend": BACKEND,
        "voting_sensitivity": Ignored(
            "every agent votes by the same rule here",
            f"Write `voting_sensitivity` ({', '.join(LEVELS)}) under `orchestrator`",
        ),
        "subtask": Ignored(
            "every agent works on the whole task; only MassGen's decomposition gives out parts"
        ),
        "main_agent": Ignored("there is no leading agent here: all work alike"),
        "subagent_agents": Ignored("agents start no further agents of ours"),
        "memory": MEMORY,
        **same("enable_nlip nlip nlip_config", NLIP),
        "agent_id": Wrong(V1, "Write `id`", "@id"),
        "agent_type": Wrong(V1, "Write `backend: {type: …}`", "@backend.type"),
        "model_config": Wrong(V1, "Write `backend: {type: …, model: …}`"),
    },
    otherwise=UNREAD,
)

HOOK = Refused(
    "a hook decides about the tools that agents use, and hooks are not run here",
    "Say what is allowed with `permissions` (allow, deny), and take the hook out",
)
HOOKS = Table(
    {
        "PreToolUse": HOOK,
        "PostToolUse": Ignored("hooks are not run here", "Checks judge what an agent has done"),
        "override": Ignored("hooks are not run here"),
    }
)

TOP = Table(
    {
        "agents": Items(AGENT),
        "agent": AGENT,
        "orchestrator": ORCHESTRATOR,
        "timeout_settings": TIMEOUTS,
        "ui": Table(
            same(
                "display_type type logging_enabled automation_mode display_kwargs theme "
                "skip_agent_selector use_orchestrator_for_single_agent skip_setup "
                "vim_mode keep_sessions show_timestamps max_message_length",
                SCREEN,
            ),
            otherwise=SCREEN,
        ),
        "display": SCREEN,
        "memory": MEMORY,
        "hooks": HOOKS,
        "checkpoint": Ignored("agents do not call a team at checkpoints; the whole team works"),
        **same("nlip enable_nlip nlip_config", NLIP),
        "task": Ignored("the task is given when a run is started", "Give it to `massgen-ls run`"),
        "timeout": Ignored(
            "MassGen does not read this key either", "The key that counts is `timeout_settings`"
        ),
        "session_storage": Ignored("runs are kept in the record of massgen-ls (`massgen-ls runs`)"),
        "context_paths": NOT_READ,
        **V1_KEYS,
    },
    families=(("x-*", NOT_READ), ("_*", NOT_READ)),
    otherwise=UNREAD,
)
"""The whole file."""
