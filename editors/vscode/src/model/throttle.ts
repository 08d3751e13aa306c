/** Calls at most once in a while: the first at once, what comes meanwhile together at its end. */

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
  private waiting = false;

  constructor(
    private readonly pause: number,
    private readonly timer: Timer,
    private readonly work: () => void,
  ) {}

  call(): void {
    if (this.waiting) return;
    const left = this.last + this.pause - this.timer.now();
    if (left <= 0) {
      this.run();
      return;
    }
    this.waiting = true;
    this.timer.later(left, () => {
      this.waiting = false;
      this.run();
    });
  }

  private run(): void {
    this.last = this.timer.now();
    this.work();
  }
}
