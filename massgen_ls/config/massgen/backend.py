"""What becomes of the keys of a MassGen `backend`, by its type."""

from __future__ import annotations

from massgen_ls.config.massgen.permitting import (
    read_commands_allowed,
    read_commands_denied,
    read_rule_allow,
    read_rule_ask,
    read_rule_deny,
    read_tools_allowed,
    read_tools_denied,
)
from massgen_ls.config.massgen.readers import (
    WORKTREES,
    read_api_key,
    read_cwd,
    read_env,
    read_type,
)
from massgen_ls.config.massgen.rules import (
    UNREAD,
    ByType,
    Choice,
    Ignored,
    Items,
    Reader,
    Refused,
    Rule,
    Sets,
    Table,
    To,
    same,
)

MODELS_TO_NAME = frozenset(
    {"chatcompletion", "lmstudio", "vllm", "sglang", "inference", "openrouter", "poe"}
)
"""Types that have no model of their own: MassGen asks for one."""

_MEDIA = Ignored("agents change the files of a project; images, sound and film are not made here")
_TOOLS = Ignored(
    "tools of your own are not handed to agents; they read, edit and run commands in a worktree"
)
_MCP = Ignored("no MCP servers but our own are started for agents")
_CONTAINER = Ignored(
    "commands are confined by a sandbox of the system, not by containers",
    "What a worktree needs is installed by `worktree.setup`",
)
_TREES = Ignored(WORKTREES)
_PROMPTS = Ignored("it steers prompts of MassGen's rounds; checks, tests and votes decide here")
_DEBUG = Ignored("it is for trying MassGen itself")
_FRAMEWORK = Ignored("teams of the AG2 framework are not started here")
_SERVICE = "this version does not hand it to the service of this backend"
_PROGRAM = "the program has settings of its own for it"
_SDK = Ignored(_PROGRAM, "Give flags of the program as `args`")
_VOTES = Ignored("it is a setting of the whole team", "Write it under `orchestrator`")

_HOOK = Refused(
    "a hook decides about the tools that agents use, and hooks are not run here",
    "Say what is allowed with `permissions` (allow, deny), and take the hook out",
)

_EFFORT = ("none", "minimal", "low", "medium", "high", "xhigh")

_CONFINED = Sets("orchestrator.sandbox", "required", "commands are confined, or nothing starts")

_MODEL = (
    "temperature top_p top_k top_a min_p typical_p "
    "min_tokens max_tokens max_output_tokens max_completion_tokens "
    "frequency_penalty presence_penalty repetition_penalty seed stop stop_sequences n "
    "logit_bias logprobs top_logprobs response_format service_tier store metadata user "
    "stream truncation parallel_tool_calls tool_choice text verbosity thinking betas "
    "extra_body extra_headers extra_query chat_template_kwargs separate_reasoning "
    "organization project api_version azure_endpoint azure_deployment default_headers "
    "max_retries output_schema safety_settings generation_config include_thoughts "
    "thinking_budget thinking_level max_thinking_tokens enable_thinking cache_control"
)
"""Keys that a service may take, by their own names."""

