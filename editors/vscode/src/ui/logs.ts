/** What an agent says and does, and what a check printed, as read-only documents. */

import * as vscode from "vscode";
import { Throttle, realTimer } from "../model/throttle";
import type { Run } from "../model/run";
import { type App, BASE, explain, type Target, theRun } from "./app";
import type { Texts } from "./texts";

interface Transcript {
  readonly parts: readonly Record<string, unknown>[];
  readonly omitted: number;
}

/** Milliseconds between two drawings of a log that grows; of a long one, which is sent whole, more. */
const PAUSE = 500;
const EACH = 100_000;

interface Open {
  readonly run: Run;
  readonly seat: string;
  readonly uri: string;
  readonly throttle: Throttle;
  /** Whether it is in sight; only then what is printed comes. */
  seen: boolean;
}

export class Logs {
  private readonly open = new Map<string, Open>();

  constructor(private readonly app: App, private readonly texts: Texts) {
    app.context.subscriptions.push(
      { dispose: app.runs.onNoise((run) => this.grow(run)) },
      vscode.window.onDidChangeVisibleTextEditors((editors) => this.look(new Set(editors.map((each) => each.document.uri.toString())))),
      vscode.workspace.onDidCloseTextDocument((document) => this.open.delete(document.uri.toString())),
    );
  }

  /** The log of one seat, which grows while the agent is at work. */
  async show(target?: Target): Promise<void> {
    const run = await theRun(this.app, target);
    const seat = target?.seat ?? (run && (await vscode.window.showQuickPick([...run.seats.keys()], { title: "massgen: whose log?" })));
    if (!run || !seat) return;
    await this.listen(run, seat);
    const uri = this.texts.make(`${run.id}/${seat}.log`, () => this.text(run, seat));
    const throttle = new Throttle(realTimer, () => this.texts.refresh(uri));
    this.open.set(uri.toString(), { run, seat, uri: uri.toString(), throttle, seen: true });
    await vscode.window.showTextDocument(uri, { preview: false });
  }

  /** What a check printed about a candidate. */
  async showCheck(target: Target): Promise<void> {
    const run = await theRun(this.app, target);
    if (!run || !target.check) return;
    const candidate = target.candidate ?? target.candidateId ?? BASE;
    const name = `${run.id}/${candidate}.${target.check}.txt`;
    const uri = this.texts.make(name, () => checkOutput(this.app, run.id, candidate, target.check ?? ""));
    await vscode.window.showTextDocument(uri, { preview: true });
  }

  private grow(run: Run): void {
    for (const each of this.open.values()) {
      if (each.run === run && each.seen) each.throttle.call(PAUSE * (1 + Math.floor(run.seat(each.seat).log.length / EACH)));
    }
  }

  private look(uris: ReadonlySet<string>): void {
    for (const each of this.open.values()) {
      const seen = uris.has(each.uri);
      if (seen === each.seen) continue;
      each.seen = seen;
      const done = seen ? this.listen(each.run, each.seat).then(() => each.throttle.call(PAUSE)) : this.leave(each.run, each.seat);
      done.catch((error: unknown) => this.app.server.output.warn(explain(error)));
    }
  }

  private async listen(run: Run, seat: string): Promise<void> {
    const { log } = run.seat(seat);
    if (run.running || log.silent) log.heard(await this.app.server.ask("massgen/listen", { runId: run.id, seat }));
  }

  private async leave(run: Run, seat: string): Promise<void> {
    if (run.running) await this.app.server.ask("massgen/listen", { runId: run.id, seat, stop: true });
  }

  private async text(run: Run, id: string): Promise<string> {
    const { log, reason } = run.seat(id);
    const known = `${log.lost ? `… ${log.lost} characters before\n` : ""}${log.toString()}`;
    if (run.running || !log.silent) return known;
    const { transcripts } = await this.app.server.ask<{ transcripts: Transcript[] }>("massgen/read", { runId: run.id, seat: id });
    return transcripts.map(written).join("\n\n") || known || `${id} has said nothing${reason ? `: ${reason}` : ""}.`;
  }
}

export async function checkOutput(app: App, run: string, candidate: string, check: string): Promise<string> {
  const found = await app.server.ask<{ outcome: string; seconds: number; text: string; failures: string[] }>(
    "massgen/read", { runId: run, candidateId: candidate, check });
  const head = `${check} on ${candidate}: ${found.outcome.replace("_", " ")}, ${found.seconds.toFixed(2)} s`;
  const names = found.failures.length ? `\n${found.failures.map((each) => `  ✗ ${each}`).join("\n")}\n` : "";
  return `${head}\n${names}\n${found.text || "(it printed nothing)"}`;
}

function written(transcript: Transcript): string {
  const lines = transcript.parts.map((part) =>
    Object.entries(part).filter(([name, value]) => name !== "kind" && value !== "" && value !== null)
      .map(([, value]) => (typeof value === "string" ? value : JSON.stringify(value))).join(" "));
  if (transcript.omitted) lines.splice(Math.floor(lines.length / 2), 0, `… ${transcript.omitted} steps left out`);
  return lines.join("\n");
}
