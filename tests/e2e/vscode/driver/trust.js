// A folder that is not trusted yet: nothing runs. Then its user trusts it.
module.exports = async (world) => {
  const { vscode, api } = world;
  await api.ready();
  world.step("untrusted", vscode.workspace.isTrusted, false);
  const refused = world.command("runTask", { prompt: "do it" });
  world.step("nothing is started", await Promise.race([refused, new Promise((r) => setTimeout(() => r("asked"), 1500))]), "asked");
  world.step("no run", api.runs.all.length, 0);
  world.step("please trust", true);
  await world.until("trust", () => vscode.workspace.isTrusted, 90);
};
