/** A file in which changes meet, written with conflict markers. Shown, never written. */

import type { Conflict } from "./wire";

export function withMarkers(live: string, conflicts: readonly Conflict[], theirs: string): string {
  const lines = live.split("\n");
  const out: string[] = [];
  let at = 0;
  for (const conflict of [...conflicts].sort((a, b) => a.live[0] - b.live[0])) {
    const [start, end] = conflict.live;
    if (start < at) continue;
    out.push(...lines.slice(at, start));
    out.push("<<<<<<< yours", ...lines.slice(start, end), "=======");
    if (conflict.candidate_text !== "") out.push(...conflict.candidate_text.replace(/\n$/, "").split("\n"));
    out.push(`>>>>>>> ${theirs}`);
    at = end;
  }
  out.push(...lines.slice(at));
  return out.join("\n");
}
