/** Puts everything together. Nothing is started before it is needed. */

import * as vscode from "vscode";
import { realTimer } from "./model/throttle";
import { Runs } from "./model/runs";
import type { Order, RunLine } from "./model/wire";
import { nextSteps, outcomeWords } from "./model/nodes";
import type { Run } from "./model/run";
import { oneLine } from "./model/words";
import { openSettings, Server } from "./server/client";
import { answerNow, cancelRun, stopSeat, tellSeat } from "./ui/agents";
import { type App, explain, readRun, type Target, theCandidate, theRun } from "./ui/app";
import { Applying, type Selection } from "./ui/apply";
import { CandidateFiles, SCHEME } from "./ui/candidates";
import { compare, compareCandidates, compareFile } from "./ui/compare";
import { merge } from "./ui/conflicts";
import { RunLenses } from "./ui/lenses";
import { Logs } from "./ui/logs";
import { type Measured, measured } from "./ui/measured";
import { followUp, rerun, runTask, type ScopeKind, settled } from "./ui/start";
import { showStatus } from "./ui/status";
import { Texts } from "./ui/texts";
import { RunsTree } from "./ui/tree";
import { Verdicts } from "./ui/verdict";
import { asksFirst, chosenBeforehand, documentsOf } from "./ui/edits";

/** For other extensions, and for the tests. */
export interface Api {
  readonly runs: Runs;
  readonly tree: RunsTree;
  readonly measured: Measured & { activation: number };
  ask(method: string, params: unknown): Promise<unknown>;
  /** Where the running server was found. */
  startedFrom(): string;
  ready(): Promise<void>;
}

