// A person's way from a task to an applied change, with pictures of what they see.
export default async function clicked({ page, shot }) {
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
  await page.locator(".notification-list-item", { hasText: "clean up this package" }).first().waitFor();
  console.log(`keypress to progress on the screen: ${Date.now() - pressed} ms`);

  // Watched.
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
  await page.getByRole("menuitem", { name: "Apply with a Preview" }).click();
  await page.locator(".bulk-edit-panel").getByRole("button", { name: "Apply" }).waitFor();
  await still(900);
  await shot("8-preview");
  await page.locator(".bulk-edit-panel").getByRole("button", { name: "Apply" }).click();
  await page.locator(".notification-list-item", { hasText: "tidy.1 is applied to" }).first().waitFor();
  await page.getByRole("tab", { name: /^store\.py/ }).first().click();
  await page.locator(".monaco-editor .view-line", { hasText: "collections.abc" }).first().waitFor();
  await still();
  await shot("9-applied");
}
