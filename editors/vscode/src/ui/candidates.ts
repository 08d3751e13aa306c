/** Files of candidates and snapshots as read-only documents, each with the path of the live file. */

import * as vscode from "vscode";
import type { Run } from "../model/run";
import type { Runs } from "../model/runs";
import { live } from "./app";

export const SCHEME = "massgen-file";

/** A file of a candidate, or of the snapshot. With another path a diff editor would say "renamed". */
export function virtual(run: Run, candidate: string, path: string): vscode.Uri {
  return live(run, path).with({ scheme: SCHEME, query: `${run.id}/${candidate}` });
}

export class CandidateFiles implements vscode.TextDocumentContentProvider {
  constructor(private readonly runs: Runs, private readonly read: (params: object) => Promise<{ text: string | null; size: number }>) {}

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const [id = "", candidate = ""] = uri.query.split("/");
    const run = this.runs.get(id);
    if (!run) throw new Error(`There is no run ${id} here.`);
    const root = vscode.Uri.file(run.root || run.folder).path.replace(/\/$/, "");
    const path = uri.path.slice(root.length + 1);
    const { text, size } = await this.read({ runId: id, candidateId: candidate, path });
    return text ?? `(not a text: ${size} bytes)`;
  }
}
