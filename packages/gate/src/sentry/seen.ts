/** The most sources that one packet is heard from: it may be relayed, or its sender may have changed networks. */
export const MOST_SOURCES = 4;

/** Whether a packet (by its mac) from a source is new, was there before, or came from too many sources. */
export type Sighting = 'new' | 'duplicate' | 'too-many-sources';

/**
 * Remembers which packets of one epoch came from where, so that a copy costs two look-ups and no cryptography. The oldest packet is
 * forgotten when there is no room: a copy of it then gets as far as the monitor, which knows it for stale.
 */
export class Seen {
  readonly #most: number;
  readonly #sources = new Map<string, string[]>();

  /** @param most the most packets that are remembered */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many packets are remembered. */
  get size(): number {
    return this.#sources.size;
  }

  /** Looks up without remembering: the mac is not verified yet. */
  look(mac: string, source: string): Sighting {
    const sources = this.#sources.get(mac);
    if (sources === undefined) return 'new';
    if (sources.includes(source)) return 'duplicate';
    return sources.length >= MOST_SOURCES ? 'too-many-sources' : 'new';
  }

  /** Remembers a packet that is `new` and whose mac verified. */
  remember(mac: string, source: string): void {
    const sources = this.#sources.get(mac);
    if (sources !== undefined) {
      sources.push(source);
      return;
    }
    if (this.#sources.size === this.#most) {
      for (const oldest of this.#sources.keys()) {
        this.#sources.delete(oldest);
        break;
      }
    }
    this.#sources.set(mac, [source]);
  }
}
