// What sixteen agents at work cost the extension host, next to a bare tree: see tests/bench/bench_vscode.py.
const SEATS = 16;
const SECONDS = process.env.MASSGEN_LS_BENCH_QUICK ? 5 : 12;

module.exports = async (world) => {
  const { vscode, api, measured } = world;
  const tree = new BareTree(vscode);
  const view = vscode.window.createTreeView("bare", { treeDataProvider: tree });
  await vscode.commands.executeCommand("setContext", "massgen.tests.bare", true);
  await vscode.commands.executeCommand("bare.focus");
  await world.until("the bare tree", () => view.visible);
  await quiet();
  measured.idle_percent = await percent();
  const beat = setInterval(() => tree.beat(), 200);
  await percent(); // until the engine has compiled what is called often
  measured.bare_tree_percent = await percent();
  clearInterval(beat);
  await vscode.commands.executeCommand("massgen.runs.focus");
  await api.ready();
  await world.command("runTask", { prompt: "all of them" });
  await world.until("the agents at work", () => api.runs.all[0]?.working.length === SEATS);
  await percent();
  await quiet(5, 15);
  const [drawn, began] = [api.tree.drawn, performance.now()];
  measured.streaming_percent = await percent();
  measured.updates_per_second = ((api.tree.drawn - drawn) * 1000) / (performance.now() - began);
  await world.command("openLog", { run: api.runs.all[0].id, seat: "agent0" });
  await percent(1);
  measured.log_percent = await percent();
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
  await vscode.commands.executeCommand("workbench.view.explorer");
  await quiet(1, 5);
  measured.hidden_percent = await percent();
};

// Per cent of a core that this process takes for a while.
async function percent(seconds = SECONDS) {
  const began = performance.now();
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - began);
}

// Until the workbench has ended what it does after its start.
async function quiet(limit = 0.5, most = 30) {
  for (let i = 0; i < most; i++) if ((await percent(1)) < limit) return;
}

// One line with sixteen below it, which say something new whenever VS Code draws them.
class BareTree {
  constructor(vscode) {
    this.vscode = vscode;
    this.changed = new vscode.EventEmitter();
    this.onDidChangeTreeData = this.changed.event;
    this.count = 0;
    this.top = { id: "top" };
    this.lines = [...Array(SEATS).keys()].map((i) => ({ id: `line ${i}` }));
  }

  beat() {
    this.count++;
    this.changed.fire(this.top);
  }

  getChildren(node) {
    return node ? this.lines : [this.top];
  }

  getTreeItem(node) {
    const state = this.vscode.TreeItemCollapsibleState;
    const item = new this.vscode.TreeItem(node.id, node === this.top ? state.Expanded : state.None);
    item.id = node.id;
    item.description = `${this.count}`;
    return item;
  }
}
