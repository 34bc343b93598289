/** For tests only: what keyed knocking looks for, said a second time. Everything is kept and looked through again with each knock. */
import { toHex } from '../bytes.ts';
import type { KeyedEvent, KeyedLimits } from '../knock/keyed-matcher.ts';

interface Past {
  readonly number: number;
  readonly at: number;
  /** Whether it was in a set when it came. */
  readonly hit: boolean;
}

interface SlowSet {
  readonly ordinal: number;
  readonly slot: number;
  readonly numbers: readonly number[];
  /** How often each source was told of. */
  readonly told: Map<string, number>;
}

/** The slow twin of `KeyedMatcher`, without any limit on sources. */
export class SlowKeyed {
  readonly #limits: KeyedLimits;
  readonly #past = new Map<string, Past[]>();
  #sets: SlowSet[] = [];

  constructor(limits: KeyedLimits) {
    this.#limits = limits;
  }

  addSet(ordinal: number, slot: number, numbers: readonly number[]): void {
    this.removeSet(ordinal, slot);
    this.#sets.push({ ordinal, slot, numbers, told: new Map<string, number>() });
  }

  removeSet(ordinal: number, slot: number): void {
    this.#sets = this.#sets.filter((set) => set.ordinal !== ordinal || set.slot !== slot);
  }

  knock(source: Uint8Array, number: number, at: number): KeyedEvent[] {
    const name = toHex(source);
    const past = this.#past.get(name) ?? [];
    this.#past.set(name, past);
    const before = this.#kept(past, at);
    past.push({ number, at, hit: this.#sets.some(({ numbers }) => numbers.includes(number)) });
    const kept = this.#kept(past, at);
    if (kept.length === 0 || before.length === 0) for (const { told } of this.#sets) told.delete(name);
    if (kept.length === 0 || before.includes(number)) return [];
    return this.#sets.flatMap(({ ordinal, slot, numbers, told }) => {
      if (numbers.filter((one) => kept.includes(one)).length < this.#limits.needed) told.delete(name);
      else if (!numbers.includes(number) && !told.has(name)) return [];
      else if ((told.get(name) ?? 0) < this.#limits.ring) {
        told.set(name, (told.get(name) ?? 0) + 1);
        return [{ ordinal, slot, numbers: Uint16Array.from(kept) }];
      }
      return [];
    });
  }

  /** The last distinct numbers within the window, the oldest first. */
  #kept(past: readonly Past[], now: number): number[] {
    const { window, ring } = this.#limits;
    const over = (from: number, to: number): boolean => to < from || to - from > window;
    let remembered: Past[] = [];
    for (const one of past) {
      const last = remembered.at(-1);
      if (last !== undefined && over(last.at, one.at)) remembered = [];
      if (remembered.length > 0 || one.hit) remembered.push(one);
    }
    const newest = remembered.at(-1);
    if (newest !== undefined && over(newest.at, now)) return [];
    const kept: number[] = [];
    for (const { number, at } of remembered.toReversed())
      if (now - at <= window && !kept.includes(number)) kept.push(number);
    return kept.slice(0, ring).reverse();
  }
}
