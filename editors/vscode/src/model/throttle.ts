/** Work at most once in a while: the first call at once, what comes meanwhile together. */

export interface Timer {
  now(): number;
  later(milliseconds: number, call: () => void): void;
}

export const realTimer: Timer = {
  now: () => performance.now(),
  later: (milliseconds, call) => void setTimeout(call, milliseconds),
};

export class Throttle {
  private last = Number.NEGATIVE_INFINITY;
  private due = Number.POSITIVE_INFINITY;

  constructor(
    private readonly timer: Timer,
    private readonly work: () => void,
  ) {}

  /** Has the work done, so many milliseconds after the last time at the earliest. */
  call(pause: number): void {
    const now = this.timer.now();
    const at = Math.max(this.last + pause, now);
    if (at >= this.due) return;
    this.due = at;
    if (at === now) return this.run();
    this.timer.later(at - now, () => {
      if (this.due === at) this.run(); // else somebody could not wait so long
    });
  }

  private run(): void {
    this.last = this.timer.now();
    this.due = Number.POSITIVE_INFINITY;
    this.work();
  }
}
