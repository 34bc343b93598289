/**
 * Which sources are remembered, when only so many can be. Each source has a place, a number below the capacity, for which the owner of the
 * table keeps what it likes. When all places are taken, one is taken from somebody:
 *
 * - from the prefix (/24, /56) with the most sources, if those are more than {@link FAIR_SHARE}: the one of them that was not heard for
 *   longest;
 * - otherwise from the source that was not heard for longest.
 *
 * So a flood from one prefix pushes out itself, and a flood from many prefixes a source only after as many others as there are places were
 * heard since its last packet. Every operation takes the same time however many sources there are.
 */
import { familyOf, fullPrefix, prefixKey } from '../address.ts';

/** So many sources of one prefix are never held against it. */
export const FAIR_SHARE = 8;

/** Bits of a prefix that counts as one sender. */
export const SENDER_PREFIX = { 4: 24, 6: 56 } as const;

const NONE = -1;

/** Sources by address, with bounded memory: at most about 500 bytes for each place, taken as the places are. */
export class SourceTable {
  readonly capacity: number;
  readonly #places = new Map<string, number>();
  readonly #keys: (string | undefined)[] = [];
  readonly #free: number[] = [];
  /** Group of each place. Groups are numbered like places. */
  readonly #group: Int32Array;
  /** All sources, and the sources of each group, the one heard last at the end. */
  readonly #all: Lists;
  readonly #inGroup: Lists;
  readonly #groups = new Map<string, number>();
  readonly #groupKeys: (string | undefined)[] = [];
  readonly #freeGroups: number[] = [];
  readonly #size: Int32Array;
  /** Groups by their number of sources. */
  readonly #bySize: Lists;
  #largest = 0;
  readonly #forget: (place: number) => void;

  /**
   * @param forget told of each place that is taken from its source, or given up
   * @throws RangeError if the capacity is no integer in [1, 2^20]
   */
  constructor(capacity: number, forget: (place: number) => void = () => undefined) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 0x10_0000)
      throw new RangeError('a capacity of 1 to 1,048,576 sources expected');
    this.capacity = capacity;
    this.#forget = forget;
    this.#group = new Int32Array(capacity);
    this.#size = new Int32Array(capacity);
    this.#all = new Lists(1, capacity);
    this.#inGroup = new Lists(capacity, capacity);
    this.#bySize = new Lists(capacity + 1, capacity);
  }

  /** How many sources have a place. */
  get size(): number {
    return this.#places.size;
  }

  /** Place of a source that has one, or undefined. The source was heard just now. */
  find(source: Uint8Array): number | undefined {
    const place = this.#places.get(keyOf(source));
    if (place !== undefined) this.#heard(place);
    return place;
  }

  /** A place for a source that has none; may take it from another. */
  add(source: Uint8Array): number {
    if (this.#places.size >= this.capacity) this.evict();
    const place = this.#free.pop() ?? this.#places.size;
    const key = keyOf(source);
    const group = this.#groupOf(prefixKey(source, SENDER_PREFIX[familyOf(source)]));
    this.#places.set(key, place);
    this.#keys[place] = key;
    this.#group[place] = group;
    this.#all.append(0, place);
    this.#inGroup.append(group, place);
    this.#resize(group, 1);
    return place;
  }

  /** Gives up a place. */
  remove(place: number): void {
    const key = this.#keys[place];
    if (key === undefined) return;
    this.#places.delete(key);
    this.#keys[place] = undefined;
    const group = this.#group[place] ?? 0;
    this.#all.take(0, place);
    this.#inGroup.take(group, place);
    this.#resize(group, -1);
    this.#free.push(place);
    this.#forget(place);
  }

  /** Takes the place of the source whose turn it is (see above). */
  evict(): void {
    const fullest = this.#largest > FAIR_SHARE ? this.#bySize.first(this.#largest) : NONE;
    this.remove(fullest === NONE ? this.#all.first(0) : this.#inGroup.first(fullest));
  }

  #heard(place: number): void {
    const group = this.#group[place] ?? 0;
    this.#all.toEnd(0, place);
    this.#inGroup.toEnd(group, place);
  }

  #groupOf(key: string): number {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = this.#freeGroups.pop() ?? this.#groups.size;
    this.#groups.set(key, group);
    this.#groupKeys[group] = key;
    this.#size[group] = 0;
    return group;
  }

  #resize(group: number, by: 1 | -1): void {
    const before = this.#size[group] ?? 0;
    const after = before + by;
    this.#size[group] = after;
    if (before > 0) this.#bySize.take(before, group);
    if (after > 0) this.#bySize.append(after, group);
    if (after > this.#largest) this.#largest = after;
    else if (before === this.#largest && this.#bySize.first(before) === NONE) this.#largest = after;
    if (after > 0) return;
    const key = this.#groupKeys[group];
    if (key !== undefined) this.#groups.delete(key);
    this.#groupKeys[group] = undefined;
    this.#freeGroups.push(group);
  }
}

/** Doubly linked lists over the numbers below `members`; a number is in at most one of them. */
class Lists {
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #before: Int32Array;
  readonly #after: Int32Array;

  constructor(lists: number, members: number) {
    this.#first = new Int32Array(lists).fill(NONE);
    this.#last = new Int32Array(lists).fill(NONE);
    this.#before = new Int32Array(members);
    this.#after = new Int32Array(members);
  }

  /** The first member, or {@link NONE}. */
  first(list: number): number {
    return this.#first[list] ?? NONE;
  }

  append(list: number, member: number): void {
    const last = this.#last[list] ?? NONE;
    this.#before[member] = last;
    this.#after[member] = NONE;
    if (last === NONE) this.#first[list] = member;
    else this.#after[last] = member;
    this.#last[list] = member;
  }

  take(list: number, member: number): void {
    const before = this.#before[member] ?? NONE;
    const after = this.#after[member] ?? NONE;
    if (before === NONE) this.#first[list] = after;
    else this.#after[before] = after;
    if (after === NONE) this.#last[list] = before;
    else this.#before[after] = before;
  }

  toEnd(list: number, member: number): void {
    if (this.#last[list] === member) return;
    this.take(list, member);
    this.append(list, member);
  }
}

function keyOf(source: Uint8Array): string {
  return prefixKey(source, fullPrefix(familyOf(source)));
}
