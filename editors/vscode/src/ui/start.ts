/** Asking for a task, and starting it. */

import * as vscode from "vscode";
import { readTemplates, remember, TEMPLATES } from "../model/history";
import type { Attachment } from "../model/pictures";
import type { Run } from "../model/run";
import type { Order, Team } from "../model/wire";
import { counted, oneLine } from "../model/words";
import { type App, explain, readRun, type Target, theRun } from "./app";
import { measured } from "./measured";
import { pickPictures } from "./pictures";

const HISTORY = "massgen.history";

export type ScopeKind = "selection" | "file" | "diagnostics" | "workspace";

interface Choice {
  scope: ScopeKind;
  agents: readonly string[] | undefined;
  checks: readonly string[] | undefined;
  mode: string | undefined;
  attachments: readonly Attachment[];
}

/** What a run was ordered with, for the next one like it. */
const orders = new Map<string, Order>();

/** Runs a task: with a prompt at once, without one the user is asked. */
export async function runTask(app: App, given: Partial<Order> & { scopeKind?: ScopeKind } = {}): Promise<string | undefined> {
  if (!(await trusted())) return undefined;
  const { scopeKind, ...order } = given;
  if (order.prompt?.trim()) {
    return start(app, { ...order, prompt: order.prompt, ...placed(order, scopeKind) });
  }
  const editor = vscode.window.activeTextEditor;
  const selected = editor && editor.document.uri.scheme === "file" && !editor.selection.isEmpty;
  const choice: Choice = {
    scope: scopeKind ?? (selected ? "selection" : "workspace"),
    agents: order.agents, checks: order.checks, mode: order.mode, attachments: order.attachments ?? [],
  };
  const prompt = await ask(app, choice, order.scope !== undefined);
  if (!prompt) return undefined;
  return start(app, {
    ...order, prompt, ...placed(order, choice.scope),
    ...(choice.agents ? { agents: choice.agents } : {}),
    ...(choice.checks ? { checks: choice.checks } : {}),
    ...(choice.mode ? { mode: choice.mode } : {}),
    ...(choice.attachments.length ? { attachments: choice.attachments } : {}),
  });
}

/** The same task as before, perhaps for other agents. */
export async function rerun(app: App, target?: Target & { agents?: string[] }): Promise<string | undefined> {
  const run = await theRun(app, target);
  if (!run || !(await trusted())) return undefined;
  const before = orders.get(run.id) ?? (await orderOf(app, run));
  const agents = target?.agents ?? (await pickAgents(app, { folder: run.folder, picked: [...run.seats.keys()] }))?.agents;
  return agents && start(app, { ...before, agents });
}

/** A new task for the agents of an earlier run, who are told what they did in it. */
export async function followUp(app: App, target?: Target & { prompt?: string }): Promise<string | undefined> {
  const run = await theRun(app, target);
  if (!run) return undefined;
  const context = { runId: run.id, ...(target?.seat ? { seat: target.seat } : {}) };
  const agents = orders.get(run.id)?.agents;
  return runTask(app, {
    ...(target?.prompt ? { prompt: target.prompt } : {}), ...(agents ? { agents } : {}), folder: run.folder, context,
  });
}

async function orderOf(app: App, run: Run): Promise<Order> {
  await readRun(app, run);
  const scope = run.scope ? { scope: { textDocument: { uri: vscode.Uri.joinPath(vscode.Uri.file(run.folder), run.scope).toString() } } } : {};
  const attachments = run.attachments.length ? { attachments: run.attachments } : {};
  return { prompt: run.prompt, folder: run.folder, ...scope, ...attachments };
}

/** Whether programs may be started here; says what to do when they may not. */
export async function trusted(): Promise<boolean> {
  if (vscode.workspace.isTrusted) return true;
  const chosen = await vscode.window.showWarningMessage(
    "massgen: agents start programs in this folder, which is not trusted yet.", "Manage Workspace Trust");
  if (chosen) await vscode.commands.executeCommand("workbench.trust.manage");
  return false;
}

