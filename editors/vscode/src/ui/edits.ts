/** Which files a workspace edit touches. */

import type { WorkspaceEdit } from "vscode-languageclient/node";

export function documentsOf(edit: WorkspaceEdit): string[] {
  const found = new Set<string>(Object.keys(edit.changes ?? {}));
  for (const change of edit.documentChanges ?? []) {
    if ("textDocument" in change) found.add(change.textDocument.uri);
    else if (change.kind === "rename") found.add(change.oldUri).add(change.newUri);
    else found.add(change.uri);
  }
  return [...found];
}
