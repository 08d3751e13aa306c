/** The tree of runs as plain values: what each line says, aloud and on the screen. */

import type { Run, Seat } from "./run";
import { seatCost, seatTokens } from "./run";
import type { CandidateReport, FileChange } from "./wire";
import { counted, duration, joined, money, oneLine, tokens } from "./words";

export type NodeKind = "run" | "seat" | "candidate" | "check" | "file" | "notice";

export interface TreeNode {
  readonly kind: NodeKind;
  /** Unique, and stable from one drawing to the next. */
  readonly id: string;
  readonly run: string;
  readonly seat?: string;
  readonly candidate?: string;
  readonly check?: string;
  readonly path?: string;
  readonly label: string;
  readonly description: string;
  readonly tooltip: string;
  /** A codicon and the theme colour that it has. */
  readonly icon: string;
  readonly colour?: string;
  /** For when-clauses: words with spaces between them, each at most once. */
  readonly context: string;
  readonly aria: string;
  readonly expandable: boolean;
}

const GREEN = "testing.iconPassed";
const RED = "testing.iconFailed";
const GREY = "disabledForeground";

const RUN_ICONS: Record<string, readonly [string, string?]> = {
  running: ["loading~spin"],
  won: ["pass-filled", GREEN],
  tied: ["question", "charts.yellow"],
  abstained: ["circle-slash", "charts.yellow"],
  none: ["error", RED],
  cancelled: ["stop-circle", GREY],
  interrupted: ["debug-disconnect", GREY],
};

export function runNode(run: Run, now: number): TreeNode {
  const [icon, colour] = RUN_ICONS[run.outcome] ?? ["question"];
  const title = oneLine(run.prompt) || run.id;
  const outcome = run.running ? progress(run) : outcomeWords(run);
  const spent = joined(money(run.cost), run.whole && run.started ? duration(run.seconds(now)) : "");
  return node({
    kind: "run", id: run.id, run: run.id, label: title, description: joined(outcome, spent), icon,
    ...(colour ? { colour } : {}),
    tooltip: [run.prompt, "", run.why || outcome, joined(tokens(run.tokens), spent), run.folder]
      .filter((line, i) => line || i === 1).join("\n"),
    context: words("run", run.running ? "running" : "settled", run.winner ? "won" : "", run.undecided ? "undecided" : "",
      run.count > 1 ? "several" : "", run.working.length ? "working" : ""),
    aria: `Run: ${title}, ${outcome}${spent ? `, ${spent}` : ""}`,
    expandable: true,
  });
}

function progress(run: Run): string {
  if (!run.snapshot) return "taking a snapshot";
  const ended = [...run.seats.values()].filter((seat) => seat.phase === "ended").length;
  if (ended < run.seats.size) return `${ended}/${run.seats.size} agents done`;
  return run.checkNames.length ? "checking" : "deciding";
}

const FATES = { kept: "applied", edited: "applied, edited since", undone: "taken back" } as const;

/** What became of a candidate in its user's files; empty where it never landed. */
export function appliedWords(run: Run, candidate: string): string {
  const fate = run.applied.get(candidate);
  return fate ? FATES[fate] : "";
}

export function outcomeWords(run: Run): string {
  switch (run.outcome) {
    case "won": {
      const landed = appliedWords(run, run.winner ?? "");
      return `${run.winner} won${landed ? `, ${landed}` : ""}`;
    }
    case "none": return "no candidate";
    case "abstained": return "nobody won: none passes";
    case "tied": return "nobody won: tied";
    default: return run.outcome;
  }
}

/** What one can do with a run that is over: buttons and their commands. Nothing where its user has ended it. */
export function nextSteps(run: Run): Readonly<Record<string, string>> | undefined {
  switch (run.outcome) {
    case "won": return { Compare: "compareCandidate", Apply: "applyCandidate", Verdict: "openVerdict" };
    case "none": return { "Run Again with…": "rerun", Verdict: "openVerdict" };
    case "tied":
    case "abstained": {
      const two = run.count > 1;
      return { ...(two ? { "Compare the Two Best": "compareCandidates" } : { Compare: "compareCandidate" }),
        "Apply One…": "applyCandidate", Verdict: "openVerdict", "Run Again with…": "rerun" };
    }
    default: return undefined;
  }
}

