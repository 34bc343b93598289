import type { UnixMicros } from '@postern/protocol';
import type { SentryFrame } from '../line/codec.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * Everything that the sentry may ask of the monitor, on one screen. A frame that is not in this table, or is above its rate,
 * is refused and counted; nothing that a sentry sends stops the monitor. Rates are a second's and a burst's.
 *
 * - `ready`: once after each start. The sandbox is on.
 * - `request`: judge one signed request: `requests.ts`. Above the rate it is refused as `rate-line` before any work.
 * - `report`: counters, for `status` alone; also the sign of life.
 */
export const TABLE: Readonly<Record<FrameKind, { readonly perSecond: number; readonly burst: number }>> = {
  ready: { perSecond: 0, burst: 1 },
  request: { perSecond: 1000, burst: 2000 },
  report: { perSecond: 4, burst: 8 },
};

/** A row of the table. */
export type FrameKind = SentryFrame['type'];

/** The limits of one sentry's line. */
export class LineLimits {
  readonly #buckets: Readonly<Record<FrameKind, TokenBucket>>;

  constructor(now: UnixMicros) {
    const bucket = (kind: FrameKind): TokenBucket => new TokenBucket(TABLE[kind].perSecond, TABLE[kind].burst, now);
    this.#buckets = { ready: bucket('ready'), request: bucket('request'), report: bucket('report') };
  }

  /** Whether one more frame of this kind is within its limit. */
  admit(kind: FrameKind, now: UnixMicros): boolean {
    return this.#buckets[kind].take(now);
  }
}
