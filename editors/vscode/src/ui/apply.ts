/** The way into the user's files: all of a candidate, some files, some hunks, and back again. */

import * as vscode from "vscode";
import { parseDiff } from "../model/diff";
import { changedSince, type Landing, stepsBack, type Text } from "../model/landing";
import type { Run } from "../model/run";
import type { Delivery, RunReport } from "../model/wire";
import { counted, oneLine } from "../model/words";
import { type App, live, type Target, theCandidate, theRun } from "./app";
import { showConflicts } from "./conflicts";
import type { Texts } from "./texts";

export interface Selection extends Target {
  readonly paths?: readonly string[];
  readonly hunks?: Readonly<Record<string, readonly number[]>>;
  readonly partial?: boolean;
  readonly preview?: boolean;
}

interface Result {
  applied: boolean;
  failureReason?: string;
}

export class Applying {
  private readonly landings: Landing[] = [];
  private recording: Map<string, { before: Text; after: Text }> | undefined;

  constructor(private readonly app: App, private readonly texts: Texts) {}

  /** Applies what is named; says what became of it. */
  async apply(target?: Selection): Promise<Delivery | undefined> {
    const run = await theRun(this.app, target, (each) => !each.running && each.outcome !== "none");
    const candidate = run && (await theCandidate(this.app, run, target));
    if (!run || !candidate) return undefined;
    const label = `${candidate.id}: ${oneLine(run.prompt, 40)}`;
    this.recording = new Map();
    let delivery: Delivery;
    try {
      delivery = await this.app.server.ask<Delivery>("massgen/apply", {
        runId: run.id, candidateId: candidate.id,
        ...(target?.paths ? { paths: target.paths } : {}),
        ...(target?.hunks ? { hunks: target.hunks } : {}),
        ...(target?.partial ? { partial: true } : {}),
        ...(target?.preview ? { preview: true } : {}),
      });
    } finally {
      const files = this.recording;
      this.recording = undefined;
      if (files.size > 0) this.keep({ label, files });
    }
    void this.tell(run, delivery);
    return delivery;
  }

  /** Some files of a candidate. */
  async applyFiles(target?: Selection): Promise<Delivery | undefined> {
    if (target?.paths) return this.apply(target);
    if (target?.path) return this.apply({ ...target, paths: [target.path] });
    const run = await theRun(this.app, target, (each) => !each.running);
    const candidate = run && (await theCandidate(this.app, run, target));
    if (!run || !candidate) return undefined;
    const picked = await vscode.window.showQuickPick(
      candidate.files.map((file) => ({ label: file.path, description: `${file.kind} +${file.added} −${file.removed}`, picked: true })),
      { title: `massgen: apply which files of ${candidate.id}?`, canPickMany: true, matchOnDescription: true },
    );
    if (!picked?.length) return undefined;
    return this.apply({ run: run.id, candidate: candidate.id, paths: picked.map((each) => each.label) });
  }

  /** Some hunks of a candidate. */
  async applyHunks(target?: Selection): Promise<Delivery | undefined> {
    if (target?.hunks) return this.apply(target);
    const run = await theRun(this.app, target, (each) => !each.running);
    const candidate = run && (await theCandidate(this.app, run, target));
    if (!run || !candidate) return undefined;
    const report = await this.app.server.ask<RunReport>("massgen/read", { runId: run.id, candidateId: candidate.id });
    const files = parseDiff(report.candidates[0]?.diff ?? "").filter((file) => !target?.path || file.path === target.path);
    type Item = vscode.QuickPickItem & { path: string; index: number };
    const items = files.flatMap((file): Item[] => [
      { label: file.path, kind: vscode.QuickPickItemKind.Separator, path: "", index: -1 },
      ...file.hunks.map((hunk) => ({
        label: `$(diff) line ${hunk.before}  +${hunk.added} −${hunk.removed}`, description: hunk.header,
        detail: oneLine(hunk.gist, 100), picked: true, path: file.path, index: hunk.index,
      })),
    ]);
    const picked = await vscode.window.showQuickPick(items, {
      title: `massgen: apply which changes of ${candidate.id}?`, canPickMany: true, matchOnDescription: true, matchOnDetail: true,
    });
    if (!picked?.length) return undefined;
    const hunks: Record<string, number[]> = {};
    for (const { path, index } of picked) (hunks[path] ??= []).push(index);
    return this.apply({ run: run.id, candidate: candidate.id, hunks });
  }

