/** The newest of what an agent says. Appending never copies what is there: an agent may talk for hours. */

/** Characters that are kept. */
const KEPT = 200_000;

export class Log {
  private parts: string[] = [];
  private length = 0;
  /** Characters that were lost at the beginning. */
  lost = 0;

  get empty(): boolean {
    return this.length === 0;
  }

  write(words: string): void {
    if (words === "") return;
    this.parts.push(words);
    this.length += words.length;
    // A quarter more than is kept, so that cutting is rare.
    if (this.length > KEPT * 1.25) {
      this.lost += this.length - KEPT;
      this.parts = [this.parts.join("").slice(-KEPT)];
      this.length = KEPT;
    }
  }

  /** A line of its own. */
  note(words: string): void {
    const last = this.parts.at(-1);
    this.write(`${last === undefined || last.endsWith("\n") ? "" : "\n"}${words}\n`);
  }

  toString(): string {
    if (this.parts.length > 1) this.parts = [this.parts.join("")];
    return this.parts[0] ?? "";
  }
}