export function childrenOf(run: Run, parent: TreeNode, now: number): TreeNode[] {
  switch (parent.kind) {
    case "run":
      return [...[...run.seats.values()].map((seat) => seatNode(run, seat, now)), ...strays(run), ...notices(run)];
    case "seat":
      return candidatesOf(run, parent.seat ?? "").map((c) => candidateNode(run, c));
    case "candidate": {
      const candidate = run.candidates.get(parent.candidate ?? "");
      return candidate ? [...checkNodes(run, candidate), ...candidate.files.map((f) => fileNode(run, candidate, f))] : [];
    }
    default:
      return [];
  }
}

function candidatesOf(run: Run, seat: string): CandidateReport[] {
  return [...run.candidates.values()].filter((candidate) => candidate.seat === seat);
}

/** Candidates of seats that are not known: nothing that exists is hidden. */
function strays(run: Run): TreeNode[] {
  return [...run.candidates.values()].filter((c) => !run.seats.has(c.seat)).map((c) => candidateNode(run, c));
}

function notices(run: Run): TreeNode[] {
  return run.notices.map((text, i) => node({
    kind: "notice", id: `${run.id}/!${i}`, run: run.id, label: oneLine(text, 100), description: "",
    tooltip: text, icon: "info", context: "notice", aria: `Notice: ${text}`, expandable: false,
  }));
}

const SEAT_ICONS: Record<string, readonly [string, string?]> = {
  waiting: ["watch", GREY],
  working: ["sync~spin"],
  done: ["check", GREEN],
  failed: ["error", RED],
  timed_out: ["clock", RED],
  cancelled: ["debug-stop", GREY],
  missing: ["warning", "charts.yellow"],
  interrupted: ["debug-disconnect", GREY],
};

export function seatNode(run: Run, seat: Seat, now: number): TreeNode {
  const answered = candidatesOf(run, seat.id).length > 0;
  const state = seat.phase === "ended" ? seat.outcome || "ended" : seat.phase;
  const [icon, colour] = SEAT_ICONS[state] ?? ["check"];
  const elapsed = seat.began ? (now - seat.began) / 1000 + seat.seconds : seat.seconds;
  const count = tokens(seatTokens(seat));
  const details = joined(
    seat.phase === "working" ? seat.action || "working" : state === "done" ? "" : state.replace("_", " "),
    seat.touched.size > 0 && counted(seat.touched.size, "file"),
    count, money(seatCost(seat)), elapsed > 0 && duration(elapsed),
  );
  return node({
    // Another line once it can be opened: VS Code leaves a line closed that could not be at first, and
    // asks for what is below every open one whenever it draws.
    kind: "seat", id: `${run.id}/${seat.id}${answered ? "/" : ""}`, run: run.id, seat: seat.id, label: seat.id, description: details,
    icon, ...(colour ? { colour } : {}),
    tooltip: [`${seat.id}${seat.type ? ` (${seat.type})` : ""}: ${state}`, seat.reason, details].filter((l) => l).join("\n"),
    context: words("seat", seat.phase, run.running ? "running" : ""),
    aria: `Agent ${seat.id}, ${state}${details ? `, ${details}` : ""}`,
    expandable: answered,
  });
}

export function candidateNode(run: Run, candidate: CandidateReport): TreeNode {
  const won = run.winner === candidate.id;
  const added = candidate.files.reduce((sum, file) => sum + file.added, 0);
  const removed = candidate.files.reduce((sum, file) => sum + file.removed, 0);
  const judged = run.outcome !== "running" && candidate.checks.length > 0;
  const details = joined(
    won && "winner", appliedWords(run, candidate.id), candidate.discarded && "discarded",
    `${counted(candidate.files.length, "file")} +${added} −${removed}`,
    judged && candidate.broke > 0 && `breaks ${candidate.broke}`,
    judged && candidate.fixed > 0 && `mends ${candidate.fixed}`,
  );
  return node({
    kind: "candidate", id: `${run.id}/${candidate.id}`, run: run.id, seat: candidate.seat, candidate: candidate.id,
    label: candidate.id, description: details,
    icon: won ? "star-full" : candidate.discarded ? "trash" : "git-pull-request",
    ...(won ? { colour: GREEN } : candidate.broke > 0 ? { colour: RED } : {}),
    tooltip: [candidate.id, candidate.summary, details].filter((line) => line).join("\n"),
    context: words("candidate", won ? "winner" : "", run.running ? "running" : "settled", candidate.discarded ? "discarded" : ""),
    aria: `Candidate ${candidate.id}, ${details}`,
    expandable: true,
  });
}

