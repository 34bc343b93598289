import { ADDRESS_SIZE, ByteTable, lazyMemory, NOWHERE } from '@postern/protocol';

/** A rate with a burst: `burst` at once, then `rate` a second. */
export interface Rate {
  readonly burst: number;
  readonly rate: number;
}

/**
 * Rations public-key work: for everybody together, and for each prefix of sources. Whoever exceeds the ration of its prefix takes nothing
 * from the others'. Every call costs the same however many prefixes there are, and memory is bounded without ever forgetting
 * somebody who still owes: a prefix that rested for `prefix.burst / prefix.rate` seconds owes nothing, and in that time the ration for
 * everybody admits fewer prefixes than there is room for.
 *
 * Each bucket is one number, the time at which it is full again (GCRA: ITU-T I.371, "theoretical arrival time").
 */
export class Budget {
  /** The most prefixes that are remembered. */
  readonly capacity: number;
  /** Bytes that it takes when so many are. */
  readonly bytes: number;
  readonly #total: Bucket;
  readonly #prefix: Bucket;
  readonly #places: ByteTable;
  /** Time at which the bucket is full again, by place. */
  readonly #full: Float64Array;
  #totalFull = 0;
  #last = 0;

  /** @param keySize - bytes of the longest prefix */
  constructor(total: Rate, prefix: Rate, keySize: number = ADDRESS_SIZE) {
    this.#total = bucketOf(total);
    this.#prefix = bucketOf(prefix);
    this.capacity = Math.ceil(total.burst + (total.rate * prefix.burst) / prefix.rate) + 1;
    this.#places = new ByteTable(this.capacity, keySize);
    this.#full = new Float64Array(lazyMemory(8 * this.capacity));
    this.bytes = this.#places.bytes + this.#full.byteLength;
  }

  /** How many prefixes are remembered. */
  get size(): number {
    return this.#places.size;
  }

  /** Whether there are `units` left for `prefix` at `now`; takes nothing. */
  has(prefix: Uint8Array, now: number, units = 1): boolean {
    return this.#look(prefix, now, units) !== undefined;
  }

  /**
   * Takes `units` for `prefix` at `now` (microseconds). False, and nothing taken, when there are not so many left.
   * @param prefix - an address with zeros after its prefix, or what else is rationed
   */
  take(prefix: Uint8Array, now: number, units = 1): boolean {
    const left = this.#look(prefix, now, units);
    if (left === undefined) return false;
    const { place, total, own } = left;
    this.#totalFull = total;
    if (place !== NOWHERE) this.#places.touch(place);
    this.#full[place === NOWHERE ? this.#places.add(prefix) : place] = own;
    return true;
  }

  #look(
    prefix: Uint8Array,
    now: number,
    units: number,
  ): { readonly place: number; readonly total: number; readonly own: number } | undefined {
    if (now < this.#last) this.#forget();
    this.#last = now;
    const place = this.#places.find(prefix);
    const total = after(this.#totalFull, this.#total, now, units);
    const own = after(place === NOWHERE ? 0 : (this.#full[place] ?? 0), this.#prefix, now, units);
    return total === undefined || own === undefined ? undefined : { place, total, own };
  }

  /** The clock went back: what was counted against the old one would lock everybody out until it is that time again. */
  #forget(): void {
    this.#totalFull = 0;
    this.#places.clear();
  }
}

interface Bucket {
  /** Microseconds that one unit takes to come back. */
  readonly interval: number;
  /** How far in the future the bucket may be full again, in microseconds, before a unit is taken. */
  readonly limit: number;
}

function bucketOf({ burst, rate }: Rate): Bucket {
  const interval = 1_000_000 / rate;
  return { interval, limit: (burst - 1) * interval };
}

/** When the bucket is full again if so many units are taken now; undefined if there are fewer. More than it holds are as many as it holds. */
function after(full: number, { interval, limit }: Bucket, now: number, units: number): number | undefined {
  const start = Math.max(full, now);
  const taken = Math.min(units * interval, limit + interval);
  return start - now + taken - interval > limit ? undefined : start + taken;
}
