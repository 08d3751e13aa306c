// Formats Lua files, or with --check says which are not formatted. Arguments: FOLDER_OF_STYLUA,
// [--check], files. The configuration is that of editors/nvim/.stylua.toml, whose few keys are read
// here, since the WebAssembly build has no command line.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [folder, ...rest] = process.argv.slice(2);
const stylua = createRequire(join(folder, "/"))("@johnnymorganz/stylua");
const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const ENUMS = {
  syntax: stylua.LuaVersion,
  indent_type: stylua.IndentType,
  quote_style: stylua.QuoteStyle,
};
const KEYS = new Set([...Object.keys(ENUMS), "column_width", "indent_width"]);

function configured() {
  const config = stylua.Config.new();
  const text = readFileSync(join(top, "editors", "nvim", ".stylua.toml"), "utf8");
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const [, key, value] = line.match(/^(\w+)\s*=\s*"?(\w+)"?$/) ?? [];
    const known = KEYS.has(key) ? (ENUMS[key]?.[value] ?? Number(value)) : NaN;
    if (Number.isNaN(known)) throw new Error(`.stylua.toml: not understood here: ${line}`);
    config[key] = known;
  }
  return config;
}

const check = rest[0] === "--check";
let unlike = 0;
for (const file of check ? rest.slice(1) : rest) {
  const code = readFileSync(file, "utf8");
  const formatted = stylua.formatCode(code, configured(), undefined, stylua.OutputVerification.Full);
  if (formatted === code) continue;
  unlike += 1;
  if (!check) writeFileSync(file, formatted);
  console.log(check ? `not formatted: ${file} (scripts/lua --fix does it)` : `formatted: ${file}`);
}
process.exit(check && unlike ? 1 : 0);
