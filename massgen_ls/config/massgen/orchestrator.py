"""What becomes of the keys of MassGen's `orchestrator`, `coordination` and `timeout_settings`."""

from __future__ import annotations

from massgen_ls.config.massgen.readers import (
    LEVELS,
    WORKTREES,
    read_context_paths,
    read_sensitivity,
)
from massgen_ls.config.massgen.rules import (
    UNREAD,
    Choice,
    Ignored,
    Reader,
    Refused,
    Rule,
    Table,
    To,
    Wrong,
    same,
)

_TREES = Ignored(WORKTREES)
_PROMPTS = Ignored(
    "it steers prompts of MassGen's rounds; here checks, tests and votes decide",
    "Describe what counts in the task, or as a check",
)
_PLANS = Ignored("coding agents plan with their own tools")
_ALONE = Ignored("agents at work do not talk to each other")
_SUBAGENTS = Ignored("agents start no further agents of ours")
_SKILLS = Ignored(
    "skills are not handed to agents",
    "What they should know of a project goes into its AGENTS.md",
)
_MEMORY = Ignored(
    "agents keep no memory between runs",
    "Write what they should always know into the repository's AGENTS.md",
)
_MEDIA = Ignored("agents change the files of a project; images, sound and film are not made here")
_DEBUG = Ignored("it is for trying MassGen itself")
_NLIP = Ignored("NLIP messages between agents are not used here")
_SCHEDULE = Ignored(
    "when agents see each other's answers is decided here by rounds, the same for all"
)
_PRESENTED = Ignored("the winning change is returned byte for byte; nobody rewrites it")
_NOT_READ = Ignored("MassGen does not read this key either")
_V1 = "is a key of MassGen's first version, which MassGen itself no longer reads"

TIMEOUTS = Table(
    {
        "orchestrator_timeout_seconds": To("orchestrator.timeout", "seconds"),
        "initial_round_timeout_seconds": To("orchestrator.attempt_timeout", "seconds"),
        "subsequent_round_timeout_seconds": Ignored(
            "`attempt_timeout` is the same for every answer of an agent"
        ),
        "round_timeout_grace_seconds": Ignored("what an agent has done when its time ends is kept"),
    },
    otherwise=UNREAD,
)

COORDINATION = Table(
    {
        **same(
            "enable_planning_mode planning_mode_instruction",
            Ignored(
                "agents change nothing but their own worktree; nothing else happens until you take"
                " the change, so there is no separate planning"
            ),
        ),
        **same(
            "enable_agent_task_planning max_tasks_per_plan task_planning_filesystem_mode "
            "plan_depth plan_thoroughness plan_target_steps plan_target_chunks",
            _PLANS,
        ),
        "max_orchestration_restarts": Ignored(
            "a finished run does not start again by itself", "Run the task again, with `--context`"
        ),
        **same(
            "enable_memory_filesystem_mode compression_target_ratio learning_capture_mode "
            "disable_final_only_round_capture_fallback",
            _MEMORY,
        ),
        **same(
            "use_skills massgen_skills skills_directory load_previous_session_skills "
            "skill_lifecycle_mode",
            _SKILLS,
        ),
        **same("response_depth max_broadcasts_per_agent", _ALONE),
        **same("enable_subagents background_subagents async_subagents", _SUBAGENTS),
        **same(
            "persona_generator evaluation_criteria_generator prompt_improver task_decomposer "
            "pre_collab_voting_threshold improvements novelty_injection criteria_mode "
            "orchestrator_managed_round_evaluator auto_trace_analysis enable_evaluator_personas "
            "enable_execution_trace_analyzer enable_novelty_on_iteration enable_changedoc "
            "enable_quality_rethink_on_iteration fast_iteration_mode max_internal_fix_loops "
            "max_verifications_per_round skip_redundant_scaffolding evolving_criteria",
            _PROMPTS,
        ),
        "use_two_tier_workspace": _TREES,
        "write_mode": Choice(
            {
                **dict.fromkeys(("auto", "worktree", "isolated"), _TREES),
                "legacy": Ignored("agents never write into your folder; you take a change, or not"),
            }
        ),
        "drift_conflict_policy": Choice(
            dict.fromkeys(
                ("skip", "prefer_presenter", "fail"),
                Ignored("what you changed meanwhile is merged; conflicts are shown, never skipped"),
            )
        ),
        "resume_from_log": Ignored("runs of MassGen are not continued here"),
        "web_review": Ignored("you look at the change in your editor"),
        "checkpoint_enabled": Choice(
            {
                False: Ignored("the whole team works from the start"),
                True: Refused(
                    "one agent shall work and call the team at checkpoints; here all agents work"
                    " on the task from the start",
                    "Take it out to let the whole team work, or keep the main agent alone",
                ),
            }
        ),
    },
    families=(
        ("broadcast*", _ALONE),
        ("subagent_*", _SUBAGENTS),
        ("round_evaluator_*", _PROMPTS),
        ("checklist_*", _PROMPTS),
        ("bootstrap_*", _PROMPTS),
        ("evolving_criteria_*", _PROMPTS),
        ("checkpoint_*", Ignored("the whole team works from the start")),
        ("standalone_checkpoint*", Ignored("the whole team works from the start")),
    ),
    otherwise=UNREAD,
)

