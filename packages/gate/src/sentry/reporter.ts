import { REFUSALS, type Refusal } from '@postern/protocol';
import { KNOCK_COUNTERS } from '../line/frame.ts';

/** At least this long between two reports, in milliseconds. */
export const REPORT_SPACING = 1_000;

/** A report is due after this long even when nothing happened: it is the sentry's sign of life. Milliseconds. */
export const SIGN_OF_LIFE = 10_000;

const INDEX: ReadonlyMap<Refusal, number> = new Map(REFUSALS.map((refusal, index) => [refusal, index]));

/** Counts refusals and says when to report them. Times are milliseconds of a clock that never goes back. */
export class Reporter {
  /** Refusals since the start, by index in REFUSALS; they wrap. */
  readonly counters: Uint32Array = new Uint32Array(REFUSALS.length);
  /** Port knocks since the start, by index in KNOCK_COUNTERS; they wrap. */
  readonly knocks: Uint32Array = new Uint32Array(KNOCK_COUNTERS.length);
  #changed = false;
  #last: number;

  constructor(now: number) {
    this.#last = now;
  }

  /** Counts one refusal. */
  count(refusal: Refusal): void {
    const index = INDEX.get(refusal) ?? 0;
    this.counters[index] = (this.counters[index] ?? 0) + 1;
    this.#changed = true;
  }

  /** Counts something of port knocks. */
  countKnock(what: (typeof KNOCK_COUNTERS)[number]): void {
    const index = KNOCK_COUNTERS.indexOf(what);
    this.knocks[index] = (this.knocks[index] ?? 0) + 1;
    this.#changed = true;
  }

  /** Milliseconds until a report is due; 0 when it is. */
  due(now: number): number {
    return Math.max(0, this.#last + (this.#changed ? REPORT_SPACING : SIGN_OF_LIFE) - now);
  }

  /** A report was sent. */
  reported(now: number): void {
    this.#last = now;
    this.#changed = false;
  }

  /** The line was full: the next try is due after the usual time. */
  postponed(now: number): void {
    this.#last = now;
  }
}
