import { MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';

/** A token bucket: `burst` at once, then `perSecond`. A clock that goes back gives nothing and takes nothing. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #then: UnixMicros;

  constructor(perSecond: number, burst: number, now: UnixMicros) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#then = now;
  }

  /** Takes one token; false when there is none. */
  take(now: UnixMicros): boolean {
    const elapsed = Math.max(0, now - this.#then) / MICROS_PER_SECOND;
    this.#then = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#perSecond);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whether it is full again, so that it can be forgotten. */
  idle(now: UnixMicros): boolean {
    return this.#tokens + (Math.max(0, now - this.#then) / MICROS_PER_SECOND) * this.#perSecond >= this.#burst;
  }
}