_KEYS: dict[str, Rule] = {
    **{key: To(f"@backend.{key}", "any", _SERVICE) for key in _MODEL.split()},
    "type": Reader(read_type, "`agents[].backend.type`", required=True),
    "model": To("@backend.model", "text"),
    "base_url": To("@backend.base_url", "text"),
    "api_key": Reader(
        read_api_key,
        "`agents[].backend.api_key_env`, or a name in `env` of a program, out of `${NAME}`; a key"
        " itself is **refused**",
    ),
    "cwd": Reader(
        read_cwd, "not used: agents get worktrees; a path out of the folder is **refused**"
    ),
    "env": Reader(
        read_env,
        "`agents[].backend.env`, the names; values are not kept, and a secret is **refused**",
    ),
    "timeout": To("@backend.timeout", "seconds"),
    **same("system_message system_prompt append_system_prompt", To("@system_message", "text")),
    "reasoning": Table(
        {
            "effort": Choice(
                {word: To("@backend.reasoning.effort", "text", _SERVICE) for word in _EFFORT},
                Ignored("this version knows no such effort"),
            ),
            "summary": Choice(
                {
                    word: To("@backend.reasoning.summary", "text", _SERVICE)
                    for word in ("auto", "concise", "detailed", "none")
                },
                Ignored("this version knows no such summary"),
            ),
        },
        otherwise=Ignored(_SERVICE),
    ),
    **same("reasoning_effort effort", Ignored(_SERVICE)),
    # Tools.
    "allowed_tools": Reader(read_tools_allowed, "`agents[].permissions.allow`"),
    **same(
        "disallowed_tools exclude_tools",
        Reader(read_tools_denied, "`agents[].permissions.deny`"),
    ),
    "permissions": Table(
        {
            "enabled": Ignored("the rules that stand there hold in any case"),
            "role": Choice(
                {
                    **dict.fromkeys(
                        ("read-only", "researcher"),
                        Sets("@permissions.deny", ["edit", "run"], "it may change nothing"),
                    ),
                    **dict.fromkeys(
                        ("read-write", "implementer"), Ignored("agents may change their worktree")
                    ),
                }
            ),
            "automation_default": Ignored("where nobody can be asked the answer is no"),
            "rules": Table(
                {
                    "allow": Items(Reader(read_rule_allow, "`agents[].permissions.allow`")),
                    "deny": Items(Reader(read_rule_deny, "`agents[].permissions.deny`")),
                    "ask": Items(Reader(read_rule_ask, "`agents[].permissions.deny`")),
                }
            ),
            **same("approval_timeout risk risk_threshold audit", Ignored("rules decide here")),
        }
    ),
    "hooks": Table(
        {
            "PreToolUse": _HOOK,
            "PostToolUse": Ignored("hooks are not run here", "Checks judge what was done"),
            "override": Ignored("hooks are not run here"),
        }
    ),
    **same(
        "mcp_servers direct_mcp_servers use_mcpwrapped_for_tool_filtering use_no_roots_wrapper "
        "exclude_file_operation_mcps max_mcp_message_history",
        _MCP,
    ),
    **same(
        "custom_tools custom_tools_path auto_discover_custom_tools exclude_custom_tools "
        "shared_tools_directory enable_code_based_tools enable_tool_search tool_search_variant "
        "enable_programmatic_flow enable_strict_tool_use concurrent_tool_execution "
        "max_concurrent_tools search_context_size max_results search_prompt tools",
        _TOOLS,
    ),
    **same(
        "enable_web_search enable_x_search web_search",
        Ignored("whether an agent searches the web is its program's affair", "See `permissions`"),
    ),
    **same(
        "enable_code_execution enable_code_interpreter code_execution",
        Ignored("agents run commands in their worktree, not in a service's interpreter"),
    ),
    "enable_mcp_command_line": Ignored("agents run commands in their worktree in any case"),
    **same(
        "upload_files enable_file_generation enable_multimodal_tools multimodal_config "
        "media_max_file_size_mb enable_computer_use display_width display_height environment",
        _MEDIA,
    ),
    # Commands and where they run.
    "command_line_execution_mode": Choice(
        {
            "local": Ignored("commands run in the agent's worktree"),
            "docker": _CONFINED,
            "srt": _CONFINED,
        }
    ),
    "command_line_allowed_commands": Reader(
        read_commands_allowed, "`agents[].permissions.allow`; all other commands need your word"
    ),
    "command_line_blocked_commands": Reader(
        read_commands_denied,
        "`agents[].permissions.deny`; an expression that no pattern of ours says is **refused**",
    ),
    **same(
        "context_paths context_write_access_enabled agent_temporary_workspace snapshot_storage "
        "agent_temporary_workspace_parent enforce_read_before_delete use_two_tier_workspace "
        "write_mode drift_conflict_policy session_storage_base filesystem_session_id session_id "
        "working_dir",
        _TREES,
    ),
    # Of the programs.
    "permission_mode": Choice(
        {
            "default": Sets("@permissions.mode", "auto", "the usual permissions"),
            "acceptEdits": Sets("@permissions.mode", "auto", "edits of its worktree are allowed"),
            "bypassPermissions": Sets("@permissions.mode", "allow", "nobody is asked"),
            "plan": Refused(
                "an agent in plan mode changes nothing, so there is no change to choose",
                "Take it out",
            ),
        }
    ),
    "max_turns": To("@backend.max_turns", "count"),
    **{
        key: To(f"@backend.{key}", "any", "teams of the AG2 framework are not started here")
        for key in ("agent_config", "group_config")
    },
    **same("llm_config code_execution_config", _FRAMEWORK),
    **same("enable_nlip nlip nlip_config", Ignored("NLIP messages are not used here")),
    **same("debug_delay_seconds debug_delay_after_n_tools skip_health_check", _DEBUG),
    **same(
        "enable_rate_limit rate_limit instance_id agent_id websocket_mode redis_client ttl "
        "max_incomplete_response_retries session_send_timeout_seconds enable_interrupt_resume "
        "max_interrupts_per_turn interrupt_poll_seconds disable_auto_update reset_chat",
        Ignored("when a service is asked again, and how, is decided here"),
    ),
    **same(
        "voting_sensitivity voting_threshold coordination_mode presenter_agent "
        "final_answer_strategy fairness_enabled fairness_lead_cap_answers "
        "answer_novelty_requirement max_midstream_injections_per_round max_new_answers_per_agent",
        _VOTES,
    ),
    **same(
        "vote_only subtask main_agent gap_report_mode defer_peer_updates_until_restart "
        "allow_midstream_peer_updates_before_checklist_submit max_checklist_calls_per_round "
        "plan_depth plan_thoroughness plan_target_steps plan_target_chunks subagent_types "
        "orchestrator_managed_round_evaluator enable_quality_rethink_on_iteration "
        "enable_novelty_on_iteration enable_execution_trace_analyzer novelty_injection "
        "improvements learning_capture_mode criteria_mode system_message_mode "
        "disable_final_only_round_capture_fallback copilot_system_message_mode "
        "use_default_prompt repo_map",
        _PROMPTS,
    ),
}

