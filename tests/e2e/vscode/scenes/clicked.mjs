import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// A person's way from a task to an applied change, with pictures of what they see.
export default async function clicked({ page, out, shot }) {
  const shown = (text) => page.getByText(text).first();
  const tree = page.getByRole("tree", { name: "Runs" });
  const press = (label) => page.locator(".notification-list-item").getByRole("button", { name: label, exact: true }).first().click();
  const still = (ms = 400) => page.waitForTimeout(ms); // only for pictures: animations come to rest

  await page.getByRole("tab", { name: "Massgen" }).first().click();
  await shown("No run yet").waitFor();
  await page.mouse.move(640, 760);
  await page.keyboard.press("Control+p");
  await page.keyboard.type("store.py");
  await page.getByRole("option", { name: /store\.py/ }).first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".monaco-editor .view-line", { hasText: "InvoiceStore" }).first().waitFor();

  // The task, typed.
  await page.keyboard.press("Control+Alt+m");
  await page.getByPlaceholder("What shall the team do?").waitFor();
  await still();
  await shot("1-task");

  // A picture, pasted.
  await page.getByRole("button", { name: "Attach pictures" }).click();
  await page.getByRole("option", { name: "Paste or drop…" }).click();
  const pasting = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await pasting.locator("main:not([aria-busy])").waitFor();
  await pasting.locator("body").evaluate((body) => {
    const bytes = Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "dot.png", { type: "image/png" }));
    body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  await pasting.getByRole("img", { name: "dot.png" }).waitFor();
  await shot("1-pictures");
  await pasting.getByRole("button", { name: "Attach" }).click();
  await shown("1 picture").waitFor();
  await page.keyboard.type("clean up this package");
  await still();
  await shot("2-typed");
  const pressed = Date.now();
  await page.keyboard.press("Enter");
  // On a fast machine the winner may be there before anybody has looked.
  await page.locator(".notification-list-item", { hasText: /clean up this package|won\./ }).first().waitFor();
  console.log(`keypress to progress on the screen: ${Date.now() - pressed} ms`);

  // Watched.
  // On a fast machine the agents may be done before anybody has looked.
  await tree.getByText("tidy", { exact: true }).first().waitFor();
  await shot("3-watch");
  await page.locator(".notification-list-item", { hasText: "won." }).first().waitFor({ timeout: 90_000 });
  await tree.getByText("tidy.1", { exact: true }).first().waitFor();
  await still();
  await shot("4-won");

  // Judged: the table in its own page, by keyboard.
  await press("Verdict");
  const verdict = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await verdict.getByRole("heading", { name: /Winner: tidy\.1/ }).waitFor();
  await tree.getByText("tidy.1", { exact: true }).first().click();
  await page.keyboard.press("ArrowRight");
  await tree.getByText("tests", { exact: true }).first().waitFor();
  await still();
  await shot("5-verdict");
  await heard(page, verdict, out, shot);
  await verdict.getByRole("button", { name: /tests of bold\.1/ }).click();
  await verdict.locator("#output pre").waitFor();
  await shot("5-verdict-output");

  // Compared.
  await verdict.getByRole("button", { name: "Compare tidy.1 with your files" }).click();
  await page.locator(".multiDiffEditor, .monaco-component.multiDiffEditor").first().waitFor();
  await shown("hidden lines").waitFor();
  await still(900);
  await shot("6-compare");

  // Applied with a preview.
  await tree.getByText("tidy.1", { exact: true }).first().click({ button: "right" });
  await page.getByRole("menuitem", { name: "Apply with a Preview" }).waitFor();
  await still();
  await shot("7-menu");
  await pick(page, "Apply with a Preview");
  await page.locator(".bulk-edit-panel").getByRole("button", { name: "Apply" }).waitFor();
  await page.mouse.move(700, 790);
  await still(900);
  await shot("8-preview");
  await page.locator(".bulk-edit-panel").getByRole("button", { name: "Apply" }).click();
  await page.locator(".notification-list-item", { hasText: "tidy.1 is applied to" }).first().waitFor();
  await page.getByRole("tab", { name: /^store\.py/ }).first().click();
  await page.locator(".monaco-editor .view-line", { hasText: "collections.abc" }).first().waitFor();
  await still();
  await shot("9-applied");

  // Taken back, and applied anew out of the verdict, which says what became of it.
  const note = page.locator(".notification-list-item", { hasText: "tidy.1 is applied to" });
  await press("Undo");
  await page.locator(".monaco-editor .view-line", { hasText: "collections.abc" }).first().waitFor({ state: "detached" });
  await page.getByRole("tab", { name: /^Verdict/ }).first().click();
  await verdict.locator(".tag", { hasText: "applied" }).waitFor();
  await note.first().waitFor({ state: "detached" });
  await verdict.getByRole("button", { name: "Apply tidy.1" }).click();
  await note.first().waitFor();
  await light(page);
  await still();
  await shot("a-verdict-light");
  await page.getByRole("tab", { name: /your files/ }).first().click();
  await still(900);
  await shot("b-compare-light");
  await menus(page, tree);
}

