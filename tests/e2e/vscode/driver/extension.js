// Works the massgen extension through the vscode API, without a click, and writes what it saw.
// The scenario and the report's place come from the environment.
const fs = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");

const report = process.env.MASSGEN_TEST_REPORT;
const seen = { steps: [], measured: {}, error: null };

exports.activate = () => {
  const scenario = process.env.MASSGEN_TEST_SCENARIO;
  if (!scenario) return; // a person is at work
  const steps = require(path.join(__dirname, `${scenario}.js`));
  const extension = vscode.extensions.getExtension("massgen-ls.massgen-ls");
  void (async () => {
    try {
      const api = await extension.activate();
      await steps(new World(api));
    } catch (error) {
      seen.error = `${error.stack ?? error}`;
    }
    seen.done = true;
    write();
  })();
};

function write() {
  fs.writeFileSync(`${report}.part`, JSON.stringify(seen, null, 1));
  fs.renameSync(`${report}.part`, report);
}

class World {
  constructor(api) {
    this.api = api;
    this.vscode = vscode;
    this.measured = seen.measured;
    this.folder = vscode.workspace.workspaceFolders[0].uri;
  }

  // One line of the report; what is not as expected is an error with both in it.
  step(name, got, expected) {
    seen.steps.push({ name, got });
    const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
    if (expected !== undefined && a !== b) throw new Error(`${name}: got ${a}, expected ${b}`);
    write();
  }

  uri(name) {
    return vscode.Uri.joinPath(this.folder, name);
  }

  async open(name) {
    const document = await vscode.workspace.openTextDocument(this.uri(name));
    return vscode.window.showTextDocument(document, { preview: false });
  }

  // What is in the editor, else on the disk; null where there is nothing.
  async text(name) {
    const uri = this.uri(name);
    const open = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri.toString());
    if (open?.isDirty) return open.getText();
    try {
      const bytes = await vscode.workspace.fs.readFile(uri);
      return open ? open.getText() : Buffer.from(bytes).toString();
    } catch {
      return null; // a deleted file's document may outlive it
    }
  }

  async type(name, text) {
    const editor = await this.open(name);
    // VS Code refuses an edit where the text has changed and it has not told this process yet.
    await this.until(`"${text}" in ${name}`, () => {
      const whole = new vscode.Range(0, 0, editor.document.lineCount, 0);
      return editor.edit((builder) => builder.replace(whole, text));
    });
  }

  command(name, argument) {
    return vscode.commands.executeCommand(`massgen.${name}`, argument);
  }

  run(id) {
    return this.api.runs.get(id);
  }

  // Until something holds: looked at again and again.
  async until(what, holds, seconds = 60) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const found = await holds();
      if (found) return found;
      if (Date.now() > end) throw new Error(`never came: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async settled(id) {
    await this.until(`the end of ${id}`, () => this.run(id) && !this.run(id).running);
    return this.run(id);
  }

  // The tree as indented lines.
  async tree(parent, depth = 0) {
    const lines = [];
    for (const node of await this.api.tree.getChildren(parent)) {
      lines.push(`${"  ".repeat(depth)}${node.kind} ${node.label} | ${node.description}`);
      if (node.expandable) lines.push(...(await this.tree(node, depth + 1)));
    }
    return lines;
  }

  // The editor in front, once it is the one with this title.
  async shows(title) {
    const tab = await this.until(`the editor "${title}"`, () => {
      const active = vscode.window.tabGroups.activeTabGroup.activeTab;
      return active?.label.startsWith(title) && active;
    }, 20);
    this.step(`shows ${title}`, tab.label);
    return tab;
  }
}
