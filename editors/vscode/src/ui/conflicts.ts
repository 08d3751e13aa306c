/** Changes that meet the user's own: VS Code's merge editor, or the file with conflict markers. */

import * as vscode from "vscode";
import { withMarkers } from "../model/conflict";
import type { Run } from "../model/run";
import type { Conflict, Delivery } from "../model/wire";
import { counted } from "../model/words";
import { type App, BASE, live } from "./app";
import { virtual } from "./candidates";
import type { Applying } from "./apply";
import type { Texts } from "./texts";

/** Says which files were left alone, and offers what can be done about each. */
export async function showConflicts(app: App, texts: Texts, applying: Applying, run: Run, delivery: Delivery): Promise<void> {
  const paths = [...new Set(delivery.conflicts.map((each) => each.path))];
  const landed = delivery.applied ? `${counted(delivery.paths.length, "file")} applied; ` : "";
  const names = `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`;
  const held = Object.keys(delivery.held).length > 0;
  const chosen = await vscode.window.showWarningMessage(
    `massgen: ${landed}your changes and those of ${delivery.candidate} meet in ${names}, left as you have it.`,
    "Merge…", ...(held ? ["Apply the Rest"] : []));
  if (chosen === "Merge…") await merge(app, texts, run, delivery.candidate, delivery.conflicts);
  if (chosen === "Apply the Rest") {
    await applying.apply({ run: run.id, candidate: delivery.candidate, paths: Object.keys(delivery.held), partial: true });
  }
}

/** Opens one merge editor for each file. Nothing is written before its user completes the merge. */
export async function merge(app: App, texts: Texts, run: Run, candidate: string, conflicts: readonly Conflict[]): Promise<void> {
  for (const path of new Set(conflicts.map((each) => each.path))) {
    const own = conflicts.filter((each) => each.path === path);
    const output = live(run, path);
    let current: string;
    try {
      current = (await vscode.workspace.openTextDocument(output)).getText();
    } catch {
      await vscode.window.showTextDocument(virtual(run, candidate, path), { preview: false });
      continue; // the user has deleted it: there is nothing to merge into
    }
    const frozen = texts.make(`${run.id}/yours/${path}`, () => current);
    const file = run.candidates.get(candidate)?.files.find((each) => each.path === path);
    try {
      await vscode.commands.executeCommand("_open.mergeEditor", {
        base: virtual(run, BASE, file?.oldPath ?? path),
        input1: { uri: virtual(run, candidate, path), title: candidate, detail: "the candidate" },
        input2: { uri: frozen, title: "Yours", detail: "as it is in the editor" },
        output,
      });
    } catch (error) {
      app.server.output.warn(`no merge editor: ${String(error)}`);
      const marked = texts.make(`${run.id}/conflicts/${path}`, () => withMarkers(current, own, candidate));
      await vscode.window.showTextDocument(output, { preview: false, viewColumn: vscode.ViewColumn.One });
      await vscode.window.showTextDocument(marked, { preview: false, viewColumn: vscode.ViewColumn.Beside });
    }
  }
}
