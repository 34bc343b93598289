/** For tests and simulations only: numbers that look random and are the same for the same seed (xoshiro128**, by Blackman and Vigna). */
export class Dice {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    // splitmix32, so that no seed gives a state of zeros.
    this.#state = Uint32Array.from({ length: 4 }, (_, at) => {
      let z = (seed + 0x9e37_79b9 * (at + 1)) >>> 0;
      z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
      return (z ^ (z >>> 15)) >>> 0;
    });
  }

  /** In [0, 1). */
  unit(): number {
    return this.#word() / 2 ** 32;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** Mixes `items` in place. */
  shuffle<T>(items: T[]): T[] {
    for (let at = items.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      const [a, b] = [items[at], items[other]];
      if (a !== undefined && b !== undefined) [items[at], items[other]] = [b, a];
    }
    return items;
  }

  #word(): number {
    const s = this.#state;
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
    const rotate = (x: number, n: number): number => ((x << n) | (x >>> (32 - n))) >>> 0;
    const word = Math.imul(rotate(Math.imul(s1, 5) >>> 0, 7), 9) >>> 0;
    const t = (s1 << 9) >>> 0;
    const x2 = s2 ^ s0;
    const x3 = s3 ^ s1;
    s[1] = s1 ^ x2;
    s[0] = s0 ^ x3;
    s[2] = x2 ^ t;
    s[3] = rotate(x3 >>> 0, 11);
    return word;
  }
}