export async function start(app: App, order: Order): Promise<string | undefined> {
  const began = performance.now();
  const history = app.context.workspaceState.get<string[]>(HISTORY) ?? [];
  void app.context.workspaceState.update(HISTORY, remember(history, order.prompt));
  return new Promise((resolve) => {
    const options = { location: vscode.ProgressLocation.Notification, title: "massgen", cancellable: true };
    void vscode.window.withProgress(options, async (progress, cancelled) => {
      progress.report({ message: oneLine(order.prompt) });
      measured.shown = performance.now() - began;
      let run: string | undefined;
      try {
        const token = `vscode/${crypto.randomUUID()}`;
        const hearing = await app.server.onProgress(token, (message) => {
          measured.progress ??= performance.now() - began;
          if (message) progress.report({ message });
        });
        measured.progress = undefined;
        try {
          const answer = await app.server.ask<{ runId: string }>("massgen/run", { ...order, apply: "none", workDoneToken: token });
          run = answer.runId;
          orders.set(run, order);
          const id = run;
          cancelled.onCancellationRequested(() => 
            void app.server.ask("massgen/cancel", { runId: id }).catch((error: unknown) => app.server.output.warn(explain(error))));
          resolve(run);
          if (cancelled.isCancellationRequested) await app.server.ask("massgen/cancel", { runId: run });
          await settled(app, run);
        } finally {
          hearing.dispose();
        }
      } catch (error) {
        resolve(run);
        void failed(app, error);
      }
    });
  });
}

async function failed(app: App, error: unknown): Promise<void> {
  const chosen = await vscode.window.showErrorMessage(`massgen: ${explain(error)}`, "Show Log", "Settings");
  if (chosen === "Show Log") app.server.output.show();
  if (chosen === "Settings") await vscode.commands.executeCommand("workbench.action.openSettings", "massgen.server");
}

/** Until the run is over, as its events tell. */
export function settled(app: App, id: string): Promise<Run | undefined> {
  return new Promise((resolve) => {
    const look = (): void => {
      const run = app.runs.get(id);
      if (run && !run.running) {
        stop();
        resolve(run);
      }
    };
    const stop = app.runs.onChange(look);
    look();
  });
}

function placed(order: Partial<Order>, kind: ScopeKind | undefined): Partial<Order> {
  if (order.scope || order.folder || !kind) return {};
  const document = vscode.window.activeTextEditor?.document;
  const folder = document && vscode.workspace.getWorkspaceFolder(document.uri);
  if (kind === "workspace" || !document || document.uri.scheme !== "file") {
    return folder ? { folder: folder.uri.fsPath } : {};
  }
  const scope: NonNullable<Order["scope"]> = { textDocument: { uri: document.uri.toString() } };
  const selection = vscode.window.activeTextEditor?.selection;
  if (kind === "selection" && selection) scope.range = plain(selection);
  if (kind === "diagnostics") {
    const all = vscode.languages.getDiagnostics(document.uri);
    const near = selection && !selection.isEmpty ? all.filter((each) => each.range.intersection(selection)) : all;
    scope.diagnostics = near.map((each) => ({
      range: plain(each.range), message: each.message,
      ...(each.source ? { source: each.source } : {}),
      ...(typeof each.code === "string" || typeof each.code === "number" ? { code: each.code } : {}),
    }));
  }
  return { scope };
}

function plain(range: vscode.Range): { start: { line: number; character: number }; end: { line: number; character: number } } {
  return {
    start: { line: range.start.line, character: range.start.character },
    end: { line: range.end.line, character: range.end.character },
  };
}

function scopeWords(kind: ScopeKind): string {
  const editor = vscode.window.activeTextEditor;
  const name = editor ? vscode.workspace.asRelativePath(editor.document.uri) : "";
  switch (kind) {
    case "selection": {
      const lines = editor?.selection;
      return lines ? `${name}:${lines.start.line + 1}–${lines.end.line + 1}` : name;
    }
    case "file": return name;
    case "diagnostics": return `problems in ${name}`;
    case "workspace": return "the whole workspace";
  }
}

type Item = vscode.QuickPickItem & { prompt?: string };

