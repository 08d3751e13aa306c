/** What every part of the interface shares. */

import * as vscode from "vscode";
import type { Run } from "../model/run";
import type { Runs } from "../model/runs";
import type { CandidateReport, RunReport } from "../model/wire";
import type { Server } from "../server/client";

export const BASE = "base";

export interface App {
  readonly context: vscode.ExtensionContext;
  readonly server: Server;
  readonly runs: Runs;
}

/** What a command is about: a line of the tree, or what another program gives. */
export interface Target {
  readonly run?: string;
  readonly runId?: string;
  readonly seat?: string;
  readonly candidate?: string;
  readonly candidateId?: string;
  readonly check?: string;
  readonly path?: string;
}

export function live(run: Run, path: string): vscode.Uri {
  return vscode.Uri.joinPath(vscode.Uri.file(run.root || run.folder), path);
}

/** The run that is meant: the named one, else the newest, else the one that is chosen. */
export async function theRun(app: App, target: Target | undefined, wanted: (run: Run) => boolean = () => true): Promise<Run | undefined> {
  const id = target?.run ?? target?.runId;
  if (id !== undefined) {
    const known = app.runs.get(id) ?? app.runs.all.find((run) => run.id.startsWith(id));
    if (!known) throw new Error(`There is no run ${id} here.`);
    return known;
  }
  const fitting = app.runs.all.filter(wanted);
  if (fitting.length <= 1) {
    if (!fitting[0]) void vscode.window.showInformationMessage("massgen: there is no run for that.");
    return fitting[0];
  }
  const picked = await vscode.window.showQuickPick(
    fitting.map((run) => ({ label: run.prompt || run.id, description: run.outcome, detail: new Date(run.started).toLocaleString(), run })),
    { title: "massgen: which run?" },
  );
  return picked?.run;
}

/** The whole run from the server, taken into the model: all but the diffs, which take longest. */
export async function readRun(app: App, run: Run): Promise<RunReport> {
  const report = await app.server.ask<RunReport>("massgen/read", { runId: run.id, format: "outline" });
  run.report(report);
  app.runs.touch(run.id);
  return report;
}

/** The candidate that is meant: the named one, else the winner, else the one that is chosen. */
export async function theCandidate(app: App, run: Run, target: Target | undefined): Promise<CandidateReport | undefined> {
  if (!run.whole) await readRun(app, run);
  const id = target?.candidate ?? target?.candidateId ?? run.winner ?? undefined;
  const all = [...run.candidates.values()];
  const named = all.find((each) => each.id === id);
  if (named || all.length === 0) {
    if (!named) void vscode.window.showInformationMessage("massgen: this run has no candidate.");
    return named;
  }
  return pickCandidate(run, all, "which candidate?");
}

export async function pickCandidate(run: Run, among: readonly CandidateReport[], title: string): Promise<CandidateReport | undefined> {
  const picked = await vscode.window.showQuickPick(
    among.map((each) => ({
      label: each.id, candidate: each,
      description: `${run.winner === each.id ? "winner, " : ""}${each.files.length} files`, detail: each.summary,
    })),
    { title: `massgen: ${title}` },
  );
  return picked?.candidate;
}

/** An error in words; what the server adds about the next step goes with it. */
export function explain(error: unknown): string {
  const { message, data } = error as { message?: string; data?: { hint?: string } };
  const hint = data?.hint;
  return hint && !message?.includes(hint) ? `${message}: ${hint}` : message ?? String(error);
}
