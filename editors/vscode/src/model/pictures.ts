/** Pictures that belong to a task. */

import { field, list, text } from "./reading";

/** One of `uri` (a file), `data` (base64) and `digest` (one that an earlier run had). */
export interface Attachment {
  readonly name: string;
  readonly uri?: string;
  readonly data?: string;
  readonly digest?: string;
}

export const MOST = 10;

/** Those of an order as a run's start tells it, to be attached to another one. */
export function attached(node: unknown): Attachment[] {
  return list(node).flatMap((each) => {
    const [name, digest] = [text(field(each, "name")), text(field(each, "digest"))];
    return name && digest ? [{ name, digest }] : [];
  });
}

/** What a web view says was pasted or dropped; nothing of what has another shape. */
export function pasted(node: unknown): Attachment[] {
  return list(node).flatMap((each) => {
    const [name, data] = [text(field(each, "name")), text(field(each, "data"))];
    return name && data ? [{ name, data }] : [];
  });
}

/** Both, without saying anything twice; as many as belong to a task. */
export function joined(before: readonly Attachment[], more: readonly Attachment[]): Attachment[] {
  const known = new Map([...before, ...more].map((each) => [each.uri ?? each.digest ?? each.data, each]));
  return [...known.values()].slice(0, MOST);
}
