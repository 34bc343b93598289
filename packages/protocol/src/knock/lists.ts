import { lazyMemory } from '../lazy-memory.ts';

/** No member: the list is empty, or ends here. */
export const NONE = -1;

/**
 * Doubly linked lists over the numbers below `members`; a number is in at most one of them. They lie in flat arrays, which take memory where
 * something is written; these count from 1, so that nothing has to be written for the lists to be empty.
 */
export class Lists {
  /** Bytes of all its arrays. */
  readonly bytes: number;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #before: Int32Array;
  readonly #after: Int32Array;

  constructor(lists: number, members: number) {
    this.#first = new Int32Array(lazyMemory(4 * lists));
    this.#last = new Int32Array(lazyMemory(4 * lists));
    this.#before = new Int32Array(lazyMemory(4 * members));
    this.#after = new Int32Array(lazyMemory(4 * members));
    this.bytes = 8 * lists + 8 * members;
  }

  /** The first member of a list, or {@link NONE}. */
  first(list: number): number {
    return (this.#first[list] ?? 0) - 1;
  }

  /** The last member of a list, or {@link NONE}. */
  last(list: number): number {
    return (this.#last[list] ?? 0) - 1;
  }

  /** The member before one in its list, or {@link NONE}. */
  before(member: number): number {
    return (this.#before[member] ?? 0) - 1;
  }

  /** The member after one in its list, or {@link NONE}. */
  after(member: number): number {
    return (this.#after[member] ?? 0) - 1;
  }

  /** Puts a number that is in no list at the end of one. */
  append(list: number, member: number): void {
    const last = this.#last[list] ?? 0;
    this.#before[member] = last;
    this.#after[member] = 0;
    if (last === 0) this.#first[list] = member + 1;
    else this.#after[last - 1] = member + 1;
    this.#last[list] = member + 1;
  }

  /** Takes a member out of its list. */
  take(list: number, member: number): void {
    const before = this.#before[member] ?? 0;
    const after = this.#after[member] ?? 0;
    if (before === 0) this.#first[list] = after;
    else this.#after[before - 1] = after;
    if (after === 0) this.#last[list] = before;
    else this.#before[after - 1] = before;
  }

  /** Moves a member to the end of its list. */
  toEnd(list: number, member: number): void {
    if (this.last(list) === member) return;
    this.take(list, member);
    this.append(list, member);
  }
}
