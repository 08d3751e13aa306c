/** The line in the status bar: how many agents are at work, and what was spent in this window. */

import * as vscode from "vscode";
import { status } from "../model/nodes";
import type { App } from "./app";

export function showStatus(app: App): void {
  const item = vscode.window.createStatusBarItem("massgen.status", vscode.StatusBarAlignment.Left, 10);
  item.name = "massgen";
  const began = Date.now();
  // Each of these is a message to the window: it is sent when it says something new.
  const known = new Map<string, boolean>();
  const setContext = (name: string, value: boolean): void => {
    if (known.get(name) === value) return;
    known.set(name, value);
    void vscode.commands.executeCommand("setContext", name, value);
  };
  const draw = (): void => {
    const running = app.runs.running;
    let spent: number | null = null;
    for (const run of app.runs.all) {
      if (run.started >= began && run.cost !== null) spent = (spent ?? 0) + run.cost;
    }
    const { text, tooltip, aria } = status(running, spent);
    if (item.text !== text) item.text = text;
    if (item.tooltip !== tooltip) item.tooltip = tooltip;
    if (item.accessibilityInformation?.label !== aria) item.accessibilityInformation = { label: aria, role: "button" };
    const command = app.runs.all.length ? "massgen.runs.focus" : "massgen.runTask";
    if (item.command !== command) item.command = command;
    setContext("massgen.running", running.length > 0);
    setContext("massgen.hasRuns", app.runs.all.length > 0);
  };
  draw();
  item.show();
  app.context.subscriptions.push(item, { dispose: app.runs.onChange(draw) });
}
