import { ByteTable, lazyMemory, NOWHERE, PACKET } from '@postern/protocol';

/** How often packets with one nonce may fail before it is not looked at any more. */
export const MOST_FAILURES = 8;

/**
 * Counts failures by nonce. Who saw one valid packet knows a nonce with its tag and gets past the kernel's filter with it until the epoch
 * ends; after 8 packets whose mac is wrong the nonce is refused before the mac is computed. The oldest nonce is forgotten when there is
 * no room.
 */
export class FailedNonces {
  /** Bytes that it takes when so many are remembered as may be. */
  readonly bytes: number;
  readonly #places: ByteTable;
  readonly #failures: Uint8Array;

  /** @param most the most nonces that are remembered */
  constructor(most: number) {
    this.#places = new ByteTable(most, PACKET.nonceSize);
    this.#failures = new Uint8Array(lazyMemory(most));
    this.bytes = this.#places.bytes + this.#failures.byteLength;
  }

  /** How many nonces are remembered. */
  get size(): number {
    return this.#places.size;
  }

  /** Whether the nonce (8 bytes) failed too often. */
  has(nonce: Uint8Array): boolean {
    const place = this.#places.find(nonce);
    return place !== NOWHERE && (this.#failures[place] ?? 0) >= MOST_FAILURES;
  }

  /** Counts one failure. */
  add(nonce: Uint8Array): void {
    const place = this.#places.find(nonce);
    if (place === NOWHERE) this.#failures[this.#places.add(nonce)] = 1;
    else this.#failures[place] = Math.min(MOST_FAILURES, (this.#failures[place] ?? 0) + 1);
  }

  /** Forgets all nonces. */
  clear(): void {
    this.#places.clear();
  }
}
