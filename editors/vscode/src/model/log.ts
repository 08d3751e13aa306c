/**
 * What an agent did, as its events tell, and what it printed, as far as somebody listens: the newest
 * of it. Writing never copies what is there: an agent may talk for hours.
 */

import { field, list, number, text } from "./reading";

/** Characters that are kept. */
const KEPT = 200_000;

interface Entry {
  /** The number of the event that it is, or that it came after. */
  readonly at: number;
  /** An event, on a line of its own; else what was printed. */
  readonly note: boolean;
  readonly text: string;
}

export class Log {
  private entries: Entry[] = [];
  /** Characters that are here. */
  length = 0;
  private last = 0;
  /** Characters that were lost at the beginning. */
  lost = 0;

  /** Whether nothing of what the agent printed is here. */
  get silent(): boolean {
    return !this.entries.some((entry) => !entry.note);
  }

  /** An event. */
  note(words: string, at = this.last): void {
    this.last = at;
    this.add({ at, note: true, text: words });
  }

  /** What was printed just now. */
  write(words: string): void {
    if (words !== "") this.add({ at: this.last, note: false, text: words });
  }

  /** Takes the answer to `massgen/listen`: all that was printed until now, in between the events. */
  heard(answer: unknown): void {
    const notes = this.entries.filter((entry) => entry.note);
    const printed = list(field(answer, "parts"))
      .map((part) => ({ at: number(field(part, "after")), note: false, text: text(field(part, "text")) }));
    this.entries = [];
    this.length = 0;
    this.lost = number(field(answer, "lost"));
    let next = 0;
    for (const part of printed) {
      for (let note = notes[next]; note && note.at <= part.at; note = notes[++next]) this.add(note);
      this.add(part);
    }
    for (const note of notes.slice(next)) this.add(note);
  }

  toString(): string {
    const out: string[] = [];
    let ended = true;
    for (const { note, text: words } of this.entries) {
      if (note && !ended) out.push("\n");
      out.push(words);
      if (note) out.push("\n");
      ended = note || words.endsWith("\n");
    }
    return out.join("");
  }

  private add(entry: Entry): void {
    this.entries.push(entry);
    this.length += entry.text.length;
    // A quarter more than is kept, so that cutting is rare.
    if (this.length <= KEPT * 1.25) return;
    let cut = 0;
    while (this.length > KEPT && cut < this.entries.length - 1) {
      const gone = this.entries[cut++]?.text.length ?? 0;
      this.length -= gone;
      this.lost += gone;
    }
    this.entries.splice(0, cut);
  }
}
