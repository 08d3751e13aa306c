// Writes the settings about runs into package.json, out of the server's own schema. With --check it
// only says whether they are as they would be written.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const here = join(import.meta.dirname, "..");
const schema = JSON.parse(readFileSync(join(here, "../../massgen_ls/config/massgen.schema.json"), "utf8"));
const file = join(here, "package.json");
const before = readFileSync(file, "utf8");
const manifest = JSON.parse(before);

// What the server takes from an editor's settings; the default is null, which says nothing, so that
// what is not set here never hides what a massgen.yaml says.
const WORDS = {
  orchestrator: "How runs are decided, over what `massgen.yaml` says.",
  agents: "The team, instead of that in `massgen.yaml`.",
  checks: "The checks that decide, instead of those in `massgen.yaml`.",
  worktree: "What a worktree needs beyond the snapshot.",
};
const properties = manifest.contributes.configuration.properties;
for (const [name, words] of Object.entries(WORDS)) {
  const found = inline(schema.properties[name], []);
  const description = found.description ? `${words}\n\n${found.description}` : words;
  const { default: _, title: __, description: ___, type, anyOf, ...rest } = found;
  const shape = anyOf ? { anyOf: [...anyOf, { type: "null" }] } : { type: [...[type ?? "object"].flat(), "null"] };
  properties[`massgen.${name}`] = { ...shape, ...rest, default: null, scope: "resource", markdownDescription: description };
}
properties["massgen.profile"] = {
  type: ["string", "null"], default: null, scope: "resource", markdownDescription: "The profile of `massgen.yaml` that counts.",
};

const after = `${JSON.stringify(manifest, null, 2)}\n`;
if (process.argv.includes("--check")) {
  if (after !== before) {
    console.error("The settings in package.json are not those of the server's schema: npm run settings");
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, after);
}

/** The schema with its references filled in: VS Code knows none in settings. */
function inline(node, above) {
  if (Array.isArray(node)) return node.map((each) => inline(each, above));
  if (node === null || typeof node !== "object") return node;
  if (node.discriminator) {
    // The keys of every kind of agent are for the language support of massgen.yaml.
    const kinds = Object.keys(node.discriminator.mapping ?? {});
    return { type: "object", description: "As in `massgen.yaml`.", required: ["type"], properties: { type: { enum: kinds } } };
  }
  if (node.$ref) {
    const name = node.$ref.split("/").at(-1);
    const { $ref: _, ...rest } = node;
    // One that holds itself (an agent's fallback is an agent) ends where it would begin again.
    return above.includes(name) ? { type: "object" } : { ...inline(schema.$defs[name], [...above, name]), ...inline(rest, above) };
  }
  return Object.fromEntries(Object.entries(node)
    .map(([key, value]) => [key, inline(value, above)]));
}
