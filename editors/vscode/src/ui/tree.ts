/** The tree view of runs → seats → candidates → checks and files. */

import * as vscode from "vscode";
import { childrenOf, runNode, seatNode, type TreeNode } from "../model/nodes";
import type { Change } from "../model/runs";
import { type App, explain, readRun } from "./app";

/** Milliseconds after which the line of a run is drawn anew though only its agents went on: what it cost so far. */
const WHOLE = 2000;

export class RunsTree implements vscode.TreeDataProvider<TreeNode> {
  private readonly changed = new vscode.EventEmitter<TreeNode | TreeNode[] | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  /** How often it has been told to draw anew: for the measurements. */
  drawn = 0;
  private visible = false;
  private missed = false;
  /** The lines of runs, and of seats by run and name, that VS Code has. */
  private readonly shown = new Map<string, TreeNode>();
  /** When each run was drawn with all that is below it. */
  private readonly whole = new Map<string, number>();

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
    const lines: TreeNode[] = [];
    for (const [id, seats] of change.runs) {
      const now = performance.now();
      const few = seats !== null && now - (this.whole.get(id) ?? 0) < WHOLE;
      if (!few) this.whole.set(id, now);
      // Below a line all is drawn with it, so only what has changed is named.
      for (const line of few ? [...seats].map((seat) => `${id}/${seat}`) : [id]) {
        const known = this.shown.get(line);
        if (known) lines.push(known);
      }
    }
    if (lines.length) this.changed.fire(lines);
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
    const nodes = childrenOf(run, parent, now);
    for (const each of nodes) if (each.kind === "seat" && each.seat) this.shown.set(`${run.id}/${each.seat}`, each);
    return nodes;
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const fresh = this.fresh(node);
    const item = new vscode.TreeItem(fresh.label, this.state(fresh));
    item.id = fresh.id;
    item.description = fresh.description;
    item.iconPath = new vscode.ThemeIcon(fresh.icon, fresh.colour ? new vscode.ThemeColor(fresh.colour) : undefined);
    item.contextValue = ` ${fresh.context} `;
    item.accessibilityInformation = { label: fresh.aria };
    if (fresh.kind === "file") item.command = { title: "Compare", command: "massgen.compareFile", arguments: [fresh] };
    if (fresh.kind === "check") item.command = { title: "Show Output", command: "massgen.showCheck", arguments: [fresh] };
    return item;
  }

  /** The tooltip, when the pointer rests on the line: most lines are drawn anew before it ever does. */
  resolveTreeItem(item: vscode.TreeItem, node: TreeNode): vscode.TreeItem {
    item.tooltip = this.fresh(node).tooltip;
    return item;
  }

  /** What is shown is what is now: lines of runs and seats are drawn anew without their parents. */
  private fresh(node: TreeNode): TreeNode {
    const run = this.app.runs.get(node.run);
    if (run && node.kind === "run") return runNode(run, Date.now());
    const seat = node.kind === "seat" && run?.seats.get(node.seat ?? "");
    // The same line: that it can be opened makes another of it, which its run brings.
    return run && seat ? { ...seatNode(run, seat, Date.now()), id: node.id, expandable: node.expandable } : node;
  }

  private state(node: TreeNode): vscode.TreeItemCollapsibleState {
    if (!node.expandable) return vscode.TreeItemCollapsibleState.None;
    const newest = this.app.runs.all[0]?.id;
    const open = (node.kind === "run" && node.run === newest) || (node.kind === "seat" && node.run === newest);
    return open ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
  }
}