_VOTES: dict[str, Rule] = {
    "voting_sensitivity": Reader(
        read_sensitivity,
        "`orchestrator.voting_sensitivity` (lenient, balanced, strict)",
    ),
    "max_new_answers_per_agent": To("orchestrator.max_new_answers_per_agent", "count"),
    "max_new_answers_global": To("orchestrator.max_new_answers_global", "count"),
    "answer_novelty_requirement": Choice(
        dict.fromkeys(LEVELS, To("orchestrator.answer_novelty_requirement", "text"))
    ),
    "coordination_mode": Choice(
        {
            "voting": Ignored("agents vote in any case"),
            "decomposition": Refused(
                "each agent shall do its own part of the task and one of them put the parts"
                " together; here every agent works on the whole task and one of them wins",
                "Take it out and give the parts as tasks of their own",
            ),
        }
    ),
    "presenter_agent": Ignored("it belongs to MassGen's decomposition; nobody presents here"),
    "final_answer_strategy": Choice(
        {
            "winner_reuse": Ignored("that is how it is done here"),
            "winner_present": _PRESENTED,
            "synthesize": Refused(
                "the answer shall be put together from those of several agents; here one agent's"
                " change wins as it is",
                "Write `final_answer_strategy: winner_reuse`, or take it out",
            ),
        }
    ),
}

ORCHESTRATOR = Table(
    {
        **_VOTES,
        **same(
            "snapshot_storage agent_temporary_workspace agent_temporary_workspace_parent",
            _TREES,
        ),
        "session_storage": Ignored("runs are kept in the record of massgen-ls (`massgen-ls runs`)"),
        "context_paths": Reader(
            read_context_paths,
            "agents see the whole snapshot of the folder that is open; `protected_paths` become"
            " `permissions.deny`; writing outside of that folder is **refused**",
        ),
        "coordination": COORDINATION,
        "timeout": TIMEOUTS,
        **same("skip_final_presentation", _PRESENTED),
        **same("skip_coordination_rounds skip_voting debug_final_answer", _DEBUG),
        **same(
            "disable_injection defer_voting_until_all_answered defer_peer_updates_until_restart "
            "max_midstream_injections_per_round fairness_enabled fairness_lead_cap_answers "
            "allow_midstream_peer_updates_before_checklist_submit",
            _SCHEDULE,
        ),
        **same(
            "voting_threshold gap_report_mode max_checklist_calls_per_round",
            _PROMPTS,
        ),
        **same("enable_multimodal_tools multimodal_config generation_defaults", _MEDIA),
        **same("dspy", Ignored("the task reaches every agent in your own words")),
        **same("enable_nlip nlip nlip_config", _NLIP),
        **same("skills_directory", _SKILLS),
        **same("type max_turns enabled", _NOT_READ),
        "docker": Ignored("commands are confined by a sandbox of the system, not by containers"),
        "session_id": Ignored("runs have ids of their own"),
        "max_duration": Wrong(
            _V1,
            "Write `timeout_settings: {orchestrator_timeout_seconds: N}`",
            "timeout_settings.orchestrator_timeout_seconds",
        ),
        "consensus_threshold": Wrong(_V1, "Take it out: a plurality of the votes wins"),
        "max_debate_rounds": Wrong(
            _V1,
            "Write `max_new_answers_per_agent: N`",
            "orchestrator.max_new_answers_per_agent",
        ),
        **same("status_check_interval thread_pool_timeout", Wrong(_V1, "Take it out")),
    },
    families=(
        ("image_generation_*", _MEDIA),
        ("video_generation_*", _MEDIA),
        ("audio_generation_*", _MEDIA),
        ("checklist_*", _PROMPTS),
    ),
    otherwise=UNREAD,
)