/** One box for all of it: what is typed, what was asked before, and templates. */
function ask(app: App, choice: Choice, fixedScope: boolean): Promise<string | undefined> {
  const box = vscode.window.createQuickPick<Item>();
  const scope: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("list-selection"), tooltip: "Scope" };
  const team: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("organization"), tooltip: "Agents, checks and mode" };
  const pictures: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("file-media"), tooltip: "Attach pictures" };
  const history = app.context.workspaceState.get<string[]>(HISTORY) ?? [];
  const own = readTemplates(vscode.workspace.getConfiguration("massgen").get("templates"));
  const draw = (): void => {
    const agents = choice.agents ? `, ${counted(choice.agents.length, "agent")}` : "";
    const shown = choice.attachments.length ? `, ${counted(choice.attachments.length, "picture")}` : "";
    box.title = `massgen: run a task on ${fixedScope ? "this place" : scopeWords(choice.scope)}${agents}${shown}`;
    const typed = box.value.trim();
    const separator = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });
    box.items = [
      ...(typed ? [{ label: `$(play) ${typed}`, description: "Enter to run", prompt: typed, alwaysShow: true }] : []),
      ...(history.length ? [separator("history"), ...history.filter((h) => h !== typed).map((h) => ({ label: `$(history) ${oneLine(h, 80)}`, prompt: h }))] : []),
      separator("templates"),
      ...[...own, ...TEMPLATES].map((t) => ({ label: `$(lightbulb) ${t.label}`, description: t.prompt, prompt: t.prompt })),
    ];
  };
  box.placeholder = "What shall the team do? (Enter runs it)";
  box.matchOnDescription = true;
  box.ignoreFocusOut = true;
  box.buttons = fixedScope ? [team, pictures] : [scope, team, pictures];
  draw();
  return new Promise((resolve) => {
    let paused = false;
    box.onDidChangeValue(draw);
    box.onDidAccept(() => {
      const prompt = box.selectedItems[0]?.prompt ?? box.value.trim();
      resolve(prompt || undefined);
      box.hide();
    });
    box.onDidTriggerButton(async (button) => {
      paused = true;
      if (button === scope) choice.scope = (await pickScope()) ?? choice.scope;
      else if (button === pictures) choice.attachments = await pickPictures(app.context, choice.attachments);
      else {
        const picked = await pickAgents(app, choice.agents ? { picked: choice.agents } : {}).catch((error: unknown) => void failed(app, error));
        if (picked) Object.assign(choice, picked);
      }
      paused = false;
      draw();
      box.show();
    });
    box.onDidHide(() => {
      if (paused) return;
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

async function pickScope(): Promise<ScopeKind | undefined> {
  const kinds: ScopeKind[] = vscode.window.activeTextEditor?.document.uri.scheme === "file"
    ? ["selection", "file", "diagnostics", "workspace"] : ["workspace"];
  const labels: Record<ScopeKind, string> = {
    selection: "$(list-selection) The selection", file: "$(file) This file",
    diagnostics: "$(warning) The problems in this file", workspace: "$(root-folder) The whole workspace",
  };
  const picked = await vscode.window.showQuickPick(
    kinds.map((kind) => ({ label: labels[kind], description: scopeWords(kind), scope: kind })),
    { title: "massgen: what is the task about?" });
  return picked?.scope;
}

/** Which agents and checks, out of those that are configured; undefined: nothing was chosen. */
async function pickAgents(
  app: App, given: { folder?: string; picked?: readonly string[] },
): Promise<{ agents: string[]; checks: string[]; mode: string | undefined } | undefined> {
  const folder = given.folder ?? vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const team = await app.server.ask<Team>("massgen/team", folder ? { folder } : {});
  const item = (label: string, group: "agents" | "checks", description = "", picked = true): vscode.QuickPickItem & { group: string; id: string } =>
    ({ label, description, picked, group, id: label });
  const items = [
    { label: "agents", kind: vscode.QuickPickItemKind.Separator, group: "", id: "" },
    ...team.agents.map((a) => item(a.id, "agents", a.type, !given.picked || given.picked.includes(a.id))),
    ...(team.checks.length ? [{ label: "checks", kind: vscode.QuickPickItemKind.Separator, group: "", id: "" }] : []),
    ...team.checks.map((check) => item(check, "checks")),
  ];
  const picked = await vscode.window.showQuickPick(items, {
    title: `massgen: who works, and what decides? (${team.source})`, canPickMany: true, matchOnDescription: true,
  });
  const agents = picked?.filter((each) => each.group === "agents").map((each) => each.id);
  if (!agents?.length) return undefined;
  const checks = picked?.filter((each) => each.group === "checks").map((each) => each.id) ?? [];
  const mode = team.modes.length > 1
    ? await vscode.window.showQuickPick([...team.modes], { title: "massgen: how is the winner found?", placeHolder: team.mode })
    : undefined;
  return { agents, checks, mode };
}
