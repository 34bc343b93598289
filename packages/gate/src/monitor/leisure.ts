import { performance } from 'node:perf_hooks';

/** Work in steps of some microseconds each, a millisecond at most. What it gives meanwhile is for whoever else takes its steps. */
export type Steps<T> = Iterator<unknown, T, undefined>;

/** How long work may hold up the event loop at a time, in milliseconds. */
const PIECE = 1;

/**
 * Does long work in pieces, between which requests are served: one piece in each turn of the event loop, whoever's it is. What it looks at may change
 * between two steps. Work that is not finished when this is disposed never is.
 */
export class Leisure implements Disposable {
  readonly #now: () => number;
  /** Each does one piece; true when there is more to do. */
  #waiting: (() => boolean)[] = [];
  #turn: NodeJS.Immediate | undefined;
  #disposed = false;

  /** @param now - milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Does work, from the next turn of the event loop on. Rejects with what a step throws. */
  run<T>(steps: Steps<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        const end = this.#now() + PIECE;
        try {
          do {
            const step = steps.next();
            if (step.done === true) {
              resolve(step.value);
              return false;
            }
          } while (this.#now() < end);
          return true;
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          return false;
        }
      });
      this.#wait();
    });
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#waiting = [];
    clearImmediate(this.#turn);
  }

  #wait(): void {
    if (this.#disposed || this.#turn !== undefined || this.#waiting.length === 0) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      const piece = this.#waiting.shift();
      if (piece?.() === true) this.#waiting.push(piece);
      this.#wait();
    });
  }
}

/** Takes all steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
