/** How often packets with one nonce may fail before it is not looked at any more. */
export const MOST_FAILURES = 8;

/**
 * Counts failures by nonce. Who saw one valid packet knows a nonce with its tag and gets past the kernel's filter with it until the epoch
 * ends; after 8 packets whose mac is wrong the nonce is refused before the mac is computed. The oldest nonce is forgotten when there is
 * no room.
 */
export class FailedNonces {
  readonly #most: number;
  readonly #failures = new Map<string, number>();

  /** @param most the most nonces that are remembered */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many nonces are remembered. */
  get size(): number {
    return this.#failures.size;
  }

  /** Whether the nonce failed too often. */
  has(nonce: string): boolean {
    return (this.#failures.get(nonce) ?? 0) >= MOST_FAILURES;
  }

  /** Counts one failure. */
  add(nonce: string): void {
    const failures = this.#failures.get(nonce);
    if (failures === undefined && this.#failures.size === this.#most) {
      for (const oldest of this.#failures.keys()) {
        this.#failures.delete(oldest);
        break;
      }
    }
    this.#failures.set(nonce, (failures ?? 0) + 1);
  }
}
