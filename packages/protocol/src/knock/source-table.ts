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
import { ADDRESS_SIZE, familyOf, writeBlock } from '../address.ts';
import { ByteTable, NOWHERE } from '../byte-table.ts';
import { lazyMemory } from '../lazy-memory.ts';
import { Lists, NONE } from './lists.ts';

/** So many sources of one prefix are never held against it. */
export const FAIR_SHARE = 8;

/** Bits of a prefix that counts as one sender. */
export const SENDER_PREFIX = { 4: 24, 6: 56 } as const;

/** Sources by address, in flat arrays of a fixed size: 104 to 112 bytes for each place, taken as the places are, and none of V8's heap. */
export class SourceTable {
  readonly capacity: number;
  /** Bytes that it takes when all places are taken. */
  readonly bytes: number;
  /** By address; in the order in which they were heard. */
  readonly #places: ByteTable;
  /** Group of each place. */
  readonly #group: Int32Array;
  /** The sources of each group, the one heard last at the end. */
  readonly #inGroup: Lists;
  /** By prefix, and as many as there are places. */
  readonly #groups: ByteTable;
  readonly #size: Int32Array;
  /** Groups by their number of sources. */
  readonly #bySize: Lists;
  #largest = 0;
  readonly #prefix = new Uint8Array(ADDRESS_SIZE);
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
    this.#places = new ByteTable(capacity, ADDRESS_SIZE);
    this.#group = new Int32Array(lazyMemory(4 * capacity));
    this.#inGroup = new Lists(capacity, capacity);
    this.#groups = new ByteTable(capacity, ADDRESS_SIZE);
    this.#size = new Int32Array(lazyMemory(4 * capacity));
    this.#bySize = new Lists(capacity + 1, capacity);
    this.bytes =
      this.#places.bytes +
      this.#groups.bytes +
      this.#inGroup.bytes +
      this.#bySize.bytes +
      this.#group.byteLength +
      this.#size.byteLength;
  }

  /** How many sources have a place. */
  get size(): number {
    return this.#places.size;
  }

  /** Place of a source that has one, or undefined. The source was heard just now. */
  find(source: Uint8Array): number | undefined {
    const place = this.#places.find(source);
    if (place === NOWHERE) return undefined;
    this.#places.touch(place);
    this.#inGroup.toEnd(this.#group[place] ?? 0, place);
    return place;
  }

  /** A place for a source that has none; may take it from another. */
  add(source: Uint8Array): number {
    // IPv4 lies in one IPv6 /96, so that no two families have a prefix in common.
    writeBlock(source, SENDER_PREFIX[familyOf(source)], this.#prefix);
    if (this.size >= this.capacity) this.evict();
    const place = this.#places.add(source);
    const known = this.#groups.find(this.#prefix);
    const group = known === NOWHERE ? this.#groups.add(this.#prefix) : known;
    this.#group[place] = group;
    this.#inGroup.append(group, place);
    this.#resize(group, 1);
    return place;
  }

  /** Gives up a place. */
  remove(place: number): void {
    if (!this.#places.remove(place)) return;
    const group = this.#group[place] ?? 0;
    this.#inGroup.take(group, place);
    this.#resize(group, -1);
    this.#forget(place);
  }

  /** Takes the place of the source whose turn it is (see above). */
  evict(): void {
    const fullest = this.#largest > FAIR_SHARE ? this.#bySize.first(this.#largest) : NONE;
    this.remove(fullest === NONE ? this.#places.oldest : this.#inGroup.first(fullest));
  }

  #resize(group: number, by: 1 | -1): void {
    const before = this.#size[group] ?? 0;
    const after = before + by;
    this.#size[group] = after;
    if (before > 0) this.#bySize.take(before, group);
    if (after > 0) this.#bySize.append(after, group);
    if (after > this.#largest) this.#largest = after;
    else if (before === this.#largest && this.#bySize.first(before) === NONE) this.#largest = after;
    if (after === 0) this.#groups.remove(group);
  }
}
