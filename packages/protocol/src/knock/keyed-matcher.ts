/**
 * Finds keyed knocks in what comes from everywhere. Of a source it keeps the last distinct numbers within some seconds and nothing else: there is
 * no order to break, no count of failures, no state to spoil. Whose number it is shows in a table by number.
 */
import type { UnixMicros } from '../brand.ts';
import { KEYED } from './keyed-ports.ts';
import { SourceTable } from './source-table.ts';

/** A source sent enough of a set. */
export interface KeyedEvent {
  /** The set, as it was added. */
  readonly ordinal: number;
  readonly slot: number;
  /** All numbers that are kept of the source, distinct, the oldest first: at most {@link KEYED}.ring. */
  readonly numbers: Uint16Array;
}

/** What a matcher counts by and how much it keeps. */
export interface KeyedLimits {
  /** How many of a set must be there; `KEYED.needed`. */
  readonly needed: number;
  /** Numbers that are kept of a source; `KEYED.ring`. */
  readonly ring: number;
  /** How long a number counts, in microseconds, below 2^31; `KEYED.window`. */
  readonly window: number;
  /** Sources of which numbers are kept: 6 · ring bytes and 114 more for each. */
  readonly sources: number;
  /** Sets at a time: about 600 bytes for each. */
  readonly sets: number;
}

/** The defaults: at most 16 MB for sources (16,384 of them, taken as they come), and 38 MB for sets. */
export const KEYED_LIMITS: KeyedLimits = {
  needed: KEYED.needed,
  ring: KEYED.ring,
  window: KEYED.window,
  sources: 16_384,
  sets: 65_536,
};

interface LiveSet {
  readonly ordinal: number;
  readonly slot: number;
  readonly numbers: Uint16Array;
}

const NO_EVENTS: readonly KeyedEvent[] = [];
const NUMBERS = 0x1_0000;

/**
 * Numbers in, events out.
 *
 * The numbers that are kept of a source are the last {@link KeyedLimits}.ring distinct ones of the last {@link KeyedLimits}.window microseconds; one
 * that comes again counts as new. They begin with a number that is in some set: who hits nothing is not remembered. A time before that of
 * an earlier knock of the source (the clock went back) forgets the source.
 *
 * An event comes when a packet brings a number that was not there, and enough of a set are there then; so also with each further number, for the
 * sentry does not know the set that is bound to the address, and its last number may come late. After `ring` events for one set a source draws none
 * for it before it fell below what is needed. When the monitor used up the slot, {@link KeyedMatcher.removeSet} ends them at once.
 */
export class KeyedMatcher {
  readonly #limits: KeyedLimits;
  readonly #sets = new Map<string, LiveSet>();
  readonly #owners: (LiveSet[] | undefined)[] = new Array<LiveSet[] | undefined>(NUMBERS);
  readonly #sources: SourceTable;
  /** Per place: the kept numbers with the low 32 bits of their times, the oldest first. */
  readonly #numbers: Uint16Array;
  readonly #times: Uint32Array;
  readonly #length: Uint16Array;
  readonly #newest: Float64Array;
  /** Per place, of the sets that it has enough of: how many events they drew. */
  readonly #told = new Map<number, Map<LiveSet, number>>();
  /** Which numbers a source has: those with the stamp of the look that is being taken. */
  readonly #stamps: Uint32Array = new Uint32Array(NUMBERS);
  #stamp = 0;

