// The driver asks for trust; a person gives it in the editor for it.
import { setTimeout as pause } from "node:timers/promises";
import watch from "./watch.mjs";

export default async function trust(world) {
  const { page, read, shot } = world;
  while (!read()?.steps.some((step) => step.name === "please trust") && !read()?.done) await pause(100);
  await shot("untrusted");
  await page.getByRole("button", { name: "Manage Workspace Trust" }).first().click();
  await page.getByRole("button", { name: "Trust", exact: true }).first().click();
  await watch(world);
}
