/** What an agent says and does, and what a check printed, as read-only documents. */

import * as vscode from "vscode";
import { Throttle, realTimer } from "../model/throttle";
import type { Run } from "../model/run";
import { type App, BASE, type Target, theRun } from "./app";
import type { Texts } from "./texts";

interface Transcript {
  readonly parts: readonly Record<string, unknown>[];
  readonly omitted: number;
}

export class Logs {
  private readonly open = new Map<string, { uri: vscode.Uri; throttle: Throttle }>();

  constructor(private readonly app: App, private readonly texts: Texts) {
    app.context.subscriptions.push(
      { dispose: app.runs.onNoise((run) => this.grow(run)) },
      vscode.workspace.onDidCloseTextDocument((document) => {
        for (const [key, each] of this.open) if (each.uri.toString() === document.uri.toString()) this.open.delete(key);
      }),
    );
  }

  /** The log of one seat, which grows while the agent is at work. */
  async show(target?: Target): Promise<void> {
    const run = await theRun(this.app, target);
    const seat = target?.seat ?? (run && (await vscode.window.showQuickPick([...run.seats.keys()], { title: "massgen: whose log?" })));
    if (!run || !seat) return;
    const uri = this.texts.make(`${run.id}/${seat}.log`, () => this.text(run, seat));
    this.open.set(`${run.id}/${seat}`, { uri, throttle: new Throttle(500, realTimer, () => this.texts.refresh(uri)) });
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
    for (const [key, each] of this.open) if (key.startsWith(`${run.id}/`)) each.throttle.call();
  }

  private async text(run: Run, id: string): Promise<string> {
    const seat = run.seats.get(id);
    if (seat && !seat.log.empty) return `${seat.log.lost ? `… ${seat.log.lost} characters before\n` : ""}${seat.log.toString()}`;
    const { transcripts } = await this.app.server.ask<{ transcripts: Transcript[] }>("massgen/read", { runId: run.id, seat: id });
    return transcripts.map(written).join("\n\n") || `${id} has said nothing${seat?.reason ? `: ${seat.reason}` : ""}.`;
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
