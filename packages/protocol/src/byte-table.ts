import { freshHashKey } from './crypto.ts';
import { halfSipHash24 } from './halfsiphash.ts';
import { lazyMemory } from './lazy-memory.ts';

/** No place: the key is not there. */
export const NOWHERE = -1;

/** In the order of use: the place was given up. */
const FREE = -1;

/**
 * A table from keys of one size to places, which are numbers below the capacity, and their order of use. It consists of a few flat arrays of a fixed
 * size: nothing that comes in is kept on V8's heap, where strangers' keys would outlive many collections, and the kernel gives a page of memory only
 * once something was written to it. When all places are taken, a new key takes that of the key that was not used for longest. What belongs to a key,
 * the owner of the table keeps in arrays of its own, by place. Every call takes the same time however many keys there are; only `clear` does not.
 */
export class ByteTable {
  readonly capacity: number;
  readonly keySize: number;
  /** Bytes of all its arrays. */
  readonly bytes: number;
  /** Who chooses keys must not know which of them fall together. */
  readonly #hashKey = freshHashKey();
  readonly #keys: Uint8Array;
  /** A copy of a key that is there. */
  readonly #copy: Uint8Array;
  /** First place of each chain of keys that fall together, and the next one in its chain. These and the order count places from 1; 0 is the end. */
  readonly #chains: Int32Array;
  readonly #next: Int32Array;
  /** The place that was used before each, or {@link FREE}, and after it. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = 0;
  #newest = 0;
  /** Places that were given up, chained by `#next`, and how many were ever taken: those after them are free too. */
  #free = 0;
  #used = 0;
  #size = 0;

  /** @throws RangeError if the capacity is no integer in [1, 2^24], or a key is not of 1 to 64 bytes */
  constructor(capacity: number, keySize: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 0x100_0000)
      throw new RangeError('a capacity of 1 to 16,777,216 keys expected');
    if (!Number.isInteger(keySize) || keySize < 1 || keySize > 64)
      throw new RangeError('keys of 1 to 64 bytes expected');
    this.capacity = capacity;
    this.keySize = keySize;
    this.#keys = new Uint8Array(lazyMemory(capacity * keySize));
    this.#copy = new Uint8Array(keySize);
    this.#chains = new Int32Array(lazyMemory(4 * 2 ** Math.ceil(Math.log2(capacity))));
    this.#next = new Int32Array(lazyMemory(4 * capacity));
    this.#older = new Int32Array(lazyMemory(4 * capacity));
    this.#newer = new Int32Array(lazyMemory(4 * capacity));
    this.bytes = [this.#keys, this.#chains, this.#next, this.#older, this.#newer].reduce(
      (sum, { byteLength }) => sum + byteLength,
      0,
    );
  }

  /** How many keys are there. */
  get size(): number {
    return this.#size;
  }

  /** Place of the key that was not used for longest, or {@link NOWHERE}. */
  get oldest(): number {
    return this.#oldest - 1;
  }

  /** Place of a key, or {@link NOWHERE}. A shorter key ends in zeros. @throws RangeError on a longer one */
  find(key: Uint8Array): number {
    this.#mustFit(key);
    for (let place = this.#chains[this.#chainOf(key)] ?? 0; place !== 0; place = this.#next[place - 1] ?? 0)
      if (this.#has(place, key)) return place - 1;
    return NOWHERE;
  }

  /** A place for a key that has none; it was used just now. When all were taken, it is that of another, which has none any more. */
  add(key: Uint8Array): number {
    this.#mustFit(key);
    if (this.#size === this.capacity) this.remove(this.oldest);
    const place = this.#takeFree();
    const start = (place - 1) * this.keySize;
    this.#keys.set(key, start);
    this.#keys.fill(0, start + key.length, start + this.keySize);
    const chain = this.#chainOf(key);
    this.#next[place - 1] = this.#chains[chain] ?? 0;
    this.#chains[chain] = place;
    this.#append(place);
    return place - 1;
  }

  /** The key at a place was used just now. */
  touch(at: number): void {
    const place = at + 1;
    if (place === this.#newest) return;
    this.#unlink(place);
    this.#append(place);
  }

  /** Forgets the key at a place, which is free then. False: there is none. */
  remove(at: number): boolean {
    const place = at + 1;
    if (place < 1 || place > this.#used || this.#older[at] === FREE) return false;
    this.#unchain(place);
    this.#unlink(place);
    this.#older[at] = FREE;
    this.#next[at] = this.#free;
    this.#free = place;
    this.#size--;
    return true;
  }

  /** Forgets all keys. */
  clear(): void {
    if (this.#used === 0) return;
    this.#chains.fill(0);
    this.#oldest = this.#newest = this.#free = this.#used = this.#size = 0;
  }

  /** A place without a key; there is one. */
  #takeFree(): number {
    this.#size++;
    const place = this.#free;
    if (place === 0) return ++this.#used;
    this.#free = this.#next[place - 1] ?? 0;
    return place;
  }

  #unchain(place: number): void {
    const start = (place - 1) * this.keySize;
    for (let at = 0; at < this.keySize; at++) this.#copy[at] = this.#keys[start + at] ?? 0;
    const chain = this.#chainOf(this.#copy);
    const next = this.#next[place - 1] ?? 0;
    if (this.#chains[chain] === place) this.#chains[chain] = next;
    else {
      let before = this.#chains[chain] ?? 0;
      while (before !== 0 && this.#next[before - 1] !== place) before = this.#next[before - 1] ?? 0;
      this.#next[before - 1] = next;
    }
  }

  #append(place: number): void {
    this.#older[place - 1] = this.#newest;
    this.#newer[place - 1] = 0;
    if (this.#newest === 0) this.#oldest = place;
    else this.#newer[this.#newest - 1] = place;
    this.#newest = place;
  }

  #unlink(place: number): void {
    const older = this.#older[place - 1] ?? 0;
    const newer = this.#newer[place - 1] ?? 0;
    if (older === 0) this.#oldest = newer;
    else this.#newer[older - 1] = newer;
    if (newer === 0) this.#newest = older;
    else this.#older[newer - 1] = older;
  }

  #has(place: number, key: Uint8Array): boolean {
    const start = (place - 1) * this.keySize;
    for (let at = 0; at < this.keySize; at++) if (this.#keys[start + at] !== (key[at] ?? 0)) return false;
    return true;
  }

  #mustFit(key: Uint8Array): void {
    if (key.length > this.keySize) throw new RangeError(`a key of at most ${String(this.keySize)} bytes expected`);
  }

  /** The key's chain; zeros at its end count, whether they are written or not. */
  #chainOf(key: Uint8Array): number {
    return halfSipHash24(this.#hashKey, key, this.keySize) & (this.#chains.length - 1);
  }
}