  /** @throws RangeError on limits that cannot be */
  constructor(limits: KeyedLimits = KEYED_LIMITS) {
    const { needed, ring, window, sources } = limits;
    if (!(needed >= 1 && needed <= ring && ring <= 0xffff && window > 0 && window < 2 ** 31))
      throw new RangeError('1 <= needed <= ring < 65,536 and a window below 2^31 µs expected');
    this.#limits = limits;
    this.#numbers = new Uint16Array(sources * ring);
    this.#times = new Uint32Array(sources * ring);
    this.#length = new Uint16Array(sources);
    this.#newest = new Float64Array(sources);
    this.#sources = new SourceTable(sources, (place) => {
      this.#length[place] = 0;
      this.#told.delete(place);
    });
  }

  /** How many sources are remembered. */
  get sources(): number {
    return this.#sources.size;
  }

  /** How many sets are live. */
  get sets(): number {
    return this.#sets.size;
  }

  /**
   * Adds the set of an ordinal in a slot, in place of the one that it had there. False: there are as many as the limit already.
   *
   * @throws RangeError if `numbers` has fewer than are needed, or one twice
   */
  addSet(ordinal: number, slot: number, numbers: Iterable<number>): boolean {
    const set: LiveSet = { ordinal, slot, numbers: Uint16Array.from(numbers) };
    if (set.numbers.length < this.#limits.needed || new Set(set.numbers).size !== set.numbers.length)
      throw new RangeError('a set of distinct numbers expected, as many as are needed');
    this.removeSet(ordinal, slot);
    if (this.#sets.size >= this.#limits.sets) return false;
    this.#sets.set(setKey(ordinal, slot), set);
    for (const number of set.numbers) (this.#owners[number] ??= []).push(set);
    return true;
  }

  /** Removes the set of an ordinal in a slot, if there is one: it was used, or its device may not come any more. */
  removeSet(ordinal: number, slot: number): void {
    const key = setKey(ordinal, slot);
    const set = this.#sets.get(key);
    if (set === undefined) return;
    this.#sets.delete(key);
    for (const number of set.numbers) {
      const rest = this.#owners[number]?.filter((owner) => owner !== set);
      this.#owners[number] = rest?.length === 0 ? undefined : rest;
    }
  }

  /** Removes all sets of slots before `slot`: they are over. */
  removeBefore(slot: number): void {
    for (const set of this.#sets.values()) if (set.slot < slot) this.removeSet(set.ordinal, set.slot);
  }

  /** Removes all sets; what is known of sources stays. */
  clearSets(): void {
    this.#sets.clear();
    this.#owners.fill(undefined);
  }

  /**
   * One knock: its source (16 bytes), its number (0 to 65,535) and when it came. Takes time for the ring and for the sets that have the number, and
   * none for how many sources and sets there are.
   */
  knock(source: Uint8Array, number: number, now: UnixMicros): readonly KeyedEvent[] {
    const owners = this.#owners[number];
    let place = this.#sources.find(source);
    if (place !== undefined) this.#expire(place, now);
    if (owners === undefined && (place === undefined || this.#length[place] === 0)) return NO_EVENTS;
    place ??= this.#sources.add(source);
    const fresh = this.#keep(place, number, now);
    const told = this.#told.get(place);
    if (!fresh || (owners === undefined && told === undefined)) return NO_EVENTS;
    return this.#judge(place, owners ?? [], told);
  }

  /** Drops what is older than the window, and everything if the clock went back. */
  #expire(place: number, now: UnixMicros): void {
    const { ring, window } = this.#limits;
    const newest = this.#newest[place] ?? 0;
    if (now < newest || now - newest > window) {
      this.#length[place] = 0;
      this.#told.delete(place);
      return;
    }
    // All times are within the window before the newest, so that 32 bits of them are enough.
    const start = place * ring;
    const length = this.#length[place] ?? 0;
    let over = 0;
    while (over < length && (now - (this.#times[start + over] ?? 0)) >>> 0 > window) over++;
    if (over > 0) this.#cut(place, 0, over);
  }

  /** Makes `number` the newest that is kept; whether it was not there. */
  #keep(place: number, number: number, now: UnixMicros): boolean {
    const { ring } = this.#limits;
    const start = place * ring;
    const length = this.#length[place] ?? 0;
    const at = this.#numbers.subarray(start, start + length).indexOf(number);
    if (at >= 0) this.#cut(place, at, 1);
    else if (length === ring) this.#cut(place, 0, 1);
    const end = this.#length[place] ?? 0;
    this.#numbers[start + end] = number;
    this.#times[start + end] = now;
    this.#newest[place] = now;
    this.#length[place] = end + 1;
    return at < 0;
  }

  #cut(place: number, at: number, count: number): void {
    const start = place * this.#limits.ring;
    const end = start + (this.#length[place] ?? 0);
    this.#numbers.copyWithin(start + at, start + at + count, end);
    this.#times.copyWithin(start + at, start + at + count, end);
    this.#length[place] = end - start - count;
  }

  /** Events for the sets that the new number is of, and for those that the source had enough of before. */
  #judge(place: number, owners: readonly LiveSet[], told: Map<LiveSet, number> | undefined): readonly KeyedEvent[] {
    const start = place * this.#limits.ring;
    const kept = this.#numbers.subarray(start, start + (this.#length[place] ?? 0));
    if (kept.length < this.#limits.needed) {
      this.#told.delete(place);
      return NO_EVENTS;
    }
    this.#stamp = (this.#stamp + 1) >>> 0;
    if (this.#stamp === 0) this.#stamps.fill(0xffff_ffff);
    for (const one of kept) this.#stamps[one] = this.#stamp;
    const events: KeyedEvent[] = [];
    for (const set of new Set([...owners, ...(told?.keys() ?? [])])) this.#judgeSet(place, set, kept, events);
    return events;
  }

  #judgeSet(place: number, set: LiveSet, kept: Uint16Array, events: KeyedEvent[]): void {
    let hits = 0;
    for (const number of set.numbers) if (this.#stamps[number] === this.#stamp) hits++;
    let told = this.#told.get(place);
    const live = this.#sets.get(setKey(set.ordinal, set.slot)) === set;
    if (hits < this.#limits.needed || !live) {
      told?.delete(set);
      if (told?.size === 0) this.#told.delete(place);
      return;
    }
    const before = told?.get(set) ?? 0;
    if (before >= this.#limits.ring) return;
    if (told === undefined) this.#told.set(place, (told = new Map<LiveSet, number>()));
    told.set(set, before + 1);
    events.push({ ordinal: set.ordinal, slot: set.slot, numbers: kept.slice() });
  }
}

function setKey(ordinal: number, slot: number): string {
  return `${ordinal}/${slot}`;
}
