// Nobody clicks: the driver does it all.
import { setTimeout as pause } from "node:timers/promises";

export default async function watch({ read, shot }) {
  const end = Date.now() + 200_000;
  while (!read()?.done) {
    if (Date.now() > end) throw new Error("the driver has not come to an end");
    await pause(100);
  }
  await shot("end");
}
