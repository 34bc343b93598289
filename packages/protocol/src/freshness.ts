/**
 * Freshness: which requests of a device may still count (design: one durable row per device). A request is recorded once and is
 * never fresh again, whatever the clocks on either side do; a device is never locked out by its own clock. `docs/protocol.md`
 * has the argument. All values are immutable; nothing here reads a clock.
 */
import { MICROS_PER_SECOND, type UnixMicros } from './brand.ts';
import { readU32, readU64, writeU32, writeU64 } from './bytes.ts';
import { accept, refuse, type Result } from './result.ts';
import type { Kind, StatedSource } from './statement.ts';

/** Most recent times that a row holds. */
export const RECENT_MAX = 64;
/** How far a request may lie behind the newest one of its era, in microseconds: parallel knocks overtake each other. */
export const REORDER: number = 10 * MICROS_PER_SECOND;
/** How far an era may lie ahead of the row's. */
export const ERA_AHEAD = 1024;
/** The last era: 2^32 − 1. */
export const ERA_MAX = 0xffff_ffff;
/** How far a request's time may be from the gate's, either way, in microseconds. */
export const WINDOW: number = 120 * MICROS_PER_SECOND;
/** The same for a request that opens for whatever source it is observed from: what a thief could use is gone sooner. */
export const WINDOW_OBSERVED: number = 30 * MICROS_PER_SECOND;

/** What a gate remembers of one device. */
export interface FreshnessRow {
  /** Current era, u32. */
  readonly era: number;
  /** Newest time of the era, Unix µs; 0 in an era without requests. */
  readonly top: number;
  /** Nothing at or before it counts any more, Unix µs: the time of the last `close`; 0 if none in this era. */
  readonly floor: number;
  /** Times of the era that were seen and are not ruled out by `top` and `floor`, ascending; at most {@link RECENT_MAX}. */
  readonly recent: readonly number[];
}

/** What freshness needs to know of a request. A `Statement` is one. */
export interface FreshnessClaim {
  readonly kind: Kind;
  readonly era: number;
  readonly time: UnixMicros;
}

/** How far a request's time may be from the gate's, in microseconds: 30 s for `open` and `extend` with observed source, else 120 s. */
export function windowOf(kind: Kind, source: StatedSource): number {
  return source.type === 'observed' && (kind === 'open' || kind === 'extend') ? WINDOW_OBSERVED : WINDOW;
}

/**
 * Rule 1: whether a request is fresh for a device with this row (undefined: none yet). Refused with `era` when its era is past or
 * more than 1,024 ahead, with `stale` when its time does not count within the row's era.
 */
export function freshness(row: FreshnessRow | undefined, claim: FreshnessClaim): Result<undefined, 'era' | 'stale'> {
  if (row === undefined) return accept(undefined);
  if (claim.era < row.era || claim.era > row.era + ERA_AHEAD) return refuse('era');
  if (claim.era > row.era) return accept(undefined);
  const { time } = claim;
  if (time <= ruledOut(row.top, row.floor) || row.recent.includes(time)) return refuse('stale');
  if (row.recent.length >= RECENT_MAX && time <= (row.recent[0] ?? 0)) return refuse('stale');
  if (claim.kind === 'close' && time <= row.top) return refuse('stale');
  return accept(undefined);
}

/**
 * Rule 2: the row after a request that was fresh and is verified, to be made durable before the request has any effect.
 * `now` is the gate's clock and `window` the request's ({@link windowOf}), in microseconds. A request from further ahead than
 * the window ends its era: nothing of that era is ever fresh again, and the device goes on in the next one.
 */
export function record(
  row: FreshnessRow | undefined,
  claim: FreshnessClaim,
  now: UnixMicros,
  window: number,
): FreshnessRow {
  const { era, time } = claim;
  // The last era cannot end. There a fast clock has to wait until its own time comes; nothing counts twice in either case.
  if (time > now + window && era < ERA_MAX) return { era: era + 1, top: 0, floor: 0, recent: [] };
  const sameEra = row !== undefined && row.era === era;
  const top = sameEra ? Math.max(row.top, time) : time;
  const floor = claim.kind === 'close' ? time : sameEra ? row.floor : 0;
  return { era, top, floor, recent: insert(sameEra ? row.recent : [], time, ruledOut(top, floor)) };
}

/**
 * Rule 3: what a recorded request may do. `clock`: its time is further than `window` (microseconds) from the gate's. `resync`: it was made for
 * another state of the gate. Both are told in a receipt and have no other effect.
 */
export function judge(
  claim: { readonly time: UnixMicros; readonly stateId: Uint8Array },
  now: UnixMicros,
  window: number,
  stateId: Uint8Array,
): 'ok' | 'clock' | 'resync' {
  if (Math.abs(claim.time - now) > window) return 'clock';
  return claim.stateId.length === stateId.length && claim.stateId.every((byte, i) => byte === stateId[i])
    ? 'ok'
    : 'resync';
}

/** Nothing at or before this time counts in the row's era. */
function ruledOut(top: number, floor: number): number {
  return Math.max(top - REORDER, floor);
}

/** Times that `top` and `floor` rule out need not be remembered: with and without them every answer is the same. */
function insert(recent: readonly number[], time: number, ruledOutUntil: number): readonly number[] {
  const next = recent.filter((seen) => seen > ruledOutUntil);
  if (time > ruledOutUntil) {
    let at = next.length;
    while (at > 0 && (next[at - 1] ?? 0) > time) at--;
    next.splice(at, 0, time);
  }
  if (next.length > RECENT_MAX) next.shift();
  return next;
}

const ROW_HEAD = 20;

/** A row as 20 to 532 bytes: era u32 · top u64 · floor u64 · recent u64 each, ascending; big-endian. */
export function encodeRow(row: FreshnessRow): Uint8Array {
  const bytes = new Uint8Array(ROW_HEAD + 8 * row.recent.length);
  writeU32(bytes, 0, row.era);
  writeU64(bytes, 4, row.top);
  writeU64(bytes, 12, row.floor);
  for (const [i, time] of row.recent.entries()) writeU64(bytes, ROW_HEAD + 8 * i, time);
  return bytes;
}

/**
 * Reads what {@link encodeRow} wrote. Throws RangeError for anything else: a row that cannot be read must never pass for a device
 * that was never heard.
 */
export function decodeRow(bytes: Uint8Array): FreshnessRow {
  const count = (bytes.length - ROW_HEAD) / 8;
  if (!Number.isInteger(count) || count < 0 || count > RECENT_MAX) throw damaged();
  const top = readU64(bytes, 4) ?? -1;
  const floor = readU64(bytes, 12) ?? top + 1;
  if (floor > top) throw damaged();
  const recent: number[] = [];
  for (let i = 0; i < count; i++) {
    const time = readU64(bytes, ROW_HEAD + 8 * i) ?? top + 1;
    if (time > top || time <= (recent[i - 1] ?? ruledOut(top, floor))) throw damaged();
    recent.push(time);
  }
  return { era: readU32(bytes, 0), top, floor, recent };
}

function damaged(): RangeError {
  return new RangeError('freshness row is damaged');
}
