/**
 * Tells those who wait that it is over: what `AbortSignal` does, without the millisecond that Node takes to load it, and without what
 * `AbortSignal.any` leaves behind, which no start-up snapshot can hold.
 */
export class Stop implements Disposable {
  readonly #listeners = new Set<() => void>();
  readonly #leave: (() => void) | undefined;
  #stopped = false;

  /** @param outer - when that stops, this does */
  constructor(outer?: Stop) {
    this.#stopped = outer?.stopped ?? false;
    this.#leave = outer?.whenStopped(() => {
      this.stop();
    });
  }

  /** Whether it is over. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Runs `listener` once, when it stops; returns what takes that back. */
  whenStopped(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Tells all. The second time tells nobody. */
  stop(): void {
    this.#stopped = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  /** Stops, and forgets the outer one. */
  [Symbol.dispose](): void {
    this.#leave?.();
    this.stop();
  }
}
