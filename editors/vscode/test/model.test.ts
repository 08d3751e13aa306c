import assert from "node:assert/strict";
import { test } from "node:test";
import { withMarkers } from "../src/model/conflict";
import { parseDiff } from "../src/model/diff";
import { readTemplates, remember } from "../src/model/history";
import { changedSince, difference, type Landing, stepsBack } from "../src/model/landing";
import { childrenOf, nextSteps, runNode, status } from "../src/model/nodes";
import { attached, joined, MOST, pasted } from "../src/model/pictures";
import { Run } from "../src/model/run";
import { Runs } from "../src/model/runs";
import { escape, page, verdictBody } from "../src/model/verdict";
import type { RunReport } from "../src/model/wire";
import { duration, money, tokens } from "../src/model/words";

class FakeTimer {
  time = 0;
  private readonly waiting: { at: number; call: () => void }[] = [];
  now(): number {
    return this.time;
  }
  later(milliseconds: number, call: () => void): void {
    this.waiting.push({ at: this.time + milliseconds, call });
  }
  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      this.waiting.sort((a, b) => a.at - b.at);
      const next = this.waiting[0];
      if (!next || next.at > end) break;
      this.waiting.shift();
      this.time = next.at;
      next.call();
    }
    this.time = end;
  }
}

const STARTED = {
  kind: "run_started", run: "r", time: 100, folder: "/w",
  spec: { task: { prompt: "do it", scope: { path: "a.py" } }, agents: [{ id: "one", type: "command" }, { id: "two", type: "claude_code" }], checks: [{ name: "tests" }] },
};
const CANDIDATE = {
  id: "one.1", seat: "one", tree: "t1", summary: "done",
  changes: { files: [{ path: "pkg/a.py", kind: "modify", old_path: null, added: 3, removed: 1 }] },
};

function started(): Run {
  const run = new Run("r");
  run.take(STARTED);
  return run;
}

test("a run is what its events say", () => {
  const run = started();
  assert.deepEqual([...run.seats.keys()], ["one", "two"]);
  run.take({ kind: "snapshot_taken", run: "r", time: 101, snapshot: { root: "/top", tree: "t0" } });
  run.take({ kind: "attempt_started", run: "r", time: 101, seat: "one", attempt: 1, type: "command" });
  run.take({ kind: "agent_acted", run: "r", time: 102, seat: "one", action: "edit", target: "a.py" });
  run.take({ kind: "usage_reported", run: "r", seat: "one", attempt: 1, usage: { input: 10, cached: 5, stored: 0, output: 5, requests: 1, cost: 20_000 } });
  run.take({ kind: "usage_reported", run: "r", seat: "one", attempt: 1, usage: { input: 20, cached: 5, stored: 0, output: 5, requests: 2, cost: 30_000 } });
  assert.equal(run.tokens, 30, "the latest report of an attempt counts, not the sum");
  assert.equal(run.cost, 0.03);
  assert.equal(run.root, "/top");
  const [seat] = childrenOf(run, runNode(run, 103_000), 103_000);
  assert.equal(seat?.description, "edit a.py · 1 file · 30 tokens · $0.03 · 2.0 s");
  assert.match(seat.context, /^seat working running$/);
  run.take({ kind: "attempt_ended", run: "r", time: 104, seat: "one", attempt: 1, outcome: "done", seconds: 3 });
  run.take({ kind: "candidate_captured", run: "r", time: 104, candidate: CANDIDATE });
  run.take({ kind: "check_finished", run: "r", time: 105, result: { check: "tests", tree: "t1", outcome: "failed", failures: ["x"], seconds: 1, output: "no" } });
  run.take({ kind: "run_settled", run: "r", time: 106, verdict: { outcome: "won", winner: "one.1", why: "because", ranking: ["one.1"] } });
  const top = runNode(run, 999_000);
  assert.equal(top.description, "one.1 won · $0.03 · 6.0 s");
  const lines = childrenOf(run, top, 0).flatMap((s) => childrenOf(run, s, 0)).flatMap((c) => [c.label, ...childrenOf(run, c, 0).map((n) => `${n.kind} ${n.label} ${n.description}`)]);
  const landed = (): (string | undefined)[] => [runNode(run, 0).description, ...childrenOf(run, top, 0).flatMap((s) => childrenOf(run, s, 0)).map((c) => c.description)];
  run.take({ kind: "revised", run: "r", candidate: "one.1", fate: "edited" });
  assert.deepEqual(landed(), ["one.1 won · $0.03 · 6.0 s", "winner · 1 file +3 −1"], "it has not landed yet");
  run.take({ kind: "delivered", run: "r", candidate: "one.1", paths: [] });
  for (const [fate, said] of [["kept", "applied"], ["edited", "applied, edited since"], ["undone", "taken back"], ["unheard of", "taken back"]]) {
    run.take({ kind: "revised", run: "r", candidate: "one.1", fate });
    assert.deepEqual(landed(), [`one.1 won, ${said} · $0.03 · 6.0 s`, `winner · ${said} · 1 file +3 −1`]);
  }
  assert.deepEqual(lines, ["one.1", "check tests failed · 1 failure · 1.0 s", "file a.py pkg · +3 −1"]);
});

