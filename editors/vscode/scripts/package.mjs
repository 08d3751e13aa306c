// Packages the extension: dist/massgen-ls.vsix with the server in it, with --bare
// dist/massgen-ls-bare.vsix without.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

process.chdir(join(import.meta.dirname, ".."));
const bare = process.argv.includes("--bare");
rmSync("bundled", { recursive: true, force: true });
if (!bare) run("npm", "run", "--silent", "wheel");
mkdirSync("dist", { recursive: true });
// VS Code shows pictures from the web alone, and these are nowhere on it yet.
const readme = readFileSync("README.md", "utf8").replace(/^ *!\[[^\]]*\]\((?!https:)[^)]*\)\n+/gm, "")
  .replace(/^The pictures on this page .*\n+/m, "");
writeFileSync("dist/README.md", readme);
const out = `dist/massgen-ls${bare ? "-bare" : ""}.vsix`;
run("npx", "--no-install", "vsce", "package", "--no-dependencies", "--allow-missing-repository", "--readme-path", "dist/README.md", "--out", out);

function run(program, ...words) {
  const { status, error } = spawnSync(program, words, { stdio: "inherit", shell: process.platform === "win32" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
