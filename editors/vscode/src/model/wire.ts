/** What the server sends: the shapes of docs/protocol.md, as far as this extension reads them. */

import type { Attachment } from "./pictures";

export type Outcome = "running" | "won" | "tied" | "abstained" | "none" | "cancelled" | "interrupted";

/** What its user has made of a change that landed, as their saved files say. */
export type Fate = "kept" | "edited" | "undone";

export interface Usage {
  readonly input: number;
  readonly cached: number;
  readonly stored: number;
  readonly output: number;
  readonly requests: number;
  /** Millionths of a US dollar in events; null where no agent told it. */
  readonly cost: number | null;
}

export interface FileChange {
  readonly path: string;
  /** add, modify, delete or rename. */
  readonly kind: string;
  readonly oldPath: string | null;
  readonly added: number;
  readonly removed: number;
}

export interface Evidence {
  readonly check: string;
  readonly outcome: string;
  readonly new_failures: readonly string[];
  readonly fixed: readonly string[];
  readonly flaky: readonly string[];
  readonly note: string;
}

export interface CandidateReport {
  readonly id: string;
  readonly seat: string;
  readonly tree: string;
  readonly summary: string;
  readonly eligible: boolean;
  readonly clears: boolean;
  readonly fixed: number;
  readonly broke: number;
  readonly discarded: boolean;
  readonly files: readonly FileChange[];
  readonly checks: readonly Evidence[];
  readonly diff?: string;
}

export interface ExplanationRow {
  readonly candidate: string;
  readonly won: boolean;
  readonly files: number;
  readonly lines: number;
  readonly cluster: readonly string[];
  readonly eligible: boolean;
  readonly checks: readonly string[];
  readonly judges: string;
}

export interface BallotRow {
  readonly judge: string;
  readonly shown: readonly string[];
  readonly choice: string;
  readonly reason: string;
}

export interface Explanation {
  readonly checks: readonly string[];
  readonly rows: readonly ExplanationRow[];
  readonly ballots: readonly BallotRow[];
  readonly steps: readonly string[];
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly winner: string | null;
  readonly why: string;
  readonly ranking: readonly string[];
}

export interface SeatReport {
  readonly seat: string;
  readonly phase: "waiting" | "working" | "ended";
  readonly attempt: number;
  readonly outcome: string | null;
  readonly reason: string;
  readonly action: string;
  readonly seconds: number;
  readonly type: string;
  readonly usage: { readonly tokens: number; readonly cost: string | null };
}

/** The answer to `massgen/read` of a whole run. */
export interface RunReport {
  readonly run: string;
  readonly folder: string;
  /** What paths are relative to: the top of the working tree. */
  readonly root: string | null;
  readonly task: { readonly prompt: string; readonly scope: { readonly path: string | null } } | null;
  readonly verdict: Verdict;
  readonly candidates: readonly CandidateReport[];
  readonly seats: readonly SeatReport[];
  readonly checks: readonly string[];
  readonly explanation: Explanation;
  readonly notices: readonly string[];
  readonly usage: { readonly tokens: number; readonly cost: string | null };
  readonly deliveries: readonly { readonly candidate: string; readonly paths: readonly string[] }[];
  /** Of those that landed and were not kept as they were. */
  readonly fates: Readonly<Record<string, Fate>>;
}

/** A line of `massgen/list`. */
export interface RunLine {
  readonly run: string;
  readonly folder: string;
  readonly prompt: string;
  readonly started: number;
  readonly outcome: Outcome;
  readonly winner: string | null;
  readonly candidates: readonly string[];
}

export interface Conflict {
  readonly path: string;
  readonly reason: string;
  readonly base: readonly [number, number];
  readonly live: readonly [number, number];
  readonly candidate: readonly [number, number];
  readonly live_text: string;
  readonly candidate_text: string;
  readonly hunks: readonly number[];
}

/** The answer to `massgen/apply`. */
export interface Delivery {
  readonly applied: boolean;
  readonly candidate: string;
  readonly paths: readonly string[];
  readonly conflicts: readonly Conflict[];
  readonly reason: string;
  readonly held: Readonly<Record<string, readonly number[]>>;
}

/** The answer to `massgen/team`. */
export interface Team {
  readonly agents: readonly { readonly id: string; readonly type: string }[];
  readonly checks: readonly string[];
  readonly modes: readonly string[];
  readonly mode: string;
  readonly source: string;
}

/** `massgen/event`: one fact or one piece of noise. Fields are read where the kind has them. */
export interface NewsEvent {
  readonly kind: string;
  readonly run?: string;
  readonly seq?: number;
  readonly time?: number;
  readonly [field: string]: unknown;
}

export interface Place {
  readonly line: number;
  readonly character: number;
}

/** What `massgen/run` takes. */
export interface Order {
  prompt: string;
  scope?: {
    textDocument?: { uri: string };
    range?: { start: Place; end: Place };
    diagnostics?: readonly unknown[];
    folder?: string;
  };
  agents?: readonly string[];
  checks?: readonly string[];
  mode?: string;
  apply?: "none" | "ask" | "auto";
  folder?: string;
  context?: { runId: string; seat?: string };
  attachments?: readonly Attachment[];
}
