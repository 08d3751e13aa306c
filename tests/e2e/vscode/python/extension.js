// Stands in for the Python extension, as far as its documented interface to environments goes: no
// registry that is at hand has the real one.
const vscode = require("vscode");

exports.activate = () => {
  let chosen;
  return {
    ready: Promise.resolve(),
    environments: {
      getActiveEnvironmentPath: () => ({ id: chosen ?? "", path: chosen ?? "python" }),
      resolveEnvironment: async ({ id, path }) =>
        id ? { id, path, executable: { uri: vscode.Uri.file(path), bitness: "64-bit" } } : undefined,
    },
    // Not in the real one: there a person chooses.
    choose: (path) => { chosen = path; },
  };
};