// What a screen reader hears of the verdict, where the keys go, and what is left of it without colours.
async function heard(page, verdict, out, shot) {
  const said = await verdict.locator("body").ariaSnapshot();
  writeFileSync(join(out, "verdict.aria.yml"), said);
  for (const line of [
    'heading "Winner: tidy.1" [level=1]', 'table "Candidates, best first"', 'columnheader "Candidate"', 'columnheader "What to do"',
    'rowheader "★ tidy.1"', 'button "tests of bold.1: breaks 3. Show its output"', 'button "Compare prune.1 with your files"',
    'button "Apply bold.1"', 'table "Agents"', 'button "Open the log of tidy"', 'button "Export Markdown"',
  ]) assert.ok(said.includes(line), `${line} is not in\n${said}`);
  assert.doesNotMatch(said, /- (button|columnheader|rowheader|table|heading)\s*$/m, "everything has a name");

  const focused = verdict.locator(":focus");
  const order = [];
  await verdict.locator('tr[data-row="0"]').focus();
  for (let i = 0; i < 5; i++) {
    await page.keyboard.press("Tab");
    order.push(await focused.getAttribute("aria-label"));
  }
  assert.deepEqual(order, [
    "tests of tidy.1: passed. Show its output", "lint of tidy.1: mends 25. Show its output", "Compare tidy.1 with your files",
    "Apply tidy.1", "tests of prune.1: passed. Show its output",
  ]);
  await verdict.locator('tr[data-row="0"]').focus();
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused.getAttribute("data-candidate"), "prune.1");

  await page.emulateMedia({ forcedColors: "active" });
  const seen = await focused.evaluate((row) => {
    const line = (style, side) => `${style[`${side}Style`]} ${style[`${side}Width`]}`;
    const clear = (colour) => /^rgba\(.*, 0\)$|transparent/.test(colour);
    const button = getComputedStyle(row.querySelector("button[data-do=apply]"));
    return {
      forced: matchMedia("(forced-colors: active)").matches, focus: line(getComputedStyle(row), "outline"),
      button: line(button, "borderTop"), hidden: clear(button.borderTopColor),
      winner: line(getComputedStyle(document.querySelector("tr.winner")), "borderInlineStart"),
    };
  });
  await shot("5-verdict-forced-colours");
  await page.emulateMedia({ forcedColors: "none" });
  assert.deepEqual(seen, { forced: true, focus: "solid 2px", button: "solid 1px", hidden: false, winner: "solid 3px" });
}

// The other theme, as one changes it.
async function light(page) {
  for (const place of ["User", "Machine"]) {
    const file = join(process.env.MASSGEN_TEST_SETTINGS, place, "settings.json");
    const settings = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...settings, "workbench.colorTheme": "Default Light Modern" }));
  }
  await page.locator(".monaco-workbench.vs").waitFor();
}

// An open menu takes no click in its first moments, so that the one that opened it picks nothing.
async function pick(page, label) {
  // Its keys are a part of its name.
  const item = page.getByRole("menuitem", { name: new RegExp(`^${label}(\\s|$)`) });
  await item.waitFor();
  const end = Date.now() + 20_000;
  while ((await item.isVisible()) && Date.now() < end) {
    await item.click({ timeout: 1000 }).catch(() => undefined); // it may be gone by now
  }
}

// A menu gives its command the line that it was opened on.
async function menus(page, tree) {
  const choose = async (line, label) => {
    await page.mouse.move(700, 790); // what hovers over the tree goes away
    // On a busy machine it comes when the mouse has left already, and then stays until it is left itself.
    const hover = page.locator(".hover-contents").first();
    while (await hover.isVisible()) {
      await hover.hover({ force: true, timeout: 1000 }).catch(() => undefined); // it may be gone by now
      await page.mouse.move(700, 790);
      await page.waitForTimeout(300); // it waits a moment before it goes
    }
    await tree.getByText(line, { exact: true }).first().click({ button: "right" });
    await pick(page, label);
  };
  const tab = (name) => page.getByRole("tab", { name }).first().waitFor();
  await choose("store.py", "Compare This File");
  await tab(/billing\/store\.py \(tidy\.1\)/);
  await choose("prune", "Open the Agent's Log");
  await tab(/^prune\.log/);
  await choose("clean up this package", "Export the Verdict as Markdown");
  await tab(/^Untitled-1|^# /);
  await choose("clean up this package", "Run Again with Other Agents…");
  const box = page.locator(".quick-input-widget");
  await box.getByText("prune", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await box.waitFor({ state: "hidden" });
  // The editor's own menu gives a file, which is no order.
  await page.getByRole("tab", { name: /^store\.py/ }).first().click();
  await page.locator(".monaco-editor .view-line", { hasText: "InvoiceStore" }).first().click({ button: "right" });
  await pick(page, "Run a Task…");
  await page.getByPlaceholder("What shall the team do?").waitFor();
}
