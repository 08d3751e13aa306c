// The whole way, in one window: see test_vscode.py for the repository and its agents.
const agents = require("./agents.js");
const trust = require("./trust.js");

const BEFORE = "unsaved\ntwo\nthree\nfour\nfive\n";
const AFTER = "UNSAVED\ntwo\nthree\nfour\nFIVE\n";

module.exports = async (world) => {
  const { vscode, api } = world;
  await trust(world);

  // ── a run out of a code action, from an unsaved buffer ──────────────────────────────────────
  await world.type("a.py", BEFORE);
  const range = new vscode.Range(0, 0, 1, 0);
  const actions = await world.until("code actions", async () => {
    const found = await vscode.commands.executeCommand("vscode.executeCodeActionProvider", world.uri("a.py"), range);
    const ours = found.filter((each) => each.command?.command === "massgen.run");
    return ours.length > 0 && ours;
  });
  world.step("code actions", actions.map((each) => each.title).includes("massgen: simplify the selection"), true);
  const action = actions.find((each) => each.title === "massgen: simplify the selection");
  const argument = { ...action.command.arguments[0], agents: ["one", "two"] };
  const first = await vscode.commands.executeCommand("massgen.run", argument);
  let run = await world.settled(first);
  world.step("outcome", [run.outcome, run.winner], ["won", "one.1"]);
  await world.until("the whole run", () => run.whole && run.candidates.get("one.1")?.checks.length > 0);
  const tree = await world.tree();
  world.step("tree", tree.map((line) => line.replace(/ · [\d.]+ s$/, "")), [
    "run Simplify this code without changing what it does. | one.1 won",
    "  seat one | 5 files",
    "    candidate one.1 | winner · 5 files +5 −4",
    "      check tests | passed",
    "      file a.py | +2 −2",
    "      file extra | +0 −1",
    "      file new.py | +1 −1",
    "      file other.py | +1 −0",
    "      file made.py | pkg · +1 −0",
    "  seat two | 1 file",
    "    candidate two.1 | 1 file +1 −1 · breaks 1",
    "      check tests | breaks 1",
    "      file a.py | +1 −1",
  ]);

  // ── compare ─────────────────────────────────────────────────────────────────────────────────
  await world.command("compareFile", { run: first, candidate: "one.1", path: "a.py" });
  const { input } = await world.shows("a.py (one.1)");
  world.step("diff editor", [input.original?.scheme, input.modified?.scheme], ["file", "massgen-file"]);
  const shown = vscode.workspace.textDocuments.find((each) => each.uri.toString() === input.modified.toString());
  world.step("the candidate's file", shown.getText(), AFTER);
  await world.command("compareCandidate", { run: first });
  await world.shows("one.1 ↔ your files");
  await world.command("compareCandidates", { run: first, candidate: "one.1", with: "two.1" });
  await world.shows("one.1 ↔ two.1");
  await world.command("openVerdict", { run: first });
  await world.shows("Verdict:");
  await world.command("showCheck", { run: first, candidate: "two.1", check: "tests" });
  world.step("check output", vscode.window.activeTextEditor.document.getText().includes("tests on two.1: failed"), true);
  await world.command("openLog", { run: first, seat: "one" });
  const log = vscode.window.activeTextEditor.document;
  world.step("log", [log.getText().includes("hello from one"), log.uri.scheme], [true, "massgen-text"]);
  await world.command("exportMarkdown", { run: first });
  const exported = vscode.window.activeTextEditor.document;
  world.step("export", [exported.languageId, exported.getText().includes("one.1")], ["markdown", true]);

  // ── hunks, files, all; and back in one step each ────────────────────────────────────────────
  await world.command("applyHunks", { run: first, candidate: "one.1", hunks: { "a.py": [1] } });
  world.step("one hunk", await world.text("a.py"), "unsaved\ntwo\nthree\nfour\nFIVE\n");
  world.step("undo", await world.command("undoApply"), true);
  world.step("as before the hunk", await world.text("a.py"), BEFORE);
  await world.command("applyFiles", { run: first, candidate: "one.1", paths: ["other.py"] });
  world.step("one file", [await world.text("other.py"), await world.text("a.py")], ["other\nmore\n", BEFORE]);
  await world.command("undoApply");
  const names = ["a.py", "other.py", "pkg/made.py", "extra", "old.py", "new.py"];
  const texts = () => Promise.all(names.map((name) => world.text(name)));
  const untouched = await texts();
  const RENAMED = untouched[4].replace("line 7", "LINE 7");
  const delivery = await world.command("applyCandidate", { run: first });
  world.step("applied", [delivery.applied, delivery.conflicts, delivery.reason], [true, [], ""]);
  const landed = await texts();
  world.step("landed", landed, [AFTER, "other\nmore\n", "made\n", null, null, RENAMED]);
  world.step("one undo", await world.command("undoApply"), true);
  world.step("all as before", await texts(), untouched);
  await world.open("old.py");
  await world.open("extra");
  world.step("once more", (await world.command("applyCandidate", { run: first })).applied, true);
  await world.until("an open file under its new name", async () =>
    (await world.text("new.py")) === RENAMED && (await world.text("old.py")) === null
    && (await world.text("extra")) === null);
  await world.type("a.py", `${AFTER}typed\n`);
  world.step("no undo over what was typed", await world.command("undoApply"), false);
  await world.type("a.py", AFTER);
  world.step("then again", await world.command("undoApply"), true);
  world.step("all as before once more", await texts(), untouched);

  // ── a conflict ──────────────────────────────────────────────────────────────────────────────
  const mine = BEFORE.replace("five", "mine");
  await world.type("a.py", mine);
  const met = await world.command("applyCandidate", { run: first });
  world.step("conflicts", met.conflicts.map((each) => [each.path, each.reason]), [["a.py", "overlap"]]);
  world.step("mine stays", await world.text("a.py"), mine);
  await world.command("mergeConflicts", { run: first, candidate: "one.1", conflicts: met.conflicts });
  await world.shows("Merging: a.py");
  world.step("nothing is written by it", await world.text("a.py"), mine);
  await world.command("undoApply");
  await world.type("a.py", BEFORE);

  // ── preview: pending until its user decides ─────────────────────────────────────────────────
  const waiting = world.command("applyPreview", { run: first, candidate: "one.1", paths: ["a.py"] });
  await world.until("the preview", async () => {
    await vscode.commands.executeCommand("refactorPreview.apply");
    return Promise.race([waiting.then(() => true), new Promise((r) => setTimeout(() => r(false), 100))]);
  });
  world.step("preview", await world.text("a.py"), AFTER);
  await world.command("undoApply");
  world.step("preview undone", await world.text("a.py"), BEFORE);

  // ── at work: a note, one seat stopped, an answer now, cancel ────────────────────────────────
  const slow = await world.command("runTask", { prompt: "slowly", agents: ["slow", "one"] });
  await world.until("slow begins", () => world.run(slow));
  await world.command("openLog", { run: slow, seat: "slow" });
  const grows = vscode.window.activeTextEditor.document;
  await world.until("the log of slow at work", () => grows.getText().includes("── attempt 1") && grows.getText().includes("waiting"));
  await world.command("answerNow", { run: slow });
  run = await world.settled(slow);
  world.step("answered now", [run.outcome, run.candidates.has("slow.1")], ["won", true]);
  const gone = await world.command("runTask", { prompt: "cancel me", agents: ["slow"] });
  await world.until("slow again", () => world.run(gone)?.seats.get("slow")?.phase === "working");
  world.step("status", (await world.tree())[1].startsWith("  seat slow | working"), true);
  await world.command("cancelRun", { run: gone });
  run = await world.settled(gone);
  world.step("cancelled", run.outcome, "cancelled");

  // ── again, with others; a follow-up; what an earlier server did ─────────────────────────────
  const again = await world.command("rerun", { run: first, agents: ["two"] });
  run = await world.settled(again);
  world.step("rerun", [...run.seats.keys()], ["two"]);
  // These agents are programs of which nothing is known but what they left: nothing to go on from.
  world.step("follow-up", (await world.command("followUp", { run: again, prompt: "go on" })) ?? null, null);
  const talk = await world.command("runTask", { prompt: "say hello\nedit b.py new", agents: ["talks"] });
  world.step("an agent that talks", (await world.settled(talk)).outcome, "won");
  const more = await world.command("followUp", { run: talk, prompt: "edit c.py newer" });
  run = await world.settled(more);
  world.step("follow-up of one", [run.outcome, run.prompt], ["won", "edit c.py newer"]);
  const { task } = await api.ask("massgen/read", { runId: more, format: "outline" });
  world.step("it is told what was said", task.context.includes("hello"), true);

  // ── nobody won ──────────────────────────────────────────────────────────────────────────────
  const spoilt = await world.command("runTask", { prompt: "spoil it", agents: ["two", "three"] });
  run = await world.settled(spoilt);
  world.step("abstained", [run.outcome, run.winner, [...run.candidates.keys()].length], ["abstained", null, 2]);
  await world.until("the whole run", () => run.whole && run.candidates.get("two.1")?.checks.length > 0);
  const [undecided] = await api.tree.getChildren();
  const { contextValue } = api.tree.getTreeItem(undecided);
  world.step("menus", [" undecided ", " several "].map((word) => contextValue.includes(word)), [true, true]);
  const [best, second] = run.candidates.keys();
  await world.command("compareCandidates", { run: spoilt });
  await world.shows(`${best} ↔ ${second}`);
  const forced = await world.command("applyCandidate", { run: spoilt, candidate: "three.1" });
  world.step("one is applied by hand", [forced.applied, await world.text("other.py")], [true, "other\nbroken\n"]);
  const { document } = await world.open("other.py");
  await document.save();
  await world.command("undoApply");
  await document.save();
  await world.until("what became of it", () => run.applied.get("three.1") === "undone");
  world.step("taken back", (await world.tree()).includes("    candidate three.1 | taken back · 2 files +2 −0 · breaks 1"), true);
  await world.command("discardCandidate", { run: first, candidate: "one.1" });
  world.step("discarded", world.run(first).candidates.get("one.1").discarded, true);
  await world.type("other.py", "# massgen: tidy up\nother\n");
  const lens = await world.until("a lens above the task", async () => {
    const found = await vscode.commands.executeCommand("vscode.executeCodeLensProvider", world.uri("other.py"), 10);
    return found.find((each) => each.command?.command === "massgen.run");
  });
  world.step("lens", [lens.range.start.line, lens.command.arguments[0].prompt.includes("tidy up")], [0, true]);
  await world.command("restartServer");
  await world.command("refresh");
  world.step("after a restart", api.runs.all.length, 7);
  const reread = await world.tree();
  world.step("its tree", reread.filter((line) => line.startsWith("run ")).length, 7);
  if (process.env.MASSGEN_TEST_AGENTS) await agents(world);
};
