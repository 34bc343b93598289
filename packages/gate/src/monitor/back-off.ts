const FIRST = 100;
const LONGEST = 30_000;
const HEALTHY = 60_000;

/** How long to wait before something that ended is started again: 0.1 s, then twice as long each time up to 30 s. Milliseconds. */
export class BackOff {
  #next = FIRST;

  /** The delay after a life of `lived` milliseconds; a minute of health begins the row anew. */
  after(lived: number): number {
    if (lived >= HEALTHY) this.#next = FIRST;
    const delay = this.#next;
    this.#next = Math.min(LONGEST, 2 * delay);
    return delay;
  }
}