export function activate(context: vscode.ExtensionContext): Api {
  const began = performance.now();
  const runs = new Runs(realTimer);
  const server = new Server(context, {
    event: (event) => runs.take(event),
    command: (name, argument, next) => serverCommand(name, argument, next),
    edit: async (params, next) => {
      const preview = asksFirst(params.edit);
      const edit = preview ? chosenBeforehand(params.edit) : params.edit;
      return applying.edit(documentsOf(edit), () => next({ ...params, edit }), preview);
    },
    started: () => void list(),
    stopped: () => runs.cut(),
  });
  const app: App = { context, server, runs };
  const texts = new Texts(context);
  const candidates = new CandidateFiles(app);
  context.subscriptions.push(vscode.workspace.registerTextDocumentContentProvider(SCHEME, candidates));
  const applying = new Applying(app, texts);
  const logs = new Logs(app, texts);
  const tree = new RunsTree(app);
  const verdicts = new Verdicts(app);
  new RunLenses(app);
  showStatus(app);
  const view = vscode.window.createTreeView("massgen.runs", { treeDataProvider: tree, showCollapseAll: true });
  tree.follow(view);
  context.subscriptions.push(view, { dispose: runs.onChange(() => {
    const count = runs.running.length;
    if (count === (view.badge?.value ?? 0)) return;
    view.badge = count ? { value: count, tooltip: `${count} running` } : undefined;
  }) });

  async function list(): Promise<void> {
    try {
      runs.seed((await server.ask<{ runs: RunLine[] }>("massgen/list", { limit: 30 })).runs);
      // The server has read its configuration code when the first task comes.
      if (vscode.workspace.isTrusted && vscode.workspace.workspaceFolders?.length) await server.ask("massgen/team", {});
    } catch (error) {
      server.output.warn(explain(error));
    }
  }

  /** Commands of the server that a person chose get this extension's own face. */
  async function serverCommand(name: string, argument: unknown, next: () => Promise<unknown>): Promise<unknown> {
    const target = argument as Target & Partial<Order> | undefined;
    switch (name) {
      case "massgen.run": {
        const order = { ...target } as Partial<Order>;
        delete order.apply;
        return runTask(app, order);
      }
      case "massgen.apply": return applying.apply(target);
      case "massgen.compare": return compare(app, candidates, target);
      default: return next();
    }
  }

  const commands: Record<string, (argument: never) => unknown> = {
    runTask: (given?: object | null) => runTask(app, orderIn(given)),
    // The server asks by itself; where it should go is the first folder's concern.
    setUp: () => server.ask("massgen/init", { folder: vscode.workspace.workspaceFolders?.[0]?.uri.fsPath }),
    runOnSelection: () => runTask(app, { scopeKind: "selection" }),
    runOnFile: () => runTask(app, { scopeKind: "file" }),
    runOnProblems: () => runTask(app, { scopeKind: "diagnostics" }),
    runOnWorkspace: () => runTask(app, { scopeKind: "workspace" }),
    rerun: (target?: Target & { agents?: string[] }) => rerun(app, target),
    followUp: (target?: Target & { prompt?: string }) => followUp(app, target),
    cancelRun: (target?: Target) => cancelRun(app, target),
    answerNow: (target?: Target) => answerNow(app, target),
    stopSeat: (target?: Target) => stopSeat(app, target),
    tellSeat: (target?: Target & { text?: string }) => tellSeat(app, target),
    openLog: (target?: Target) => logs.show(target),
    showCheck: (target: Target) => logs.showCheck(target),
    compareCandidate: (target?: Target) => compare(app, candidates, target),
    compareWithSnapshot: (target?: Target) => compare(app, candidates, target, "base"),
    compareFile: (target: Target) => compareFile(app, target),
    compareCandidates: (target?: Target & { with?: string }) => compareCandidates(app, candidates, target),
    openVerdict: (target?: Target) => verdicts.show(target),
    applyCandidate: (target?: Selection) => applying.apply(target?.run ?? target?.runId ? target : verdicts.active ?? target),
    applyPreview: (target?: Selection) => applying.apply({ ...only(target), preview: true }),
    applyFiles: (target?: Selection) => applying.applyFiles(target),
    applyHunks: (target?: Selection) => applying.applyHunks(target),
    undoApply: () => applying.undo(),
    discardCandidate: (target?: Target) => discard(target),
    exportMarkdown: (target?: Target) => exportMarkdown(app, target),
    mergeConflicts: async (target: Target & { conflicts: Parameters<typeof merge>[4] }) => {
      const run = await theRun(app, target);
      if (run) await merge(app, texts, run, target.candidate ?? run.winner ?? "", target.conflicts);
    },
    refresh: async () => { await server.ready(); await list(); },
    focusRuns: () => vscode.commands.executeCommand("massgen.runs.focus"),
    showOutput: () => server.output.show(),
    restartServer: () => server.restart(),
    openSettings,
    openWalkthrough: () => vscode.commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#start`),
  };
  for (const [name, command] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(`massgen.${name}`, async (argument: never) => {
      try {
        return await command(argument);
      } catch (error) {
        server.output.warn(explain(error));
        void vscode.window.showErrorMessage(`massgen: ${explain(error)}`);
        return undefined;
      }
    }));
  }

  async function discard(target?: Target): Promise<void> {
    const run = await theRun(app, target, (each) => !each.running);
    const candidate = run && (await theCandidate(app, run, target));
    if (run && candidate) {
      await server.ask("massgen/discard", { runId: run.id, candidateId: candidate.id });
      await readRun(app, run);
    }
  }

  // What a run ends with, where this window has started it.
  context.subscriptions.push({ dispose: runs.onFact((event, run) => {
    if (event.kind === "run_settled") void (async () => {
      await settled(app, run.id);
      await readRun(app, run).catch((error: unknown) => server.output.warn(explain(error)));
      await announce(run);
    })();
  }) });

  async function announce(run: Run): Promise<void> {
    const target: Target = { run: run.id };
    if (run.outcome === "won") {
      const wanted = vscode.workspace.getConfiguration("massgen").get<string>("whenWon", "ask");
      if (wanted === "compare") return void vscode.commands.executeCommand("massgen.compareCandidate", target);
      if (wanted === "apply") return void vscode.commands.executeCommand("massgen.applyCandidate", target);
    }
    const acts = nextSteps(run);
    if (!acts) return;
    const said = run.outcome === "won" ? `${run.winner} won` : outcomeWords(run);
    const chosen = await vscode.window.showInformationMessage(`massgen: ${said}. ${oneLine(run.why, 160)}`, ...Object.keys(acts));
    if (chosen) await vscode.commands.executeCommand(`massgen.${acts[chosen]}`, target);
  }

  context.subscriptions.push(
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server.trust().catch((error: unknown) => server.output.warn(explain(error)))),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      const decisive = ["command", "interpreter", "configuration"].some((name) => event.affectsConfiguration(`massgen.server.${name}`));
      if (!decisive || !server.running) return;
      const now = runs.running.length === 0 || await vscode.window.showInformationMessage(
        "massgen: the server takes its new settings when it is restarted, which ends the runs that go on.", "Restart Now") !== undefined;
      if (now) await vscode.commands.executeCommand("massgen.restartServer");
    }),
    { dispose: () => { leaving = server.stop(); } },
  );
  // Where a person has worked with it before, lenses and code actions are there without a click.
  const start = vscode.workspace.getConfiguration("massgen").get<boolean>("server.startWithWindow", true);
  if (start) setTimeout(() => void server.ready().catch((error: unknown) => server.output.warn(explain(error))), 0);

  return { runs, tree, measured: Object.assign(measured, { activation: performance.now() - began }), ask: (method, params) => server.ask(method, params), startedFrom: () => server.from, ready: async () => { await server.ready(); } };
}

/** The end of the server, which takes its agents with it: the window waits for it. */
let leaving: Promise<void> | undefined;

export async function deactivate(): Promise<void> {
  await leaving;
  await vscode.commands.executeCommand("setContext", "massgen.running", false);
}

/** What is an order in what a command was given: menus give a file's address or a line of the tree. */
function orderIn(given: object | null | undefined): Partial<Order> & { scopeKind?: ScopeKind } {
  const known = ["prompt", "scope", "agents", "checks", "mode", "folder", "context", "scopeKind"];
  return Object.fromEntries(Object.entries(given ?? {}).filter(([name]) => known.includes(name)));
}

function only(target: Selection | undefined): Selection {
  const { run, runId, candidate, candidateId, paths, hunks } = target ?? {};
  return Object.fromEntries(Object.entries({ run, runId, candidate, candidateId, paths, hunks }).filter(([, v]) => v !== undefined));
}

/** The verdict with all that led to it, as a new document. */
async function exportMarkdown(app: App, target?: Target): Promise<void> {
  const run = await theRun(app, target, (each) => !each.running);
  if (!run) return;
  const { text } = await app.server.ask<{ text: string }>("massgen/read", { runId: run.id, format: "markdown" });
  const document = await vscode.workspace.openTextDocument({ language: "markdown", content: text });
  await vscode.window.showTextDocument(document);
}
