/** Diff editors: candidate against live buffers, against the snapshot, against another candidate. */

import { access } from "node:fs/promises";
import * as vscode from "vscode";
import type { Run } from "../model/run";
import type { CandidateReport } from "../model/wire";
import { type App, BASE, live, pickCandidate, readRun, type Target, theCandidate, theRun } from "./app";
import { type CandidateFiles, virtual } from "./candidates";
import { measured } from "./measured";

type Row = [vscode.Uri, vscode.Uri | undefined, vscode.Uri | undefined];

/** A whole candidate against what is open and on the disk, in one multi-file diff editor. */
export async function compare(app: App, files: CandidateFiles, target?: Target, against: "live" | "base" = "live"): Promise<void> {
  const began = performance.now();
  const run = await theRun(app, target, (each) => !each.whole || each.candidates.size > 0);
  const candidate = run && (await theCandidate(app, run, target));
  if (!run || !candidate) return;
  files.expect(run, candidate.id);
  const before = (path: string): vscode.Uri => (against === "live" ? live(run, path) : virtual(run, BASE, path));
  const rows = await Promise.all(candidate.files.map(async (file): Promise<Row> => {
    const old = before(file.oldPath ?? file.path);
    const left = file.kind === "add" && !(against === "live" && (await exists(old))) ? undefined : old;
    return [before(file.path), left, file.kind === "delete" ? undefined : virtual(run, candidate.id, file.path)];
  }));
  Object.assign(measured, { told: performance.now() - began, waited: 0 });
  await show(`${candidate.id} ↔ ${against === "live" ? "your files" : "the snapshot"}`, rows);
}

/** One file of a candidate against the live buffer. */
export async function compareFile(app: App, target: Target): Promise<void> {
  const run = await theRun(app, target);
  const candidate = run && (await theCandidate(app, run, target));
  const file = candidate?.files.find((each) => each.path === target.path) ?? candidate?.files[0];
  if (!run || !candidate || !file) return;
  const left = live(run, file.oldPath ?? file.path);
  const right = virtual(run, candidate.id, file.path);
  const title = `${file.path} (${candidate.id})`;
  if (file.kind === "delete") await vscode.window.showTextDocument(left, { preview: true });
  else if (!(await exists(left))) await vscode.window.showTextDocument(right, { preview: true });
  else await vscode.commands.executeCommand("vscode.diff", left, right, title, { preview: true });
}

/** Two candidates of one run; where nobody won and none is named, the two best. */
export async function compareCandidates(app: App, files: CandidateFiles, target?: Target & { with?: string }): Promise<void> {
  const run = await theRun(app, target, (each) => each.candidates.size > 1);
  if (run && !run.whole) await readRun(app, run);
  const [best, second] = run && !run.winner && !target?.candidate ? run.candidates.values() : [];
  const one = run && (second ? best : await theCandidate(app, run, target));
  if (!run || !one) return;
  const others = [...run.candidates.values()].filter((each) => each.id !== one.id);
  if (others.length === 0) {
    void vscode.window.showInformationMessage("massgen: this run has one candidate alone.");
    return;
  }
  const named = second ?? others.find((each) => each.id === target?.with);
  const other = named ?? (others.length === 1 ? others[0] : await pickCandidate(run, others, `compare ${one.id} with …`));
  if (!other) return;
  for (const each of [one, other]) files.expect(run, each.id);
  await show(`${one.id} ↔ ${other.id}`, between(run, one, other));
}

function between(run: Run, one: CandidateReport, other: CandidateReport): Row[] {
  const paths = [...new Set([...one.files, ...other.files].map((file) => file.path))].sort();
  const side = (candidate: CandidateReport, path: string): vscode.Uri | undefined => {
    const file = candidate.files.find((each) => each.path === path);
    if (file?.kind === "delete") return undefined;
    if (file) return virtual(run, candidate.id, path);
    // Untouched by this candidate: as the snapshot has it, if it is there at all.
    const made = [...one.files, ...other.files].some((each) => each.path === path && ["add", "rename"].includes(each.kind));
    return made ? undefined : virtual(run, BASE, path);
  };
  return paths.map((path) => [live(run, path), side(one, path), side(other, path)]);
}

async function show(title: string, rows: readonly Row[]): Promise<void> {
  await vscode.commands.executeCommand("vscode.changes", title, rows);
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  if (vscode.workspace.textDocuments.some((each) => each.uri.toString() === uri.toString())) return true;
  // Agents need a disk, so it is one: asking it oneself is quicker than asking through the window.
  return access(uri.fsPath).then(() => true, () => false);
}
