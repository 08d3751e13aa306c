/** One run as its events tell it. No vscode in here: node's own test runner can drive it. */

import { Log } from "./log";
import { type Attachment, attached } from "./pictures";
import { field, list, number, text } from "./reading";
import type { CandidateReport, Fate, NewsEvent, Outcome, RunLine, RunReport, Usage, Verdict } from "./wire";

export interface Seat {
  readonly id: string;
  type: string;
  phase: "waiting" | "working" | "ended";
  attempt: number;
  outcome: string;
  reason: string;
  action: string;
  /** Files that it was seen changing. */
  readonly touched: Set<string>;
  /** When the attempt began, in milliseconds; 0 while none has. */
  began: number;
  /** What its ended attempts took, in seconds. */
  seconds: number;
  readonly spent: Map<number, Usage>;
  readonly log: Log;
}

export interface CheckLine {
  readonly check: string;
  readonly tree: string;
  outcome: string;
  failures: number;
  seconds: number;
  output: string;
}

export class Run {
  prompt = "";
  folder = "";
  /** The top of the working tree, which paths are relative to; empty while it is not known. */
  root = "";
  scope = "";
  attachments: readonly Attachment[] = [];
  started = 0;
  ended = 0;
  outcome: Outcome = "running";
  winner: string | null = null;
  why = "";
  snapshot = false;
  readonly seats = new Map<string, Seat>();
  readonly candidates = new Map<string, CandidateReport>();
  /** By check and tree, the last look. */
  readonly checks = new Map<string, CheckLine>();
  checkNames: readonly string[] = [];
  readonly notices: string[] = [];
  /** What has landed of this run, by candidate, and what became of it. */
  readonly applied = new Map<string, Fate>();
  readonly judging = new Map<string, Usage>();
  /** Everything that `massgen/read` says is in here; false for a line of `massgen/list`. */
  whole = true;
  /** How many candidates `massgen/list` has told of. */
  private listed = 0;
  tokensKnown = 0;
  costKnown: number | null = null;

  constructor(readonly id: string) {}

  get running(): boolean {
    return this.outcome === "running";
  }

  get count(): number {
    return this.whole ? this.candidates.size : this.listed;
  }

  /** It is over and nobody won, though there is something to take. */
  get undecided(): boolean {
    return !this.running && this.winner === null && this.count > 0;
  }

  get working(): Seat[] {
    return [...this.seats.values()].filter((seat) => seat.phase === "working");
  }

  get tokens(): number {
    let sum = 0;
    for (const usage of this.spent()) sum += tokensOf(usage);
    return Math.max(sum, this.tokensKnown);
  }

  /** In US dollars; null where no agent told it. */
  get cost(): number | null {
    let sum: number | null = this.costKnown;
    let counted: number | null = null;
    for (const usage of this.spent()) {
      if (usage.cost !== null) counted = (counted ?? 0) + usage.cost / 1_000_000;
    }
    if (counted !== null) sum = Math.max(counted, sum ?? 0);
    return sum;
  }

  seconds(now: number): number {
    if (!this.started) return 0;
    return Math.max(0, ((this.running ? now : this.ended || this.started) - this.started) / 1000);
  }

  seat(id: string): Seat {
    let seat = this.seats.get(id);
    if (!seat) {
      seat = {
        id, type: "", phase: "waiting", attempt: 0, outcome: "", reason: "", action: "",
        touched: new Set(), began: 0, seconds: 0, spent: new Map(), log: new Log(),
      };
      this.seats.set(id, seat);
    }
    return seat;
  }

  checksOf(candidate: CandidateReport): CheckLine[] {
    return [...this.checks.values()].filter((line) => line.tree === candidate.tree);
  }