test("what makes no sense changes nothing and breaks nothing", () => {
  const run = started();
  const nonsense: unknown[] = [null, 1, "x", [], {}, { files: 3 }, undefined];
  for (const kind of ["run_started", "snapshot_taken", "candidate_captured", "check_finished", "run_settled", "usage_reported", "judging_used", "unheard_of"]) {
    for (const node of nonsense) {
      run.take({ kind, run: "r", seat: node, spec: node, snapshot: node, candidate: node, result: node, usage: node, verdict: node });
    }
  }
  assert.ok(runNode(run, 0).label);
});

test("a log keeps its newest part and says what it lost", () => {
  const run = started();
  for (let i = 0; i < 500; i++) run.take({ kind: "delta", run: "r", source: "one", stream: "stdout", text: "x".repeat(1000) });
  const seat = run.seat("one");
  const kept = seat.log.toString();
  assert.ok(kept.length <= 250_000);
  assert.equal(kept.length + seat.log.lost, 500_000);
  run.take({ kind: "delta", run: "r", source: "check:tests", stream: "stdout", text: "noise" });
  assert.ok(!run.seats.has("check:tests"));
});

test("what an agent printed before anybody listened has its place between its events", () => {
  const run = started();
  const act = (seq: number): void => void run.take({ kind: "agent_acted", run: "r", seq, seat: "one", action: "edit", target: `${seq}.py` });
  act(3);
  act(5);
  const { log } = run.seat("one");
  assert.equal(log.silent, true);
  log.heard({ parts: [{ after: 2, text: "to begin\n" }, { after: 3, text: "no line end" }, { after: 4, text: " yet" }], lost: 7 });
  assert.equal(log.toString(), "to begin\n▸ edit 3.py\nno line end yet\n▸ edit 5.py\n");
  assert.deepEqual([log.lost, log.silent], [7, false]);
  run.take({ kind: "delta", run: "r", source: "one", stream: "stdout", text: "live" });
  act(6);
  assert.ok(log.toString().endsWith("▸ edit 5.py\nlive\n▸ edit 6.py\n"));
  log.heard({ parts: [{ after: 5, text: "live, and what was missed\n" }], lost: 0 });
  assert.equal(log.toString(), "▸ edit 3.py\n▸ edit 5.py\nlive, and what was missed\n▸ edit 6.py\n");
});

test("two updates a second while agents only work, five while more happens; the last one always comes", () => {
  const timer = new FakeTimer();
  const runs = new Runs(timer);
  let told = 0;
  runs.onChange(() => told++);
  runs.take(STARTED);
  assert.equal(told, 1, "the first comes at once");
  const each = (event: object): void => {
    told = 0;
    for (let i = 0; i < 3000; i++) {
      runs.take({ run: "r", time: 101, seat: "one", kind: "", ...event });
      timer.pass(1);
    }
    timer.pass(1000);
  };
  each({ kind: "agent_acted", action: "edit", target: "f" });
  assert.equal(told, 6, "in three seconds");
  each({ kind: "attempt_started", attempt: 1 });
  assert.equal(told, 16, "once at the beginning, fifteen times in three seconds");
  timer.pass(1000);
  told = 0;
  for (const kind of ["agent_acted", "agent_acted", "attempt_ended", "agent_acted"]) runs.take({ kind, run: "r", seat: "one" });
  assert.equal(told, 1);
  timer.pass(200);
  assert.equal(told, 2, "what has happened does not wait for what happens all the time");
  timer.pass(1000);
  assert.equal(told, 2);
});

test("live output is no reason to draw the tree", () => {
  const timer = new FakeTimer();
  const runs = new Runs(timer);
  runs.take(STARTED);
  timer.pass(1000);
  let told = 0;
  let noise = 0;
  runs.onChange(() => told++);
  runs.onNoise(() => noise++);
  for (let i = 0; i < 100; i++) runs.take({ kind: "delta", run: "r", source: "one", stream: "stdout", text: "x" });
  timer.pass(1000);
  assert.deepEqual([told, noise], [0, 100]);
});

