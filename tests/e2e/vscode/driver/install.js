// From a machine without Python to a server of our own, and to a team: the scene clicks what is asked.
const fs = require("node:fs");
const path = require("node:path");

module.exports = async (world) => {
  const { vscode, api } = world;
  const given = JSON.parse(process.env.MASSGEN_TEST_INSTALL);
  const place = (folder) => [folder, given.path].filter((each) => each).join(path.delimiter);

  // What is shown as an error stays until somebody closes it: the scene looks for it.
  process.env.PATH = given.nothing;
  await world.command("refresh");
  world.step("no Python", true);
  process.env.PATH = given.old;
  await world.command("refresh");
  world.step("an old Python", true);

  // An installation that fails half way: pip may fetch nothing, and so finds nothing of what is needed.
  process.env.PATH = place(given.python);
  process.env.PIP_NO_INDEX = "1";
  await world.command("refresh");
  world.step("half an installation", true);
  process.env.PIP_NO_DEPS = "1";
  process.env.PYTHONPATH = given.needs; // what it needs is here already
  await world.command("refresh");
  world.step("from", api.startedFrom(), "the environment of this extension");
  const { runs } = await api.ask("massgen/list", {});
  world.step("it answers", runs, []);

  // The environment that a person chooses in the Python extension, where massgen-ls is in it.
  const python = vscode.extensions.getExtension("ms-python.python").exports;
  for (const [chosen, from] of [[given.bare, "the environment of this extension"], [given.full, "the Python extension's environment"]]) {
    python.choose(chosen);
    await world.command("restartServer");
    world.step("the Python extension has chosen", api.startedFrom(), from);
  }

  const settings = vscode.workspace.getConfiguration("massgen.server");
  await settings.update("interpreter", given.full, vscode.ConfigurationTarget.Global);
  await world.until("the new setting", () => api.startedFrom() === "massgen.server.interpreter");
  await api.ready();

  // The whole conversation, once its channel shall have it: both ways, and verbosely.
  world.step("please trace", true);
  const said = ["Sending request 'massgen/list", "Received response 'massgen/list", "Params: {"];
  await world.until("the trace", async () => {
    await api.ask("massgen/list", {});
    const texts = fs.readdirSync(given.logs, { recursive: true }).filter((name) => path.basename(name) === "massgen (trace).log")
      .map((name) => fs.readFileSync(path.join(given.logs, name), "utf8"));
    return texts.some((text) => said.every((words) => text.includes(words)));
  });

  await world.command("setUp");
  const file = path.join(world.folder.fsPath, "massgen.yaml");
  world.step("a team", fs.readFileSync(file, "utf8").includes("agents:"), true);
  await world.until("it is shown", () => vscode.window.activeTextEditor?.document.uri.fsPath === file);
};
