// A person who has the extension and nothing else: reads what is missing, agrees to what is offered.
import { setTimeout as pause } from "node:timers/promises";
import watch from "./watch.mjs";

export default async function install(world) {
  const { page, read, shot } = world;
  const note = (text) => page.locator(".notification-list-item", { hasText: text }).first();
  const press = (text, label) => note(text).getByRole("button", { name: label, exact: true }).click();
  const wait = { timeout: 120_000 };

  await note("there is no Python on PATH").waitFor(wait);
  await note("on PATH there is Python 3.9").waitFor(wait);
  await shot("no-python");
  await note("massgen-ls is not installed yet").waitFor(wait);
  await shot("install");
  await press("massgen-ls is not installed yet", "Install");
  await note(/No matching distribution/).waitFor(wait);
  await page.locator(".notification-list-item", { hasText: "not installed yet" }).getByRole("button", { name: "Install", exact: true }).click(wait);

  // Developer: Set Log Level…, of one channel.
  while (!read()?.steps.some((step) => step.name === "please trace") && !read()?.done) await pause(100);
  for (const [typed, option] of [[">Developer: Set Log Level", /Set Log Level/], ["massgen (trace)", /massgen \(trace\)/], ["Trace", /^Trace/]]) {
    if (typed.startsWith(">")) await page.keyboard.press("F1");
    await page.keyboard.type(typed.replace(">", ""));
    await page.getByRole("option", { name: option }).first().waitFor(wait);
    await shot("trace");
    await page.keyboard.press("Enter");
    await pause(300); // the next box opens
  }
  await note("massgen.yaml with this team").waitFor(wait);
  await shot("set-up");
  await press("massgen.yaml with this team", "Write it");
  await watch(world);
}