test("what earlier runs did does not hide what is known better", () => {
  const runs = new Runs(new FakeTimer());
  runs.take(STARTED);
  const line = { folder: "/w", prompt: "old", started: 1, outcome: "won" as const, winner: "a.1", candidates: [] };
  runs.seed([{ ...line, run: "r" }, { ...line, run: "q" }]);
  assert.deepEqual(runs.all.map((run) => [run.id, run.prompt, run.whole]), [["r", "do it", true], ["q", "old", false]]);
  runs.cut();
  assert.deepEqual(runs.all.map((run) => run.outcome), ["interrupted", "won"]);
});

test("a run of another program is over when the list says so", () => {
  const runs = new Runs(new FakeTimer());
  const line = { run: "r", folder: "/w", prompt: "old", started: 1, winner: "", candidates: [] };
  runs.seed([{ ...line, outcome: "running" as const }]);
  assert.equal(runs.running.length, 1);
  runs.seed([{ ...line, outcome: "none" as const }]);
  assert.deepEqual([runs.running.length, runs.all[0]?.outcome], [0, "none"]);
});

test("hunks are counted as the server counts them", () => {
  const diff = `diff --git a/a b.py b/a b.py
index 1..2 100644
--- a/a b.py\t
+++ b/a b.py\t
@@ -1,2 +1,2 @@ def f():
-old
+--- new
 same
@@ -10 +10,2 @@
 same
+
\\ No newline at end of file
diff --git "a/\\303\\244.py" "b/\\303\\244.py"
new file mode 100644
--- /dev/null
+++ "b/\\303\\244.py"
@@ -0,0 +1 @@
+made
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/x.png b/x.png
Binary files a/x.png and b/x.png differ
`;
  const files = parseDiff(diff);
  assert.deepEqual(files.map((f) => [f.path, f.hunks.map((h) => [h.index, h.before, h.added, h.removed, h.gist])]), [
    ["a b.py", [[0, 1, 1, 1, "--- new"], [1, 10, 1, 0, "blank lines"]]],
    ["ä.py", [[0, 0, 1, 0, "made"]]],
    ["gone", [[0, 1, 0, 1, "gone"]]],
  ]);
});

test("the history has each wish once, the newest first", () => {
  assert.deepEqual(remember(["a", "b"], " b "), ["b", "a"]);
  assert.deepEqual(remember(["a"], "  "), ["a"]);
  assert.equal(remember([...Array(80).keys()].map(String), "new").length, 50);
  assert.deepEqual(readTemplates([{ label: "l", prompt: "p" }, { label: 3 }, null, { label: "x", prompt: " " }]), [{ label: "l", prompt: "p" }]);
  assert.deepEqual(readTemplates("no"), []);
});

test("one step takes an edit back, and only where nothing was typed since", () => {
  const landing: Landing = {
    label: "x",
    files: new Map([
      ["a", { before: "one\ntwo\nthree\n", after: "one\n2\nthree\n" }],
      ["made", { before: null, after: "made\n" }],
      ["gone", { before: "gone\n", after: null }],
      ["same", { before: "x", after: "x" }],
    ]),
  };
  assert.deepEqual(stepsBack(landing), [
    { kind: "create", uri: "gone", text: "gone\n" },
    { kind: "replace", uri: "a", start: 4, end: 5, text: "two" },
    { kind: "delete", uri: "made" },
  ]);
  const now = new Map([["a", "one\n2\nthree\n"], ["made", "made\n"], ["gone", null], ["same", "x"]]);
  assert.deepEqual(changedSince(landing, now), []);
  assert.deepEqual(changedSince(landing, new Map([...now, ["made", "typed"]])), ["made"]);
});

test("a difference leads from one text to the other and splits no character", () => {
  const pieces = ["a", "b", "\n", "\r\n", "😀", "😁", "é", ""];
  let seed = 7;
  const draw = (): string => pieces[(seed = (seed * 1103515245 + 12345) % 2147483648) % pieces.length] ?? "";
  for (let i = 0; i < 3000; i++) {
    const [from, to] = [Array.from({ length: 8 }, draw).join(""), Array.from({ length: 8 }, draw).join("")];
    const { start, end, text } = difference(from, to);
    assert.equal(from.slice(0, start) + text + from.slice(end), to);
    for (const at of [start, end]) {
      assert.ok(!/[\ud800-\udbff]$/.test(from.slice(0, at)), "between the halves of a pair");
      assert.ok(!(from[at - 1] === "\r" && from[at] === "\n"), "inside of a line end");
    }
  }
});

test("a conflict is shown with markers around the lines of both", () => {
  const conflict = { path: "a", reason: "overlap", base: [1, 2], live: [1, 2], candidate: [1, 2], live_text: "mine\n", candidate_text: "theirs\n", hunks: [0] } as const;
  assert.equal(withMarkers("one\nmine\nthree\n", [conflict], "x.1"), "one\n<<<<<<< yours\nmine\n=======\ntheirs\n>>>>>>> x.1\nthree\n");
});

