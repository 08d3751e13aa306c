// Opens the workbench in a headless Chromium and stays until a scenario is over.
// Usage: node workbench.mjs URL REPORT OUT [scene]; prints what the page complained about.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [url, report, out, scene = "watch"] = process.argv.slice(2);
const require = createRequire(join(import.meta.dirname, "../../../editors/vscode/package.json"));
const { chromium } = require("playwright-core");
mkdirSync(out, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
// Where nobody looks nothing moves: without a graphics card that takes a third of everything.
const still = scene !== "clicked";
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: still ? "reduce" : null });
page.setDefaultTimeout(120_000); // a busy machine is not a broken one
page.on("pageerror", (error) => console.error(`page: ${error.message}`));
try {
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.locator(".monaco-workbench").waitFor();
  if (still) await page.addStyleTag({ content: "*, ::before, ::after { animation: none !important }" });
  const { default: play } = await import(`./scenes/${scene}.mjs`);
  await play({ page, out, read, shot: (name) => page.screenshot({ path: join(out, `${name}.png`) }) });
} catch (error) {
  await page.screenshot({ path: join(out, "failed.png") });
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}

/** The driver's report so far; null before there is one. */
function read() {
  return existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : null;
}
