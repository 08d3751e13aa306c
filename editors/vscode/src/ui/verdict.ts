/** The verdict table as a web view: strict policy, theme colours, keyboard. */

import * as vscode from "vscode";
import { page, verdictBody } from "../model/verdict";
import type { Run } from "../model/run";
import { oneLine } from "../model/words";
import { type App, explain, readRun, type Target, theRun } from "./app";
import { checkOutput } from "./logs";

interface Message {
  readonly do: string;
  readonly candidate?: string;
  readonly check?: string;
  readonly seat?: string;
}

const ACTS: Record<string, string> = {
  compare: "massgen.compareCandidate", apply: "massgen.applyCandidate", log: "massgen.openLog",
  export: "massgen.exportMarkdown", rerun: "massgen.rerun", twoBest: "massgen.compareCandidates",
};

export class Verdicts {
  private readonly panels = new Map<string, vscode.WebviewPanel>();

  constructor(private readonly app: App) {
    app.context.subscriptions.push({
      dispose: app.runs.onFact((event, run) => {
        if (["run_settled", "delivered", "revised", "discarded"].includes(event.kind)) void this.redraw(run);
      }),
    });
  }

  /** The run whose verdict is in front; nothing where none is. */
  get active(): Target | undefined {
    for (const [run, panel] of this.panels) if (panel.active) return { run };
    return undefined;
  }

  async show(target?: Target): Promise<void> {
    const run = await theRun(this.app, target);
    if (!run) return;
    const known = this.panels.get(run.id);
    if (known) {
      known.reveal();
      return this.redraw(run);
    }
    const media = vscode.Uri.joinPath(this.app.context.extensionUri, "media");
    const report = await readRun(this.app, run);
    const panel = vscode.window.createWebviewPanel(
      "massgen.verdict", `Verdict: ${oneLine(run.prompt, 30)}`, vscode.ViewColumn.Active,
      { enableScripts: true, localResourceRoots: [media], enableFindWidget: true });
    panel.iconPath = { light: vscode.Uri.joinPath(media, "icon-light.svg"), dark: vscode.Uri.joinPath(media, "icon-dark.svg") };
    this.panels.set(run.id, panel);
    panel.onDidDispose(() => this.panels.delete(run.id));
    // Out of sight a page is given up and hears nothing; it comes back as it was made.
    panel.onDidChangeViewState(() => { if (panel.visible) void this.redraw(run); });
    panel.webview.onDidReceiveMessage((message: Message) => this.act(run, panel, message));
    const uri = (name: string): string => panel.webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString();
    const nonce = crypto.randomUUID().replaceAll("-", "");
    panel.webview.html = page(
      { style: uri("verdict.css"), script: uri("verdict.js"), nonce, source: panel.webview.cspSource }, verdictBody(run, report));
  }

  private async redraw(run: Run): Promise<void> {
    const panel = this.panels.get(run.id);
    if (!panel?.visible) return;
    try {
      const report = await readRun(this.app, run);
      await panel.webview.postMessage({ body: verdictBody(run, report) });
    } catch (error) {
      this.app.server.output.warn(explain(error));
    }
  }

  private async act(run: Run, panel: vscode.WebviewPanel, message: Message): Promise<void> {
    const target: Target = {
      run: run.id, ...(message.candidate ? { candidate: message.candidate } : {}), ...(message.seat ? { seat: message.seat } : {}),
    };
    if (message.do === "check" && message.candidate && message.check) {
      const output = await checkOutput(this.app, run.id, message.candidate, message.check).catch(explain);
      if (this.panels.get(run.id) !== panel) return; // closed meanwhile
      await panel.webview.postMessage({ title: `${message.check} of ${message.candidate}`, output });
      return;
    }
    const command = ACTS[message.do];
    if (command) await vscode.commands.executeCommand(command, target);
  }
}