  /** An edit of the server passes through here, so that it can be taken back. */
  async edit(uris: readonly string[], perform: () => Promise<Result>, preview: boolean): Promise<Result> {
    const known = new Map<string, Text>();
    for (const uri of uris) known.set(uri, await textOf(vscode.Uri.parse(uri)));
    const answer = await perform();
    if (!answer.applied) return answer;
    const files = this.recording ?? new Map<string, { before: Text; after: Text }>();
    let touched = false;
    for (const [uri, before] of known) {
      const after = await textOf(vscode.Uri.parse(uri));
      touched ||= after !== before;
      const earlier = files.get(uri);
      files.set(uri, { before: earlier ? earlier.before : before, after });
    }
    // VS Code calls it applied as well when its user has chosen nothing.
    if (preview && !touched) return { applied: false, failureReason: "nothing was chosen in the preview" };
    if (!this.recording) this.keep({ label: "massgen", files });
    return answer;
  }

  /** Takes the last applied candidate back, in one step. */
  async undo(): Promise<boolean> {
    const landing = this.landings.at(-1);
    if (!landing) {
      void vscode.window.showInformationMessage("massgen: nothing was applied in this window.");
      return false;
    }
    const now = new Map<string, Text>();
    for (const uri of landing.files.keys()) now.set(uri, await textOf(vscode.Uri.parse(uri)));
    const changed = changedSince(landing, now);
    if (changed.length > 0) {
      const names = changed.slice(0, 3).map((uri) => vscode.workspace.asRelativePath(vscode.Uri.parse(uri))).join(", ");
      void vscode.window.showWarningMessage(
        `massgen: ${names} ${changed.length === 1 ? "has" : "have"} changed since ${landing.label} was applied, so nothing is taken back. Use the editor's own Undo there.`);
      return false;
    }
    const edit = new vscode.WorkspaceEdit();
    for (const step of stepsBack(landing)) {
      const uri = vscode.Uri.parse(step.uri);
      if (step.kind === "delete") edit.deleteFile(uri, { ignoreIfNotExists: true });
      else if (step.kind === "create") edit.createFile(uri, { contents: Buffer.from(step.text) });
      else {
        const document = await vscode.workspace.openTextDocument(uri);
        edit.replace(uri, new vscode.Range(document.positionAt(step.start), document.positionAt(step.end)), step.text);
      }
    }
    const done = await vscode.workspace.applyEdit(edit);
    if (done) {
      this.landings.pop();
      this.offer();
      void vscode.window.setStatusBarMessage(`massgen: ${landing.label} is taken back`, 5000);
    }
    return done;
  }

  private keep(landing: Landing): void {
    this.landings.push(landing);
    if (this.landings.length > 20) this.landings.shift();
    this.offer();
  }

  private offer(): void {
    void vscode.commands.executeCommand("setContext", "massgen.canUndo", this.landings.length > 0);
  }

  private async tell(run: Run, delivery: Delivery): Promise<void> {
    if (delivery.conflicts.length > 0) return showConflicts(this.app, this.texts, this, run, delivery);
    if (!delivery.applied) {
      void vscode.window.showWarningMessage(`massgen: ${delivery.candidate} was not applied: ${delivery.reason}`);
      return;
    }
    const files = counted(delivery.paths.length, "file");
    const chosen = await vscode.window.showInformationMessage(`massgen: ${delivery.candidate} is applied to ${files}.`, "Save All", "Undo");
    if (chosen === "Undo") await this.undo();
    if (chosen === "Save All") await this.save(run, delivery.paths);
  }

  private async save(run: Run, paths: readonly string[]): Promise<void> {
    const ours = new Set(paths.map((path) => live(run, path).toString()));
    for (const document of vscode.workspace.textDocuments) {
      if (document.isDirty && ours.has(document.uri.toString())) await document.save();
    }
  }
}

/** What the editor shows, else what is on the disk. A deleted file's document may outlive it. */
async function textOf(uri: vscode.Uri): Promise<Text> {
  const open = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri.toString());
  if (open?.isDirty) return open.getText();
  try {
    await vscode.workspace.fs.stat(uri);
    return open?.getText() ?? new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return null;
  }
}
