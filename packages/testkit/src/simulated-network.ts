/** A clock and a network in memory: a second of theirs takes no time of ours, and the same seed gives the same world. */

/** A source of numbers in [0, 1), the same for the same seed (mulberry32). Not for keys of anything real. */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Bytes from such numbers. */
export function seededBytes(number: () => number): (size: number) => Uint8Array {
  return (size) => Uint8Array.from({ length: size }, () => Math.floor(number() * 256));
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when nothing else is left to do. In milliseconds since the start. */
export class SimulatedClock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** Milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  /** Calls `run` when `milliseconds` have passed; the function that is returned prevents it. */
  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#now + milliseconds, order: this.#order++, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Lets time pass until `promise` is settled, and returns its value. Throws if it waits for something that never happens. */
  async run<T>(promise: Promise<T>): Promise<T> {
    const ended = { yet: false };
    const end = (): void => {
      ended.yet = true;
    };
    promise.then(end, end);
    for (;;) {
      // Everything that needs no time comes first.
      await new Promise((resolve) => setImmediate(resolve));
      if (ended.yet) return promise;
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
          next = timer;
      }
      if (next === undefined) throw new Error('the simulation stands still: what it waits for can never happen');
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
  }

  /** Lets `milliseconds` pass. */
  async pass(milliseconds: number): Promise<void> {
    await this.run(
      new Promise<void>((resolve) => {
        this.after(milliseconds, resolve);
      }),
    );
  }
}

/** How a way treats each datagram, each on its own. */
export interface Weather {
  /** Milliseconds one way. */
  readonly delay: number;
  /** Up to so many milliseconds more, evenly spread: datagrams overtake each other. */
  readonly jitter: number;
  /** Share of datagrams that are lost, 0 to 1. */
  readonly loss: number;
  /** Share of datagrams that arrive twice. */
  readonly duplication: number;
}

/** Nothing is lost and nothing takes time. */
export const FAIR_WEATHER: Weather = { delay: 0, jitter: 0, loss: 0, duplication: 0 };

/** Carries datagrams through any weather. */
export class SimulatedNetwork {
  weather: Weather = FAIR_WEATHER;
  /** Datagrams that were handed over, lost ones included. */
  carried = 0;
  readonly #clock: SimulatedClock;
  readonly #number: () => number;

  constructor(clock: SimulatedClock, number: () => number) {
    this.#clock = clock;
    this.#number = number;
  }

  /** Takes one datagram; `arrive` is called as often as it arrives. */
  carry(datagram: Uint8Array, arrive: (datagram: Uint8Array) => void): void {
    const { delay, jitter, loss, duplication } = this.weather;
    this.carried++;
    if (this.#number() < loss) return;
    const copies = this.#number() < duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#clock.after(delay + jitter * this.#number(), () => {
        arrive(datagram.slice());
      });
    }
  }
}