test("the verdict's page runs nothing of what it shows", () => {
  const evil = `"><img src=x onerror=alert(1)><script>alert(1)</script>`;
  const report: RunReport = {
    run: "r", folder: "/w", root: "/w", task: { prompt: evil, scope: { path: null } },
    verdict: { outcome: "won", winner: evil, why: evil, ranking: [evil] },
    candidates: [{ id: evil, seat: evil, tree: "t", summary: evil, eligible: true, clears: true, fixed: 1, broke: 0, discarded: true, files: [], checks: [{ check: evil, outcome: "failed", new_failures: [evil], fixed: [], flaky: [], note: evil }] }],
    seats: [{ seat: evil, phase: "ended", attempt: 1, outcome: evil, reason: evil, action: evil, seconds: 1, type: evil, usage: { tokens: 1, cost: "0.1" } }],
    checks: [evil], notices: [evil], deliveries: [], fates: {}, usage: { tokens: 1, cost: null },
    explanation: { checks: [evil], rows: [{ candidate: evil, won: true, files: 1, lines: 1, cluster: [evil, "b"], eligible: false, checks: [evil], judges: evil }], ballots: [{ judge: evil, shown: [evil], choice: evil, reason: evil }], steps: [evil] },
  };
  const run = new Run("r");
  run.report(report);
  const html = page({ style: "s", script: "c", nonce: "n", source: "src" }, verdictBody(run, report));
  assert.ok(!html.includes("<img") && !html.includes("<script>alert"));
  assert.match(html, /default-src 'none'.*script-src 'nonce-n'/);
  assert.equal([...html.matchAll(/<script/g)].length, 1);
  assert.equal(escape(`<a href='"'>&`), "&#60;a href=&#39;&#34;&#39;&#62;&#38;");
});

test("what one can do with a run, by how it ended", () => {
  const run = started();
  assert.equal(nextSteps(run), undefined, "it goes on");
  const end = (outcome: string, winner: string | null): string[] => {
    run.take({ kind: "run_settled", run: "r", time: 106, verdict: { outcome, winner, why: "", ranking: [] } });
    return Object.keys(nextSteps(run) ?? {});
  };
  assert.deepEqual(end("none", null), ["Run Again with…", "Verdict"]);
  assert.equal(run.undecided, false, "there is nothing to take");
  for (const id of ["one.1", "two.1"]) run.take({ kind: "candidate_captured", run: "r", time: 104, candidate: { ...CANDIDATE, id } });
  for (const outcome of ["tied", "abstained"]) {
    assert.deepEqual(end(outcome, null), ["Compare the Two Best", "Apply One…", "Verdict", "Run Again with…"]);
    assert.match(runNode(run, 107_000).context, / undecided several$/);
  }
  assert.deepEqual(end("cancelled", null), []);
  assert.deepEqual(end("won", "one.1"), ["Compare", "Apply", "Verdict"]);
  assert.equal(run.undecided, false);
});

test("numbers in words", () => {
  assert.deepEqual([duration(3.14), duration(59), duration(125), duration(7260)], ["3.1 s", "59 s", "2 min 5 s", "2 h 1 min"]);
  assert.deepEqual([money(null), money(0), money(0.0042), money(1.5)], ["", "$0", "$0.0042", "$1.50"]);
  assert.deepEqual([tokens(0), tokens(12), tokens(1500), tokens(25_000), tokens(2_000_000)], ["", "12 tokens", "1.5k tokens", "25k tokens", "2.0M tokens"]);
  assert.match(status([started()], 0.5).text, /massgen taking a snapshot · \$0\.50/);
  assert.equal(status([], null).text, "$(organization) massgen");
});

test("pictures are said once, and no more than belong to a task", () => {
  const file = { name: "a.png", uri: "file:///a.png" };
  assert.deepEqual(joined([file], [file, { name: "b.png", data: "QQ==" }]), [file, { name: "b.png", data: "QQ==" }]);
  const many = Array.from({ length: 12 }, (_, n) => ({ name: `${n}.png`, data: `${n}` }));
  assert.equal(joined([file], many).length, MOST);
});

test("what is no picture is no attachment", () => {
  const told = [{ name: "a.png", digest: "00", media_type: "image/png" }, { name: "b.png" }, null, "c"];
  assert.deepEqual(attached(told), [{ name: "a.png", digest: "00" }]);
  assert.deepEqual(attached(undefined), []);
  assert.deepEqual(pasted([{ name: "a.png", data: "QQ==" }, { name: "", data: "QQ==" }]), [{ name: "a.png", data: "QQ==" }]);
});
