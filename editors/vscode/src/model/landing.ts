/** What an edit of ours did to each file, so that one step takes it back. */

/** Text of a file; null where there was none. */
export type Text = string | null;

export interface Landing {
  readonly label: string;
  /** By URI. */
  readonly files: ReadonlyMap<string, { readonly before: Text; readonly after: Text }>;
}

export type Step =
  | { readonly kind: "create"; readonly uri: string; readonly text: string }
  | { readonly kind: "delete"; readonly uri: string }
  | { readonly kind: "replace"; readonly uri: string; readonly start: number; readonly end: number; readonly text: string };

/** The files that are not any more as the edit left them. */
export function changedSince(landing: Landing, now: ReadonlyMap<string, Text>): string[] {
  return [...landing.files].filter(([uri, file]) => (now.get(uri) ?? null) !== file.after).map(([uri]) => uri);
}

/** The steps back, creations first: an editor survives them in this order. */
export function stepsBack(landing: Landing): Step[] {
  const steps: Step[] = [];
  for (const [uri, { before, after }] of landing.files) {
    if (before === after) continue;
    if (before === null) steps.push({ kind: "delete", uri });
    else if (after === null) steps.push({ kind: "create", uri, text: before });
    else steps.push({ kind: "replace", uri, ...difference(after, before) });
  }
  const order = { create: 0, replace: 1, delete: 2 };
  return steps.sort((a, b) => order[a.kind] - order[b.kind]);
}

/** The smallest single replacement that makes one text of the other; offsets in the first. */
export function difference(from: string, to: string): { start: number; end: number; text: string } {
  const most = Math.min(from.length, to.length);
  let start = 0;
  while (start < most && from[start] === to[start]) start++;
  // Not between the halves of a pair, nor inside of a line end.
  while (start > 0 && inside(from, start)) start--;
  let tail = 0;
  while (tail < most - start && from[from.length - 1 - tail] === to[to.length - 1 - tail]) tail++;
  while (tail > 0 && (inside(from, from.length - tail) || inside(to, to.length - tail))) tail--;
  return { start, end: from.length - tail, text: to.slice(start, to.length - tail) };
}

function inside(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return (before >= 0xd800 && before <= 0xdbff) || (after >= 0xdc00 && after <= 0xdfff) || (before === 13 && after === 10);
}
