/** The line in the status bar: how many agents are at work, and what was spent in this window. */

import * as vscode from "vscode";
import { status } from "../model/nodes";
import type { App } from "./app";

export function showStatus(app: App): void {
  const item = vscode.window.createStatusBarItem("massgen.status", vscode.StatusBarAlignment.Left, 10);
  item.name = "massgen";
  const began = Date.now();
  const draw = (): void => {
    const running = app.runs.running;
    let spent: number | null = null;
    for (const run of app.runs.all) {
      if (run.started >= began && run.cost !== null) spent = (spent ?? 0) + run.cost;
    }
    const { text, tooltip, aria } = status(running, spent);
    item.text = text;
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: aria, role: "button" };
    item.command = running.length || app.runs.all.length ? "massgen.runs.focus" : "massgen.runTask";
    void vscode.commands.executeCommand("setContext", "massgen.running", running.length > 0);
    void vscode.commands.executeCommand("setContext", "massgen.hasRuns", app.runs.all.length > 0);
  };
  draw();
  item.show();
  app.context.subscriptions.push(item, { dispose: app.runs.onChange(draw) });
}