  /** Takes one event. Total: what makes no sense changes nothing. Returns whether it was noise. */
  take(event: NewsEvent): boolean {
    const time = typeof event.time === "number" ? event.time * 1000 : 0;
    const seat = typeof event["seat"] === "string" ? event["seat"] : "";
    const note = (words: string): void => this.seat(seat).log.note(words, event.seq);
    switch (event.kind) {
      case "delta":
        this.hear(text(event["source"]), text(event["text"]));
        return true;
      case "run_started":
        this.begin(event, time);
        break;
      case "snapshot_taken":
        this.snapshot = true;
        this.root = text(field(event["snapshot"], "root"));
        break;
      case "attempt_started": {
        const it = this.seat(seat);
        it.phase = "working";
        it.attempt = number(event["attempt"]);
        it.type = text(event["type"]) || it.type;
        it.began = time;
        it.action = "";
        note(`── attempt ${it.attempt}${it.type ? ` (${it.type})` : ""} ──`);
        break;
      }
      case "agent_acted": {
        const it = this.seat(seat);
        const target = text(event["target"]);
        it.action = `${text(event["action"])} ${target}`.trim();
        if (/edit|write|create|delete|change|patch/i.test(text(event["action"])) && target) {
          it.touched.add(target);
        }
        note(`▸ ${it.action}`);
        break;
      }
      case "attempt_paused": {
        const it = this.seat(seat);
        it.action = `waiting ${Math.round(number(event["seconds"]))} s: ${text(event["reason"])}`;
        note(`⏸ ${it.action}`);
        break;
      }
      case "attempt_ended": {
        const it = this.seat(seat);
        it.phase = "ended";
        it.outcome = text(event["outcome"]);
        it.reason = text(event["reason"]);
        it.seconds += number(event["seconds"]);
        it.began = 0;
        it.action = "";
        note(`── ${it.outcome}${it.reason ? `: ${it.reason}` : ""} ──`);
        break;
      }
      case "usage_reported":
        this.seat(seat).spent.set(number(event["attempt"]), usage(event["usage"]));
        break;
      case "judging_used":
        this.judging.set(
          `${text(event["judge"])}/${number(event["epoch"])}/${JSON.stringify(event["shown"])}`,
          usage(event["usage"]),
        );
        break;
      case "note_sent":
        note(`✉ ${text(event["by"])}: ${text(event["text"])}`);
        break;
      case "nothing_captured": {
        const it = this.seat(seat);
        it.reason ||= text(event["reason"]);
        note(`nothing was captured: ${text(event["reason"])}`);
        break;
      }
      case "candidate_captured":
        this.capture(event["candidate"]);
        break;
      case "check_finished":
        this.check(event["result"]);
        break;
      case "notice":
        this.notices.push(text(event["text"]));
        if (seat) note(`! ${text(event["text"])}`);
        break;
      case "run_settled":
        this.settle(event["verdict"], time);
        break;
      case "delivered":
        this.applied.set(text(event["candidate"]), "kept");
        break;
      case "revised":
        this.revise(text(event["candidate"]), text(event["fate"]));
        break;
      case "discarded":
        this.discard(event["candidate"]);
        break;
      default:
        break;
    }
    return false;
  }

  /** Takes what the list of runs says, where the events are not known. */
  line(line: RunLine): void {
    this.prompt = line.prompt;
    this.folder = line.folder;
    this.started ||= line.started * 1000;
    this.outcome = line.outcome;
    this.winner = line.winner;
    this.listed = line.candidates.length;
    this.whole = false;
  }

  /** Takes the whole run as it was read. */
  report(report: RunReport): void {
    this.whole = true;
    this.folder = report.folder || this.folder;
    this.root = report.root ?? this.root;
    this.prompt = report.task?.prompt ?? this.prompt;
    this.scope = report.task?.scope.path ?? this.scope;
    this.attachments = attached(field(report.task, "attachments"));
    this.outcome = report.verdict.outcome;
    this.winner = report.verdict.winner;
    this.why = report.verdict.why;
    this.snapshot = true;
    this.checkNames = report.checks;
    this.tokensKnown = report.usage.tokens;
    this.costKnown = report.usage.cost === null ? null : Number(report.usage.cost);
    for (const each of report.seats) {
      const seat = this.seat(each.seat);
      seat.phase = each.phase;
      seat.type = each.type;
      seat.attempt = each.attempt;
      seat.outcome = each.outcome ?? "";
      seat.reason = each.reason;
      seat.action = each.action;
      seat.seconds = each.seconds;
    }
    // In the report's order, which is the verdict's.
    this.candidates.clear();
    for (const each of report.candidates) this.candidates.set(each.id, each);
    for (const each of report.candidates) {
      for (const evidence of each.checks) {
        const known = this.checks.get(`${evidence.check}/${each.tree}`);
        this.checks.set(`${evidence.check}/${each.tree}`, {
          check: evidence.check,
          tree: each.tree,
          outcome: evidence.outcome,
          failures: known?.failures ?? evidence.new_failures.length,
          seconds: known?.seconds ?? 0,
          output: known?.output ?? "",
        });
      }
    }
    for (const delivery of report.deliveries) this.applied.set(delivery.candidate, report.fates[delivery.candidate] ?? "kept");
  }

