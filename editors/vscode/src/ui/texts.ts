/** Read-only documents that this extension makes: frozen texts and logs. */

import * as vscode from "vscode";

export const TEXTS = "massgen-text";

export class Texts implements vscode.TextDocumentContentProvider {
  private readonly known = new Map<string, () => string | Promise<string>>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;

  constructor(context: vscode.ExtensionContext) {
    context.subscriptions.push(vscode.workspace.registerTextDocumentContentProvider(TEXTS, this), this.changed,
      vscode.workspace.onDidCloseTextDocument((document) => {
        if (document.uri.scheme === TEXTS) this.known.delete(document.uri.toString());
      }));
  }

  /** A document with this name; its text is asked for whenever it is drawn. */
  make(name: string, text: () => string | Promise<string>): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: TEXTS, path: `/${name}` });
    this.known.set(uri.toString(), text);
    this.changed.fire(uri);
    return uri;
  }

  refresh(uri: vscode.Uri): void {
    this.changed.fire(uri);
  }

  provideTextDocumentContent(uri: vscode.Uri): string | Promise<string> {
    return this.known.get(uri.toString())?.() ?? "";
  }
}
