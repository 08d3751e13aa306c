/** Agents at work: cancel, answer now, stop one, tell one something. */

import * as vscode from "vscode";
import type { Run } from "../model/run";
import { type App, type Target, theRun } from "./app";

export async function cancelRun(app: App, target?: Target): Promise<void> {
  const run = await theRun(app, target, (each) => each.running);
  if (run) await app.server.ask("massgen/cancel", { runId: run.id });
}

/** Every agent stops where it is; what it has done by then is judged. */
export async function answerNow(app: App, target?: Target): Promise<void> {
  const run = await theRun(app, target, (each) => each.running);
  if (!run) return;
  const stops = run.working.map((seat) => app.server.ask("massgen/tell", { runId: run.id, seat: seat.id, stop: true }));
  const refused = (await Promise.allSettled(stops)).filter((each) => each.status === "rejected");
  if (refused.length === stops.length && refused[0]) throw refused[0].reason;
}

export async function stopSeat(app: App, target?: Target): Promise<void> {
  const found = await theSeat(app, target);
  if (found) await app.server.ask("massgen/tell", { runId: found.run.id, seat: found.seat, stop: true });
}

export async function tellSeat(app: App, target?: Target & { text?: string }): Promise<void> {
  const found = await theSeat(app, target);
  if (!found) return;
  const text = target?.text ?? (await vscode.window.showInputBox({
    title: `massgen: a note for ${found.seat}`, prompt: "It reads the note as soon as it can.", ignoreFocusOut: true,
  }));
  if (text?.trim()) await app.server.ask("massgen/tell", { runId: found.run.id, seat: found.seat, text });
}

async function theSeat(app: App, target?: Target): Promise<{ run: Run; seat: string } | undefined> {
  const run = await theRun(app, target, (each) => each.working.length > 0);
  if (!run) return undefined;
  const seat = target?.seat ?? (run.working.length === 1 ? run.working[0]?.id
    : await vscode.window.showQuickPick(run.working.map((each) => each.id), { title: "massgen: which agent?" }));
  return seat ? { run, seat } : undefined;
}
