/** How long things took the last time, in milliseconds: for the measurements. */

export interface Measured {
  /** From the wish for a task to the progress that shows it. */
  shown: number | undefined;
  /** From the wish to the server's first word. */
  progress: number | undefined;
  /** From the wish to see a candidate to VS Code being told what to show. */
  told: number | undefined;
  /** The longest that VS Code has waited for a text of it since. */
  waited: number;
}

export const measured: Measured = { shown: undefined, progress: undefined, told: undefined, waited: 0 };
