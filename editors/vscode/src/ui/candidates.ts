/** Files of candidates and snapshots as read-only documents, each with the path of the live file. */

import * as vscode from "vscode";
import type { Run } from "../model/run";
import { type App, live } from "./app";
import { measured } from "./measured";

export const SCHEME = "massgen-file";

/** Candidates whose texts are kept: a diff editor asks for each again when it is opened anew. */
const KEPT = 4;
/** Files of a candidate that are asked for in one request; of a larger one they come one by one. */
const AT_ONCE = 300;

/** A file of a candidate, or of the snapshot. With another path a diff editor would say "renamed". */
export function virtual(run: Run, candidate: string, path: string): vscode.Uri {
  return live(run, path).with({ scheme: SCHEME, query: `${run.id}/${candidate}` });
}

type Texts = Readonly<Record<string, string | null>>;

export class CandidateFiles implements vscode.TextDocumentContentProvider {
  private readonly known = new Map<string, Promise<Texts>>();

  constructor(private readonly app: App) {}

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const began = performance.now();
    const text = await this.text(uri);
    measured.waited = Math.max(measured.waited, performance.now() - began);
    return text;
  }

  private async text(uri: vscode.Uri): Promise<string> {
    const [id = "", candidate = ""] = uri.query.split("/");
    const run = this.app.runs.get(id);
    if (!run) throw new Error(`There is no run ${id} here.`);
    const root = vscode.Uri.file(run.root || run.folder).path.replace(/\/$/, "");
    const path = uri.path.slice(root.length + 1);
    const text = (await this.texts(run, candidate))?.[path];
    if (typeof text === "string") return text;
    const found = await this.app.server.ask<{ text: string | null; size: number }>("massgen/read", { runId: id, candidateId: candidate, path });
    return found.text ?? `(not a text: ${found.size} bytes)`;
  }

  /** Asks for what a diff editor is about to want, while it opens. */
  expect(run: Run, candidate: string): void {
    void this.texts(run, candidate)?.catch(() => undefined); // whoever wants it is told
  }

  /** A candidate never changes, so what was read of it stays right. */
  private texts(run: Run, candidate: string): Promise<Texts> | undefined {
    const size = run.candidates.get(candidate)?.files.length ?? 0;
    if (size === 0 || size > AT_ONCE) return undefined;
    const key = `${run.id}/${candidate}`;
    let texts = this.known.get(key);
    if (!texts) {
      texts = this.app.server.ask<{ texts: Texts }>("massgen/read", { runId: run.id, candidateId: candidate, texts: true }).then((read) => read.texts);
      texts.catch(() => this.known.delete(key));
    }
    this.known.delete(key); // the newest last
    this.known.set(key, texts);
    for (const oldest of this.known.keys()) if (this.known.size > KEPT) this.known.delete(oldest);
    return texts;
  }
}
