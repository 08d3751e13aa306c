/** Every run that is known, newest first, and who wants to hear of changes. */

import { Run } from "./run";
import { Throttle, type Timer } from "./throttle";
import type { NewsEvent, RunLine } from "./wire";

export interface Change {
  /**
   * The runs that changed; null: which runs there are. Of each run the seats that alone changed; null:
   * more than that.
   */
  readonly runs: ReadonlyMap<string, ReadonlySet<string> | null> | null;
}

/** Milliseconds between two updates of those who draw; VS Code draws no tree more often. */
const PAUSE = 200;
/** The same while nothing happens but what agents at work do all the time: nobody reads it faster. */
const CHATTER = 500;
const CHATS: ReadonlySet<string> = new Set(["agent_acted", "usage_reported"]);

export class Runs {
  private readonly byId = new Map<string, Run>();
  private readonly listeners = new Set<(change: Change) => void>();
  private readonly facts = new Set<(event: NewsEvent, run: Run) => void>();
  private readonly noise = new Set<(run: Run) => void>();
  private dirty = new Map<string, Set<string> | null>();
  private structure = false;
  private readonly throttle: Throttle;
  /** Events that this window missed because it read too slowly. */
  lost = 0;

  constructor(timer: Timer) {
    this.throttle = new Throttle(timer, () => this.tell());
  }

  get all(): Run[] {
    return [...this.byId.values()].sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
  }

  get running(): Run[] {
    return [...this.byId.values()].filter((run) => run.running);
  }

  get(id: string): Run | undefined {
    return this.byId.get(id);
  }

  /** Hears of changes, five times a second at most, with all that changed since. */
  onChange(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Hears every fact at once. */
  onFact(listener: (event: NewsEvent, run: Run) => void): () => void {
    this.facts.add(listener);
    return () => this.facts.delete(listener);
  }

  /** Hears that a seat's log grew. */
  onNoise(listener: (run: Run) => void): () => void {
    this.noise.add(listener);
    return () => this.noise.delete(listener);
  }

  take(event: NewsEvent): void {
    if (event.kind === "gap") {
      this.lost += typeof event["lost"] === "number" ? event["lost"] : 1;
      for (const run of this.running) run.whole = false;
      this.touch(null);
      return;
    }
    if (!event.run) return;
    const run = this.at(event.run);
    if (run.take(event)) {
      for (const listener of this.noise) listener(run);
      return;
    }
    for (const listener of this.noise) listener(run);
    for (const listener of this.facts) listener(event, run);
    if (CHATS.has(event.kind) && typeof event["seat"] === "string") this.chat(run.id, event["seat"]);
    else this.touch(run.id);
  }

  /**
   * Takes the list of runs; those whose events are known are better known already. Of a run of another
   * program no events come: that it is over is only learned here.
   */
  seed(lines: readonly RunLine[]): void {
    for (const line of lines) {
      const known = this.byId.get(line.run);
      if (!known || (known.running && !known.whole)) this.at(line.run).line(line);
    }
    this.touch(null);
  }

  /** The server is gone: what was going on is over, as far as anybody knows. */
  cut(): void {
    for (const run of this.running) {
      run.outcome = "interrupted";
      run.whole = false;
      for (const seat of run.seats.values()) if (seat.phase === "working") seat.phase = "ended";
    }
    this.touch(null);
  }

  /** Something about a run was changed from outside. */
  touch(id: string | null): void {
    if (id === null) this.structure = true;
    else this.dirty.set(id, null);
    this.throttle.call(PAUSE);
  }

  /** A seat goes on with what it does. */
  private chat(id: string, seat: string): void {
    const seats = this.dirty.get(id);
    if (seats === undefined) this.dirty.set(id, new Set([seat]));
    else seats?.add(seat);
    this.throttle.call(CHATTER);
  }

  private at(id: string): Run {
    let run = this.byId.get(id);
    if (!run) {
      run = new Run(id);
      this.byId.set(id, run);
      this.structure = true;
    }
    return run;
  }

  private tell(): void {
    const change: Change = { runs: this.structure ? null : this.dirty };
    this.structure = false;
    this.dirty = new Map();
    for (const listener of this.listeners) listener(change);
  }
}
