// Claude Code and Gemini CLI, from a task to the unsaved buffer: see test_vscode.py for what their models say.
module.exports = async (world) => {
  const { vscode } = world;
  await vscode.workspace.getConfiguration("massgen").update("whenWon", "apply", vscode.ConfigurationTarget.Global);
  await world.type("a.py", "unsaved\ntwo\nthree\nfour\nfive\n");
  const id = await world.command("runTask", { prompt: "Please do it.", agents: ["claude", "gemini"], scopeKind: "file" });
  await world.until("claude's line", () => world.run(id)?.seats.get("claude"));
  await world.command("openLog", { run: id, seat: "claude" });
  const log = vscode.window.activeTextEditor.document;
  const run = await world.settled(id);
  world.step("outcome", [run.outcome, run.winner], ["won", "gemini.1"]);
  const buffer = await world.until("the winner in the buffer", async () => (await world.text("a.py")).includes("FIVE") && world.text("a.py"));
  world.step("applied", buffer, "UNSAVED\ntwo\nthree\nfour\nFIVE\n");
  await world.until("the log", () => log.getText().includes("I make it bad.") && log.getText().includes("▸ edit a.py"));
  await world.until("what landed, and the whole run", () => run.applied.has("gemini.1") && run.candidates.get("claude.1").checks.length > 0);
  const tree = await world.tree();
  const lines = tree.slice(0, tree.findIndex((line, i) => i > 0 && line.startsWith("run ")));
  world.step("the agents' tree", lines.map((line) => line.replace(/ · \$[\d.]+/g, "").replace(/ · [\d.]+ s$/, "")), [
    "run Please do it. | gemini.1 won, applied",
    "  seat claude | 1 file · 2.5k tokens",
    "    candidate claude.1 | 1 file +1 −1 · breaks 1",
    "      check tests | breaks 1",
    "      file a.py | +1 −1",
    "  seat gemini | 1 file · 3.7k tokens",
    "    candidate gemini.1 | winner · applied · 1 file +2 −2",
    "      check tests | passed",
    "      file a.py | +2 −2",
  ]);
};
