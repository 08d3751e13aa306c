/** The tree view of runs → seats → candidates → checks and files. */

import * as vscode from "vscode";
import { childrenOf, runNode, type TreeNode } from "../model/nodes";
import type { Change } from "../model/runs";
import { type App, explain, readRun } from "./app";

export class RunsTree implements vscode.TreeDataProvider<TreeNode> {
  private readonly changed = new vscode.EventEmitter<TreeNode | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  /** How often it has been told to draw anew: for the measurements. */
  drawn = 0;
  private visible = false;
  private missed = false;
  private readonly shown = new Map<string, TreeNode>();

  constructor(private readonly app: App) {
    app.context.subscriptions.push({ dispose: app.runs.onChange((change) => this.draw(change)) }, this.changed);
  }

  /** The view that shows this tree: while nobody sees it nothing is drawn. */
  follow(view: vscode.TreeView<TreeNode>): void {
    this.visible = view.visible;
    this.app.context.subscriptions.push(view.onDidChangeVisibility(({ visible }) => {
      this.visible = visible;
      if (visible && this.missed) this.draw({ runs: null });
    }));
  }

  private draw(change: Change): void {
    this.missed = !this.visible;
    if (this.missed) return;
    this.drawn++;
    if (change.runs === null) return this.changed.fire(undefined);
    for (const id of change.runs) this.changed.fire(this.shown.get(id));
  }

  async getChildren(parent?: TreeNode): Promise<TreeNode[]> {
    const now = Date.now();
    if (!parent) {
      const nodes = this.app.runs.all.map((run) => runNode(run, now));
      for (const each of nodes) this.shown.set(each.id, each);
      return nodes;
    }
    const run = this.app.runs.get(parent.run);
    if (!run) return [];
    if (!run.whole && parent.kind === "run") {
      try {
        await readRun(this.app, run);
      } catch (error) {
        this.app.server.output.warn(explain(error));
      }
    }
    return childrenOf(run, parent, now);
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    // What is shown is what is now: a run's own line is drawn anew without its parent.
    const run = node.kind === "run" ? this.app.runs.get(node.run) : undefined;
    const fresh = run ? runNode(run, Date.now()) : node;
    const item = new vscode.TreeItem(fresh.label, this.state(fresh));
    item.id = fresh.id;
    item.description = fresh.description;
    item.tooltip = fresh.tooltip;
    item.iconPath = new vscode.ThemeIcon(fresh.icon, fresh.colour ? new vscode.ThemeColor(fresh.colour) : undefined);
    item.contextValue = ` ${fresh.context} `;
    item.accessibilityInformation = { label: fresh.aria };
    if (fresh.kind === "file") item.command = { title: "Compare", command: "massgen.compareFile", arguments: [fresh] };
    if (fresh.kind === "check") item.command = { title: "Show Output", command: "massgen.showCheck", arguments: [fresh] };
    return item;
  }

  private state(node: TreeNode): vscode.TreeItemCollapsibleState {
    if (!node.expandable) return vscode.TreeItemCollapsibleState.None;
    const newest = this.app.runs.all[0]?.id;
    const open = (node.kind === "run" && node.run === newest) || (node.kind === "seat" && node.run === newest);
    return open ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
  }
}
