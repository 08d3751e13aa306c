/** Unified diffs, read: the hunks of a file are counted from 0, as `massgen/apply` counts them. */

export interface Hunk {
  readonly index: number;
  readonly header: string;
  /** First line of the hunk in the snapshot and in the candidate, from 1. */
  readonly before: number;
  readonly after: number;
  readonly added: number;
  readonly removed: number;
  /** The first line that says something, for a list. */
  readonly gist: string;
  readonly lines: readonly string[];
}

export interface FileDiff {
  readonly path: string;
  readonly hunks: readonly Hunk[];
}

const HEADER = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/;

export function parseDiff(diff: string): FileDiff[] {
  const files: { path: string; hunks: Hunk[] }[] = [];
  let file: { path: string; hunks: Hunk[] } | undefined;
  let from = "";
  let left = 0;
  let right = 0;
  let open: { header: string; before: number; after: number; lines: string[] } | undefined;
  const close = (): void => {
    if (open && file) file.hunks.push(finish(open, file.hunks.length));
    open = undefined;
  };
  for (const line of diff.split("\n")) {
    if (open && (left > 0 || right > 0 || line.startsWith("\\"))) {
      open.lines.push(line);
      if (line.startsWith("-")) left--;
      else if (line.startsWith("+")) right--;
      else if (!line.startsWith("\\")) { left--; right--; }
      continue;
    }
    const header = HEADER.exec(line);
    if (header && file) {
      close();
      const counts = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))?/.exec(line);
      left = Number(counts?.[1] ?? 1);
      right = Number(counts?.[2] ?? 1);
      open = { header: header[3] ?? "", before: Number(header[1]), after: Number(header[2]), lines: [] };
    } else if (line.startsWith("diff --git ")) {
      close();
      file = undefined;
      from = "";
    } else if (line.startsWith("--- ")) {
      close();
      from = name(line.slice(4));
    } else if (line.startsWith("+++ ")) {
      const to = name(line.slice(4));
      file = { path: to === "/dev/null" ? from : to, hunks: [] };
      files.push(file);
    }
  }
  close();
  return files;
}

function finish(open: { header: string; before: number; after: number; lines: string[] }, index: number): Hunk {
  const added = open.lines.filter((line) => line.startsWith("+"));
  const removed = open.lines.filter((line) => line.startsWith("-"));
  const gist = [...added, ...removed].map((line) => line.slice(1).trim()).find((line) => line !== "");
  return {
    index, header: open.header, before: open.before, after: open.after, lines: open.lines,
    added: added.length, removed: removed.length, gist: gist ?? "blank lines",
  };
}

/** A name as git writes it: perhaps quoted, perhaps followed by a tab, with a/ or b/ before it. */
function name(given: string): string {
  let path = given.split("\t")[0] ?? given;
  if (path.startsWith('"') && path.endsWith('"')) {
    const bytes: number[] = [];
    const inner = path.slice(1, -1);
    for (let i = 0; i < inner.length; i++) {
      if (inner[i] !== "\\") {
        bytes.push(...Buffer.from(inner[i] ?? ""));
        continue;
      }
      const octal = /^[0-7]{3}/.exec(inner.slice(i + 1));
      if (octal) {
        bytes.push(Number.parseInt(octal[0], 8));
        i += 3;
      } else {
        const escaped = inner[++i] ?? "";
        bytes.push(({ n: 10, t: 9, r: 13 } as Record<string, number>)[escaped] ?? escaped.charCodeAt(0));
      }
    }
    path = Buffer.from(bytes).toString("utf8");
  }
  return path === "/dev/null" ? path : path.replace(/^[ab]\//, "");
}