  private begin(event: NewsEvent, time: number): void {
    this.started = time;
    this.folder = text(event["folder"]);
    const task = field(event["spec"], "task");
    this.prompt = text(field(task, "prompt"));
    this.scope = text(field(field(task, "scope"), "path"));
    this.attachments = attached(field(task, "attachments"));
    for (const agent of list(field(event["spec"], "agents"))) {
      this.seat(text(field(agent, "id"))).type = text(field(agent, "type"));
    }
    this.checkNames = list(field(event["spec"], "checks")).map((c) => text(field(c, "name")));
  }

  private capture(node: unknown): void {
    const id = text(field(node, "id"));
    const seat = this.seat(text(field(node, "seat")));
    const files = list(field(field(node, "changes"), "files")).map((file) => ({
      path: text(field(file, "path")),
      kind: text(field(file, "kind")),
      oldPath: text(field(file, "old_path")) || null,
      added: number(field(file, "added")),
      removed: number(field(file, "removed")),
    }));
    if (!id) return;
    for (const file of files) seat.touched.add(file.path);
    this.candidates.set(id, {
      id, seat: seat.id, tree: text(field(node, "tree")), summary: text(field(node, "summary")),
      eligible: true, clears: false, fixed: 0, broke: 0, discarded: false, files, checks: [],
    });
  }

  private check(node: unknown): void {
    const line: CheckLine = {
      check: text(field(node, "check")),
      tree: text(field(node, "tree")),
      outcome: text(field(node, "outcome")),
      failures: list(field(node, "failures")).length,
      seconds: number(field(node, "seconds")),
      output: text(field(node, "output")),
    };
    this.checks.set(`${line.check}/${line.tree}`, line);
  }

  private settle(node: unknown, time: number): void {
    const verdict = node as Verdict | undefined;
    this.outcome = verdict?.outcome ?? "none";
    this.winner = verdict?.winner ?? null;
    this.why = verdict?.why ?? "";
    this.ended = time;
    for (const seat of this.seats.values()) if (seat.phase === "working") seat.phase = "ended";
    const ranking = verdict?.ranking ?? [];
    const place = new Map(ranking.map((id, i) => [id, i]));
    const sorted = [...this.candidates.values()].sort(
      (a, b) => (place.get(a.id) ?? 1e9) - (place.get(b.id) ?? 1e9),
    );
    this.candidates.clear();
    for (const each of sorted) this.candidates.set(each.id, each);
  }

  private discard(candidate: unknown): void {
    for (const each of [...this.candidates.values()]) {
      if (candidate === null || candidate === each.id) {
        this.candidates.set(each.id, { ...each, discarded: true });
      }
    }
  }

  private revise(candidate: string, fate: string): void {
    if (this.applied.has(candidate) && isFate(fate)) this.applied.set(candidate, fate);
  }

  private hear(source: string, words: string): void {
    if (source.includes(":")) return; // a check's or a judge's own noise
    this.seats.get(source)?.log.write(words);
  }

  private *spent(): Iterable<Usage> {
    for (const seat of this.seats.values()) yield* seat.spent.values();
    yield* this.judging.values();
  }
}

function isFate(word: string): word is Fate {
  return word === "kept" || word === "edited" || word === "undone";
}

export function tokensOf(usage: Usage): number {
  return usage.input + usage.cached + usage.stored + usage.output;
}

export function seatTokens(seat: Seat): number {
  let sum = 0;
  for (const usage of seat.spent.values()) sum += tokensOf(usage);
  return sum;
}

export function seatCost(seat: Seat): number | null {
  let sum: number | null = null;
  for (const usage of seat.spent.values()) {
    if (usage.cost !== null) sum = (sum ?? 0) + usage.cost / 1_000_000;
  }
  return sum;
}

function usage(node: unknown): Usage {
  const cost = field(node, "cost");
  return {
    input: number(field(node, "input")),
    cached: number(field(node, "cached")),
    stored: number(field(node, "stored")),
    output: number(field(node, "output")),
    requests: number(field(node, "requests")),
    cost: typeof cost === "number" ? cost : null,
  };
}