const CHECK_ICONS: Record<string, readonly [string, string?]> = {
  passed: ["pass", GREEN],
  failed: ["error", RED],
  timed_out: ["clock", RED],
  broken: ["warning", "charts.yellow"],
  unjudged: ["circle-slash", GREY],
};

function checkNodes(run: Run, candidate: CandidateReport): TreeNode[] {
  const evidence = new Map(candidate.checks.map((each) => [each.check, each]));
  return run.checksOf(candidate).map((line) => {
    const known = evidence.get(line.check);
    // What the base fails as well is held against nobody.
    const [icon, colour] = known && known.outcome === "failed" && known.new_failures.length === 0
      ? ["pass", GREEN] : CHECK_ICONS[line.outcome] ?? ["question"];
    const details = known
      ? joined(known.new_failures.length > 0 && `breaks ${known.new_failures.length}`,
          known.fixed.length > 0 && `mends ${known.fixed.length}`, known.note) || line.outcome.replace("_", " ")
      : joined(line.outcome.replace("_", " "), line.failures > 0 && counted(line.failures, "failure"));
    return node({
      kind: "check", id: `${run.id}/${candidate.id}?${line.check}`, run: run.id, candidate: candidate.id, check: line.check,
      label: line.check, description: joined(details, line.seconds > 0 && duration(line.seconds)),
      tooltip: [`${line.check}: ${details}`, ...(known?.new_failures ?? [])].join("\n"),
      icon, ...(colour ? { colour } : {}), context: "check",
      aria: `Check ${line.check}, ${details}`, expandable: false,
    });
  });
}

const FILE_WORDS: Record<string, string> = { add: "made", delete: "deleted", rename: "renamed", modify: "changed" };
const FILE_ICONS: Record<string, string> = { add: "diff-added", delete: "diff-removed", rename: "diff-renamed" };

function fileNode(run: Run, candidate: CandidateReport, file: FileChange): TreeNode {
  const cut = file.path.lastIndexOf("/");
  const details = joined(cut > 0 && file.path.slice(0, cut), `+${file.added} −${file.removed}`);
  return node({
    kind: "file", id: `${run.id}/${candidate.id}:${file.path}`, run: run.id, candidate: candidate.id, path: file.path,
    label: file.path.slice(cut + 1), description: details,
    tooltip: `${file.oldPath ? `${file.oldPath} → ` : ""}${file.path}: ${FILE_WORDS[file.kind] ?? file.kind}, +${file.added} −${file.removed}`,
    icon: FILE_ICONS[file.kind] ?? "diff-modified", context: words("file", run.running ? "" : "settled"),
    aria: `File ${file.path}, ${FILE_WORDS[file.kind] ?? file.kind}, ${file.added} lines added, ${file.removed} removed`,
    expandable: false,
  });
}

function words(...all: readonly string[]): string {
  return all.filter((word) => word).join(" ");
}

function node(given: TreeNode): TreeNode {
  return given;
}

/** The status bar's text, tooltip and label for screen readers. */
export function status(runs: readonly Run[], spent: number | null): { text: string; tooltip: string; aria: string } {
  const seats = runs.reduce((sum, run) => sum + run.working.length, 0);
  const cost = money(spent);
  if (runs.length === 0) {
    const text = joined("$(organization) massgen", cost);
    return { text, tooltip: "massgen: run a task, or look at the runs", aria: `massgen, no run${cost ? `, spent ${cost}` : ""}` };
  }
  const live = runs.length === 1 ? counted(seats, "agent") : `${runs.length} runs, ${counted(seats, "agent")}`;
  return {
    text: joined(`$(loading~spin) massgen ${runs.length === 1 && runs[0] && !seats ? progress(runs[0]) : live}`, cost),
    tooltip: runs.map((run) => `${oneLine(run.prompt)}: ${progress(run)}`).join("\n"),
    aria: `massgen, ${live} at work${cost ? `, spent ${cost}` : ""}`,
  };
}
