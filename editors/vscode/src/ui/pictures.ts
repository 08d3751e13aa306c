/** Choosing the pictures that belong to a task: files, or what is pasted or dropped. */

import * as vscode from "vscode";
import { type Attachment, joined, MOST, pasted } from "../model/pictures";
import { escape } from "../model/verdict";
import { counted } from "../model/words";

const ENDINGS = ["png", "jpg", "jpeg", "gif", "webp"];

/** The pictures after the user has had their way with those that there were. */
export async function pickPictures(context: vscode.ExtensionContext, before: readonly Attachment[]): Promise<readonly Attachment[]> {
  const remove: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("trash"), tooltip: "Remove this picture" };
  type Item = vscode.QuickPickItem & { picture?: Attachment; act?: () => Promise<readonly Attachment[]> };
  let pictures = [...before];
  for (;;) {
    const items: Item[] = [
      { label: "$(folder-opened) Choose files…", act: chosenFiles },
      { label: "$(clippy) Paste or drop…", act: () => pastedPictures(context) },
      ...pictures.map((picture) => ({ label: `$(file-media) ${picture.name}`, description: "attached; choose it to remove it", buttons: [remove], picture })),
    ];
    const picked = await vscode.window.showQuickPick(items, {
      title: `massgen: pictures for the task (${pictures.length ? counted(pictures.length, "picture") : "none yet"})`,
      placeHolder: "Escape goes on with the task", ignoreFocusOut: true,
    });
    if (!picked) return pictures;
    if (picked.picture) pictures = pictures.filter((each) => each !== picked.picture);
    else if (picked.act) {
      const more = await picked.act();
      if (new Set([...pictures, ...more]).size > MOST) void vscode.window.showWarningMessage(`massgen: at most ${MOST} pictures belong to a task.`);
      pictures = joined(pictures, more);
      if (more.length) return pictures;
    }
  }
}

async function chosenFiles(): Promise<Attachment[]> {
  const chosen = await vscode.window.showOpenDialog({
    title: "Pictures for the task", canSelectMany: true, openLabel: "Attach", filters: { Pictures: ENDINGS },
  });
  return (chosen ?? []).map((uri) => ({ name: uri.path.slice(uri.path.lastIndexOf("/") + 1), uri: uri.toString() }));
}

/** A page that takes what is pasted into it or dropped on it; no other part of VS Code can. */
async function pastedPictures(context: vscode.ExtensionContext): Promise<Attachment[]> {
  const media = vscode.Uri.joinPath(context.extensionUri, "media");
  const panel = vscode.window.createWebviewPanel("massgen.pictures", "Pictures for the Task", vscode.ViewColumn.Active, {
    enableScripts: true, localResourceRoots: [media],
  });
  const uri = (name: string): string => panel.webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString();
  const nonce = crypto.randomUUID().replaceAll("-", "");
  const taken = new Promise<Attachment[]>((resolve) => {
    panel.webview.onDidReceiveMessage((message: unknown) => {
      resolve(pasted((message as { pictures?: unknown } | null)?.pictures));
      panel.dispose();
    });
    panel.onDidDispose(() => resolve([]));
  });
  const policy = `default-src 'none'; style-src ${panel.webview.cspSource}; script-src 'nonce-${nonce}'; img-src data:; form-action 'none'; base-uri 'none'`;
  panel.webview.html = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${escape(uri("pictures.css"))}">
<title>Pictures for the Task</title>
</head>
<body>
<main aria-busy="true">
<h1 id="what">Pictures for the task</h1>
<p id="how">Paste a picture here, or drop files on this page (hold Shift while you drop). PNG, JPEG, GIF and WebP.</p>
<ul id="pictures" aria-labelledby="what" aria-live="polite"></ul>
<p><button id="attach" disabled>Attach</button></p>
</main>
<script nonce="${nonce}" src="${escape(uri("pictures.js"))}"></script>
</body>
</html>`;
  return taken;
}