_FAMILIES: tuple[tuple[str, Rule], ...] = (
    ("command_line_docker_*", _CONTAINER),
    ("command_line_srt_*", Ignored("the sandbox of massgen-ls has rules of its own")),
    ("image_generation_*", _MEDIA),
    ("video_generation_*", _MEDIA),
    ("audio_generation_*", _MEDIA),
    ("enable_*_generation", _MEDIA),
    ("checklist_*", _PROMPTS),
    ("checkpoint_*", _PROMPTS),
    ("standalone_checkpoint*", _PROMPTS),
    ("bootstrap_*", _PROMPTS),
    ("round_evaluator_*", _PROMPTS),
    ("gemini_backoff_*", Ignored("when a service is asked again is decided here")),
    ("azure_*", Ignored(_SERVICE)),
    ("_*", Ignored("MassGen does not read this key either")),
)

_PROVIDER = Ignored(
    "MassGen hands keys that it does not know to the service, as they are; here they are not"
)

SERVICE = Table(_KEYS, _FAMILIES, _PROVIDER)
"""Of the model services and of AG2."""

CLAUDE_CODE = Table(
    {
        **_KEYS,
        "reasoning": Table(
            {
                "effort": Choice(
                    {
                        word: Sets("@backend.args", ["--effort", word], "a flag of `claude`")
                        for word in ("low", "medium", "high", "max")
                    },
                    Ignored("`claude` knows no such effort"),
                ),
                **same("summary type budget_tokens max_tokens enabled", _SDK),
            }
        ),
        **same(
            "max_thinking_tokens fallback_model max_budget_usd settings setting_sources add_dirs "
            "extra_args max_buffer_size permission_prompt_tool_name resume continue_conversation "
            "include_partial_messages fork_session agents plugins thinking output_format "
            "effort sandbox user cli_path strict_mcp_config enable_file_checkpointing skills",
            _SDK,
        ),
    },
    _FAMILIES,
    UNREAD,
)

CODEX = Table(
    {
        **_KEYS,
        "approval_mode": Choice(
            {
                **dict.fromkeys(
                    ("suggest", "auto-edit", "full-auto"),
                    Sets("@permissions.mode", "auto", "the usual permissions"),
                ),
                **dict.fromkeys(
                    ("full-access", "dangerous-no-sandbox"),
                    Sets("@permissions.mode", "allow", "nobody is asked"),
                ),
            }
        ),
        "reasoning": Table(
            {
                "effort": Choice(
                    {
                        word: Sets(
                            "@backend.args",
                            ["-c", f'model_reasoning_effort="{word}"'],
                            "a setting of Codex",
                        )
                        for word in _EFFORT
                    }
                ),
                **same("summary type", _SDK),
            }
        ),
        "model_reasoning_effort": Choice(
            {
                word: Sets(
                    "@backend.args",
                    ["-c", f'model_reasoning_effort="{word}"'],
                    "a setting of Codex",
                )
                for word in _EFFORT
            }
        ),
        **same("sandbox sandbox_mode profile config_overrides network_access", _SDK),
    },
    _FAMILIES,
    UNREAD,
)

_YOLO = Choice(
    {
        **dict.fromkeys(
            ("default", "auto_edit"), Sets("@permissions.mode", "auto", "the usual permissions")
        ),
        "yolo": Sets("@permissions.mode", "allow", "nobody is asked"),
        "plan": Refused(
            "an agent in plan mode changes nothing, so there is no change to choose", "Take it out"
        ),
    }
)

GEMINI_CLI = Table(
    {**_KEYS, "approval_mode": _YOLO, **same("sandbox settings extensions", _SDK)},
    _FAMILIES,
    UNREAD,
)

_OTHER_PROGRAM = Table(
    {
        **_KEYS,
        "approval_mode": _YOLO,
        **same("permission_policy copilot_permission_policy settings sandbox", _SDK),
    },
    _FAMILIES,
    UNREAD,
)

BACKEND = ByType(
    {
        "claude_code": CLAUDE_CODE,
        "codex": CODEX,
        "gemini_cli": GEMINI_CLI,
        "antigravity_cli": _OTHER_PROGRAM,
        "copilot": _OTHER_PROGRAM,
    },
    SERVICE,
)
"""Programs have keys of their own."""
