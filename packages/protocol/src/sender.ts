/**
 * The device's side of freshness: which era and time its next request carries, and what a receipt teaches it. Pure and without
 * a clock; the caller keeps the state in a file, holds a lock while it calls {@link nextRequest}, and makes the new state durable
 * before the packet leaves.
 *
 * Three eras matter. `heard` is the last that a receipt told: the gate's row is there or further. `era` is where a knock begins.
 * `high` is the highest that was sent, answered or not. For a device that lost nothing the gate's row is never beyond `high` + 1 (it
 * is there after a request from a fast clock of which the receipt was lost), so that the first three tries `era`, `high`,
 * `high` + 1 reach it; and as nothing beyond `heard` + 1,024 is ever sent, the device cannot run away from the gate.
 */
import { MICROS_PER_SECOND, type UnixMicros } from './brand.ts';
import { ERA_AHEAD, ERA_MAX, REORDER } from './freshness.ts';

/** What a device remembers of one gate. */
export interface SenderState {
  /** Era in which the next knock begins. */
  readonly era: number;
  /** Highest era sent since, answered or not. */
  readonly high: number;
  /** Highest era that a receipt told; 0 at first. */
  readonly heard: number;
  /** Newest time sent in `era` or later, Unix µs; 0 if none. */
  readonly last: UnixMicros;
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

/** A round trip that took longer says too little about the gate's clock, in microseconds. */
export const LEARNABLE_ROUND_TRIP: number = 30 * MICROS_PER_SECOND;

/** The state of a device that has not sent anything yet: from an invite, or for its new device key. */
export function firstState(stateId: Uint8Array, gateKey: Uint8Array): SenderState {
  return { era: 0, high: 0, heard: 0, last: 0 as UnixMicros, offset: 0, stateId, gateKey };
}

/**
 * Era and time of the next packet of a knock. `ownClock` is the device's clock, Unix µs; `attempt` counts the packets of this
 * knock from 1, each after silence. The result's state must be durable before the packet leaves.
 */
export function nextRequest(state: SenderState, ownClock: UnixMicros, attempt: number): NextRequest {
  const clock = estimate(state, ownClock, attempt);
  const limit = Math.min(state.heard + ERA_AHEAD, ERA_MAX);
  let { era, high, last } = state;
  if (clock + REORDER < last && high < limit) {
    // The clock went back: a time behind `last` counts in a new era only.
    era = high = high + 1;
    last = 0 as UnixMicros;
  }
  const chosen = attempt <= 1 ? era : attempt === 2 ? high : Math.min(high + 2 ** Math.min(attempt - 3, 10), limit);
  high = Math.max(high, chosen);
  const time = Math.max(clock, last + 1) as UnixMicros;
  return { state: { ...state, era, high, last: time }, era: chosen, time, clock };
}

/**
 * What a receipt teaches: era, state id, the next gate key, and the gate's clock. `sent` and `received` are the device's clock
 * when the request left and when its receipt came, Unix µs. The offset stays as it is while it agrees with what was seen.
 */
export function learn(state: SenderState, receipt: SenderReceipt, sent: UnixMicros, received: UnixMicros): SenderState {
  return {
    era: Math.max(state.era, receipt.era),
    high: Math.max(state.high, receipt.era),
    heard: Math.max(state.heard, receipt.era),
    // The gate opened an era in which nothing was sent: its times start anew.
    last: receipt.era > state.high ? (0 as UnixMicros) : state.last,
    offset: learnOffset(state.offset, receipt.now, sent, received),
    stateId: receipt.stateId,
    gateKey: receipt.nextKey ?? state.gateKey,
  };
}

/** Every second try from the fourth on trusts the device's clock alone: it may have been set right since the offset was learned. */
function estimate(state: SenderState, ownClock: UnixMicros, attempt: number): UnixMicros {
  const offset = attempt >= 4 && attempt % 2 === 0 ? 0 : state.offset;
  return Math.min(Math.max(0, ownClock + offset), Number.MAX_SAFE_INTEGER) as UnixMicros;
}

/** The gate read its clock between `sent` and `received`. A clock that was set in between leaves only the latter. */
function learnOffset(offset: number, now: UnixMicros, sent: UnixMicros, received: UnixMicros): number {
  if (received - sent > LEARNABLE_ROUND_TRIP) return offset;
  const least = now - received;
  const most = now - Math.min(sent, received);
  if (least <= offset && offset <= most) return offset;
  return Math.round((least + most) / 2);
}
