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
 * - `door`: a source finished a sequence of a door: `knocks.ts`. It opens what the configuration gives that door, to that source, as often as the door's
 *   own rate allows. There is no proof in it: a sentry that was taken over can say it of any source and any door.
 * - `knocked`: a source sent enough of a keyed set: `knocks.ts`. The monitor computes the sets again; for a set that is bound to the source
 *   a sentry has no key.
 * - `fwknop`: a credential of fwknop's format opened a packet: `fwknop.ts`. The keys are symmetric and the sentry has them, so a sentry that was taken over
 *   can say it of any source, within what the stanzas of that credential allow and the rate of each.
 * - `tally`: counters of that format, for `status` alone.
 */
export const TABLE: Readonly<Record<FrameKind, { readonly perSecond: number; readonly burst: number }>> = {
  ready: { perSecond: 0, burst: 1 },
  request: { perSecond: 1000, burst: 2000 },
  report: { perSecond: 4, burst: 8 },
  door: { perSecond: 20, burst: 100 },
  knocked: { perSecond: 500, burst: 2000 },
  fwknop: { perSecond: 200, burst: 1000 },
  tally: { perSecond: 2, burst: 4 },
};

/** A row of the table. */
export type FrameKind = SentryFrame['type'];

/** The limits of one sentry's line. */
export class LineLimits {
  readonly #buckets: Readonly<Record<FrameKind, TokenBucket>>;

  constructor(now: UnixMicros) {
    const bucket = (kind: FrameKind): TokenBucket => new TokenBucket(TABLE[kind].perSecond, TABLE[kind].burst, now);
    this.#buckets = {
      ready: bucket('ready'),
      request: bucket('request'),
      report: bucket('report'),
      door: bucket('door'),
      knocked: bucket('knocked'),
      fwknop: bucket('fwknop'),
      tally: bucket('tally'),
    };
  }

  /** Whether one more frame of this kind is within its limit. */
  admit(kind: FrameKind, now: UnixMicros): boolean {
    return this.#buckets[kind].take(now);
  }
}
