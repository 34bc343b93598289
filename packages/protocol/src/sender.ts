/**
 * The device's side of freshness: which era and time its next request carries, and what a receipt teaches it. Pure and without a
 * clock; the caller keeps the state in a file, holds a lock while it calls {@link nextRequest}, and makes the new state durable
 * before the packet leaves.
 *
 * Every request lies after all before it, in (era, time); so what a device did last holds, and what was delayed on the way does not
 * undo it. For a device that lost nothing, the gate's era is at most one ahead of the device's: that is after a request from a fast clock
 * whose receipt was lost. So the third try, one era on, is heard; more tries look for the era of a gate that a device
 * restored from an old backup has forgotten.
 */
import { MICROS_PER_SECOND, type UnixMicros } from './brand.ts';
import { ERA_MAX, REORDER } from './freshness.ts';

/** What a device remembers of one gate. */
export interface SenderState {
  /** Era of the last request, u32. */
  readonly era: number;
  /** Newest time sent in that era, Unix µs; 0 if none. */
  readonly last: UnixMicros;
  /** Highest era that a receipt told; 0 at first. The gate's is there or further. */
  readonly heard: number;
  /** What to add to the own clock to have the gate's, in microseconds. */
  readonly offset: number;
  /** The gate's state id, 8 bytes, from the invite or the last receipt. */
  readonly stateId: Uint8Array;
  /** Gate key to use, 32 bytes, from the invite or the last receipt that carried the next one. */
  readonly gateKey: Uint8Array;
}

/** What {@link learn} needs of a receipt. A `Receipt` is one. */
export interface SenderReceipt {
  readonly now: UnixMicros;
  readonly era: number;
  readonly stateId: Uint8Array;
  readonly nextKey: Uint8Array | undefined;
}

/** What the next packet carries, and the state to keep before it is sent. */
export interface NextRequest {
  readonly state: SenderState;
  readonly era: number;
  readonly time: UnixMicros;
  /** The gate's clock as far as the device knows; the packet's epoch follows from it. */
  readonly clock: UnixMicros;
}

/**
 * How far ahead of the last receipt a device keeps its era when nobody answers: half of what the gate hears, so that it is heard
 * also by a gate that lost its state and was then played one of the device's older packets.
 */
export const KEPT_AHEAD = 512;

/** A round trip that took longer says too little about the gate's clock, in microseconds. */
export const LEARNABLE_ROUND_TRIP: number = 30 * MICROS_PER_SECOND;

/** Clocks beyond the year 2220 are cut to it, so that times can still be counted up from there and stay below 2^53. */
const CLOCK_MAX = 2 ** 53 - 2 ** 50;

const none = 0 as UnixMicros;

/** The state of a device that has not sent anything yet, from what its invite says. */
export function firstState(stateId: Uint8Array, gateKey: Uint8Array): SenderState {
  return { era: 0, last: none, heard: 0, offset: 0, stateId, gateKey };
}

/**
 * Era and time of the next packet. `ownClock` is the device's clock, Unix µs; `attempt` is 1 for the first packet of a knock and for
 * one that follows a receipt, and counts up with every packet that follows silence.
 */
export function nextRequest(state: SenderState, ownClock: UnixMicros, attempt: number): NextRequest {
  const clock = estimate(state, ownClock, attempt);
  // What is sent may look further than what is kept.
  const era =
    attempt < 3
      ? state.era + (wentBack(state, clock) ? 1 : 0)
      : Math.min(state.era + 2 ** Math.min(attempt - 3, 9), ERA_MAX);
  const kept = Math.max(state.era, Math.min(era, limit(state)));
  const last = kept > state.era ? 0 : state.last;
  const time = Math.max(clock, last + 1) as UnixMicros;
  return { state: { ...state, era: kept, last: time }, era, time, clock };
}

/**
 * What a receipt teaches: era, state id, the next gate key, and the gate's clock. `sent` and `received` are the device's clock when the
 * request left and when its receipt came, Unix µs; `request` is what it answers (a {@link NextRequest}). The offset stays as
 * it is while it agrees with what was seen.
 */
export function learn(
  state: SenderState,
  receipt: SenderReceipt,
  sent: UnixMicros,
  received: UnixMicros,
  request: { readonly era: number; readonly time: UnixMicros },
): SenderState {
  const heard = Math.max(state.heard, receipt.era);
  const offset = learnOffset(state.offset, receipt.now, sent, received);
  const known = { heard, offset, stateId: receipt.stateId, gateKey: receipt.nextKey ?? state.gateKey };
  if (receipt.era > state.era) {
    // In an era that the gate opened itself, times start anew.
    return { ...known, era: receipt.era, last: receipt.era === request.era ? request.time : none };
  }
  // The clock was fast, if too little for the gate to end the era. Then the device does.
  if (wentBack(state, received + offset)) return { ...known, era: state.era + 1, last: none };
  return { ...known, era: state.era, last: state.last };
}

/** True when a time behind the newest one counts in a new era only, and there may be one. */
function wentBack(state: SenderState, clock: number): boolean {
  return clock < state.last - REORDER && state.era < limit(state);
}

/** What is kept stays within what the gate hears, however long nobody answers. */
function limit(state: SenderState): number {
  return Math.min(state.heard + KEPT_AHEAD, ERA_MAX);
}

/**
 * Every second try from the fourth on trusts the device's clock alone: if it was set right after the offset was learned, the
 * sum can be so far off that the gate does not even hear it.
 */
function estimate(state: SenderState, ownClock: UnixMicros, attempt: number): UnixMicros {
  const offset = attempt >= 4 && attempt % 2 === 0 ? 0 : state.offset;
  return Math.min(Math.max(1, ownClock + offset), CLOCK_MAX) as UnixMicros;
}

/** The gate read its clock between `sent` and `received`. If the device's clock was set back in between, only the latter counts. */
function learnOffset(offset: number, now: UnixMicros, sent: UnixMicros, received: UnixMicros): number {
  if (received - sent > LEARNABLE_ROUND_TRIP) return offset;
  const least = now - received;
  const most = now - Math.min(sent, received);
  if (least <= offset && offset <= most) return offset;
  return Math.round((least + most) / 2);
}
