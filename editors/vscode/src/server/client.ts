/** The language client: start, restart, what goes in and out, and what is kept from the defaults. */

import * as vscode from "vscode";
import {
  type ApplyWorkspaceEditParams,
  type ApplyWorkspaceEditResult,
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RequestType,
  State,
  WorkDoneProgress,
} from "vscode-languageclient/node";
import type { NewsEvent } from "../model/wire";
import { type Found, findServer, install, NoServer } from "./python";

export interface Hooks {
  readonly event: (event: NewsEvent) => void;
  /** A command of the server that a person chose (a code action, a lens). */
  readonly command: (name: string, argument: unknown, next: () => Promise<unknown>) => Promise<unknown>;
  readonly edit: (params: ApplyWorkspaceEditParams, next: (params: ApplyWorkspaceEditParams) => Promise<ApplyWorkspaceEditResult>) => Promise<ApplyWorkspaceEditResult>;
  readonly started: () => void;
  readonly stopped: () => void;
}

export class Server {
  private client: LanguageClient | undefined;
  private starting: Promise<LanguageClient> | undefined;
  readonly output = vscode.window.createOutputChannel("massgen", { log: true });
  private trace: vscode.LogOutputChannel | undefined;
  /** What it was started with, for people. */
  from = "";

  constructor(private readonly context: vscode.ExtensionContext, private readonly hooks: Hooks) {
    context.subscriptions.push(this.output);
  }

  get running(): boolean {
    return this.client?.state === State.Running;
  }

  /** The client, started if need be. Whoever asks is told why there is none. */
  async ready(): Promise<LanguageClient> {
    if (this.client?.state === State.Running) return this.client;
    this.starting ??= this.start().finally(() => { this.starting = undefined; });
    return this.starting;
  }

  async ask<T>(method: string, params: unknown, token?: vscode.CancellationToken): Promise<T> {
    const client = await this.ready();
    return client.sendRequest(new RequestType<unknown, T, void>(method), params, token);
  }

  /** Hears of the progress under a token of ours. */
  async onProgress(token: string, hear: (message: string | undefined) => void): Promise<vscode.Disposable> {
    const client = await this.ready();
    return client.onProgress(WorkDoneProgress.type, token, (value) => hear(value.message));
  }

  /** The user trusts the workspace now. */
  async trust(): Promise<void> {
    if (this.running) await this.client?.sendNotification("massgen/trust", { trusted: true });
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.ready();
  }

  async stop(): Promise<void> {
    await this.starting?.catch(() => undefined); // else what is just starting would go on alone
    const client = this.client;
    this.client = undefined;
    if (client?.needsStop()) await client.stop(35_000).catch(() => undefined);
    await client?.dispose();
    this.hooks.stopped();
  }

  private async start(): Promise<LanguageClient> {
    let found: Found;
    try {
      found = await findServer(this.context);
    } catch (error) {
      if (!(error instanceof NoServer) || !error.python) throw error;
      found = await this.offer(error.message, error.python);
    }
    this.from = found.from;
    this.output.info(`starting ${found.command} ${found.args.join(" ")} (from ${found.from})`);
    const settings = vscode.workspace.getConfiguration("massgen.server");
    const config = settings.get<string>("configuration")?.trim();
    const args = [...found.args, "serve", "--stdio", ...(config ? ["--config", config] : [])];
    const cwd = this.context.globalStorageUri.fsPath;
    await vscode.workspace.fs.createDirectory(this.context.globalStorageUri);
    this.trace ??= vscode.window.createOutputChannel("massgen (trace)", { log: true });
    const options: LanguageClientOptions = {
      documentSelector: [{ scheme: "file" }],
      outputChannel: this.output,
      traceOutputChannel: this.trace,
      initializationOptions: { events: "facts", prompts: true, trusted: vscode.workspace.isTrusted },
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the server is told of changes this way
      synchronize: { configurationSection: "massgen" },
      progressOnInitialization: false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => {
          this.hooks.stopped();
          if (this.client) void this.fallen(); // else it is the start that fails, and says so itself
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        provideCodeLenses: (document, token, next) =>
          vscode.workspace.getConfiguration("massgen").get<boolean>("codeLens", true) ? next(document, token) : [],
        executeCommand: (name, args, next) => this.hooks.command(name, args[0], async () => next(name, args) as Promise<unknown>),
        workspace: {
          handleApplyEdit: async (params, next) =>
            this.hooks.edit(params, async (wanted) => (await next(wanted, NEVER)) as ApplyWorkspaceEditResult),
        },
      },
    };
    // Its own folder, not the open one: a folder's files may not stand in for Python's modules.
    const client = new LanguageClient("massgen", "massgen", {
      command: found.command, args, options: { cwd, env: { ...process.env, PYTHONSAFEPATH: "1" } },
    }, options);
    client.onNotification("massgen/event", (event: NewsEvent) => this.hooks.event(event));
    await client.start();
    this.client = client;
    this.hooks.started();
    return client;
  }

  private async offer(message: string, python: string): Promise<Found> {
    const yes = "Install";
    const where = "It goes into an environment of its own in this extension's storage; pip fetches what it needs.";
    const chosen = await vscode.window.showInformationMessage(`${message} Install it? ${where}`, yes, "Settings");
    if (chosen === "Settings") await openSettings();
    if (chosen !== yes) throw new NoServer(`${message} Set massgen.server.interpreter, or install it.`, undefined);
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "massgen: installing the server" },
      () => install(this.context, python, (line) => this.output.info(line)),
    );
    return findServer(this.context);
  }

  /** It ended by itself. Starting it over and over would hide why. */
  private async fallen(): Promise<void> {
    this.client = undefined;
    const chosen = await vscode.window.showErrorMessage(
      "massgen: the server has stopped. What it had made is kept; runs that went on are over.", "Restart", "Show Log");
    if (chosen === "Restart") await vscode.commands.executeCommand("massgen.restartServer");
    if (chosen === "Show Log") this.output.show();
  }
}

export async function openSettings(): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.openSettings", "massgen.server");
}

const NEVER = new vscode.CancellationTokenSource().token;
