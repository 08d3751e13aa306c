/** Workspace edits of the server, before they are performed. */

import type { WorkspaceEdit } from "vscode-languageclient/node";

/** Whether its user shall see it first. */
export function asksFirst(edit: WorkspaceEdit): boolean {
  return Object.values(edit.changeAnnotations ?? {}).some((each) => each.needsConfirmation);
}

/**
 * The same edit with every change chosen beforehand in VS Code's preview.
 *
 * A change that needs confirmation is not chosen there, so that "Apply" would do nothing. One
 * empty change that needs it opens the preview as well, and leaves all others chosen.
 */
export function chosenBeforehand(edit: WorkspaceEdit): WorkspaceEdit {
  const at = (edit.documentChanges ?? []).findLastIndex((each) => "textDocument" in each);
  const last = edit.documentChanges?.[at];
  if (!last || !("textDocument" in last)) return edit; // files alone: each is asked about
  const start = { line: 0, character: 0 };
  const mark = { range: { start, end: start }, newText: "", annotationId: "massgen.preview" };
  const documentChanges = [...(edit.documentChanges ?? [])];
  documentChanges[at] = { ...last, edits: [...last.edits, mark] };
  const annotations = Object.entries(edit.changeAnnotations ?? {})
    .map(([id, each]) => [id, { ...each, needsConfirmation: false }] as const);
  return {
    ...edit, documentChanges,
    changeAnnotations: {
      ...Object.fromEntries(annotations),
      "massgen.preview": { label: "Opens this preview", needsConfirmation: true },
    },
  };
}

export function documentsOf(edit: WorkspaceEdit): string[] {
  const found = new Set<string>(Object.keys(edit.changes ?? {}));
  for (const change of edit.documentChanges ?? []) {
    if ("textDocument" in change) found.add(change.textDocument.uri);
    else if (change.kind === "rename") found.add(change.oldUri).add(change.newUri);
    else found.add(change.uri);
  }
  return [...found];
}
