import { ByteTable, lazyMemory, NOWHERE } from '@postern/protocol';

/** The most sources that one packet is heard from: it may be relayed, or its sender may have changed networks. */
export const MOST_SOURCES = 4;

/** Whether a packet (by its mac) from a source is new, was there before, or came from too many sources. */
export type Sighting = 'new' | 'duplicate' | 'too-many-sources';

/** What packets and sources are told apart by, in bytes. */
export interface SeenSizes {
  /** Of a mac, or what else is of one packet alone. */
  readonly mac: number;
  readonly source: number;
}

/**
 * Remembers which packets of one epoch came from where, so that a copy costs two look-ups and no cryptography. The oldest packet is
 * forgotten when there is no room: a copy of it then gets as far as the monitor, which knows it for stale.
 */
export class Seen {
  /** Bytes that it takes when so many packets are remembered as may be. */
  readonly bytes: number;
  readonly #places: ByteTable;
  readonly #sourceSize: number;
  /** {@link MOST_SOURCES} of each place, and how many of them there are. */
  readonly #sources: Uint8Array;
  readonly #counts: Uint8Array;

  /** @param most the most packets that are remembered */
  constructor(most: number, { mac, source }: SeenSizes) {
    this.#places = new ByteTable(most, mac);
    this.#sourceSize = source;
    this.#sources = new Uint8Array(lazyMemory(most * MOST_SOURCES * source));
    this.#counts = new Uint8Array(lazyMemory(most));
    this.bytes = this.#places.bytes + this.#sources.byteLength + this.#counts.byteLength;
  }

  /** How many packets are remembered. */
  get size(): number {
    return this.#places.size;
  }

  /** Looks up without remembering: the mac is not verified yet. */
  look(mac: Uint8Array, source: Uint8Array): Sighting {
    const place = this.#places.find(mac);
    if (place === NOWHERE) return 'new';
    const count = this.#counts[place] ?? 0;
    for (let at = 0; at < count; at++) if (this.#is(place, at, source)) return 'duplicate';
    return count >= MOST_SOURCES ? 'too-many-sources' : 'new';
  }

  /** Remembers a packet that is `new` and whose mac verified. @throws RangeError on a longer source than was said */
  remember(mac: Uint8Array, source: Uint8Array): void {
    if (source.length > this.#sourceSize) throw new RangeError('a shorter source expected');
    const known = this.#places.find(mac);
    const place = known === NOWHERE ? this.#places.add(mac) : known;
    const count = known === NOWHERE ? 0 : (this.#counts[place] ?? 0);
    if (count === MOST_SOURCES) return;
    const start = (place * MOST_SOURCES + count) * this.#sourceSize;
    this.#sources.set(source, start);
    this.#sources.fill(0, start + source.length, start + this.#sourceSize);
    this.#counts[place] = count + 1;
  }

  /** Forgets all packets. */
  clear(): void {
    this.#places.clear();
  }

  #is(place: number, at: number, source: Uint8Array): boolean {
    const start = (place * MOST_SOURCES + at) * this.#sourceSize;
    for (let byte = 0; byte < this.#sourceSize; byte++)
      if (this.#sources[start + byte] !== (source[byte] ?? 0)) return false;
    return true;
  }
}
