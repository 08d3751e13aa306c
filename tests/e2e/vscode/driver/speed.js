// How fast it is, next to VS Code's own limit in the same window: see tests/bench/bench_vscode.py.
const COUNT = 50;
const rounds = process.env.MASSGEN_LS_BENCH_QUICK ? 3 : 9;

module.exports = async (world) => {
  const { api } = world;
  world.measured.activation_ms = [api.measured.activation];
  await api.ready();
  await world.command("runTask", { prompt: "the first reads the configuration", agents: ["one"] }).then((run) => world.settled(run));
  await starts(world);
  for (const agent of ["many", "changes"]) await diffs(world, agent);
};

// From the keypress (the command) to what is shown of it.
async function starts(world) {
  const { api, measured } = world;
  Object.assign(measured, { shown_ms: [], first_progress_ms: [], round_trip_ms: [] });
  for (let i = 0; i < rounds; i++) {
    const began = performance.now();
    await api.ask("massgen/team", {});
    measured.round_trip_ms.push(performance.now() - began);
    const run = await world.command("runTask", { prompt: "fast", agents: ["one"] });
    await world.settled(run);
    measured.shown_ms.push(api.measured.shown);
    measured.first_progress_ms.push(api.measured.progress);
  }
}

// A candidate of fifty files, and fifty like them out of the memory of a bare provider.
async function diffs(world, agent) {
  const { vscode, api, measured } = world;
  const text = (i) => [...Array(40).keys()].map((n) => `line ${n} of ${i}`).join("\n");
  const bare = vscode.workspace.registerTextDocumentContentProvider("bare", {
    provideTextDocumentContent: (uri) => text(uri.query),
  });
  const run = await world.command("runTask", { prompt: agent, agents: [agent] });
  await world.settled(run);
  const candidate = await world.until("fifty files", () => {
    const found = world.run(run).candidates.get(`${agent}.1`);
    return found?.files.length === COUNT && found;
  });
  const times = { ours: [], bare: [], told: [], waited: [] };
  let round = 0;
  for (let i = 0; i < rounds; i++) {
    for (const whose of i % 2 ? ["bare", "ours"] : ["ours", "bare"]) {
      round++;
      const rows = candidate.files.map((file) => {
        const live = world.uri(file.path);
        return [live, file.kind === "add" ? undefined : live, live.with({ scheme: "bare", path: `${live.path}.${round}`, query: file.path })];
      });
      const began = performance.now();
      if (whose === "ours") await world.command("compareCandidate", { run, candidate: candidate.id });
      else await vscode.commands.executeCommand("vscode.changes", `bare ${round}`, rows);
      times[whose].push(performance.now() - began);
      if (whose === "ours") for (const part of ["told", "waited"]) times[part].push(api.measured[part]);
      await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    }
  }
  bare.dispose();
  measured[`diff_${agent}_ms`] = times.ours;
  measured[`bare_${agent}_ms`] = times.bare;
  // Until VS Code is told what to show, and the longest that it waits for a text of it.
  measured[`own_${agent}_ms`] = times.told.map((told, i) => told + times.waited[i]);
}
