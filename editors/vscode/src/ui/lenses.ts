/** Code lenses on the files of a run that is settled, until its winner is applied or discarded. */

import * as vscode from "vscode";
import { counted } from "../model/words";
import { type App, live } from "./app";

export class RunLenses implements vscode.CodeLensProvider {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changed.event;

  constructor(private readonly app: App) {
    app.context.subscriptions.push(
      vscode.languages.registerCodeLensProvider({ scheme: "file" }, this), this.changed,
      { dispose: app.runs.onFact((event) => {
        if (["run_settled", "delivered", "discarded"].includes(event.kind)) this.changed.fire();
      }) },
    );
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (!vscode.workspace.getConfiguration("massgen").get<boolean>("codeLens", true)) return [];
    const uri = document.uri.toString();
    const top = new vscode.Range(0, 0, 0, 0);
    // The newest alone: every run that ever touched a file would hide the file.
    for (const run of this.app.runs.all) {
      const winner = run.winner === null ? undefined : run.candidates.get(run.winner);
      const file = winner?.files.find((each) => live(run, each.path).toString() === uri);
      if (!winner || !file || winner.discarded || run.applied.has(winner.id)) continue;
      const target = { run: run.id, candidate: winner.id, path: file.path };
      const lens = (title: string, command: string): vscode.CodeLens => new vscode.CodeLens(top, { title, command, arguments: [target] });
      return [
        lens(`$(star-full)\u00a0${winner.id} changes this file: +${file.added} −${file.removed}`, "massgen.compareFile"),
        lens("apply here", "massgen.applyFiles"),
        lens(`apply all (${counted(winner.files.length, "file")})`, "massgen.applyCandidate"),
        lens("verdict", "massgen.openVerdict"),
      ];
    }
    return [];
  }
}
