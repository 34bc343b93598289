import { MICROS_PER_SECOND, slotOf, type DeviceId, type UnixMicros } from '@postern/protocol';
import type { Store } from './store.ts';

/** What the guard keeps its memory in. */
export interface SlotContext {
  readonly store: Pick<Store, 'fresh' | 'knockedSlot' | 'recordKnock' | 'lastKnockedSlot' | 'meta' | 'setMeta'>;
  /** The slot of the last knock that opened, kept apart from the state; 0 when nobody knows. */
  readonly anchor: () => number;
  readonly setAnchor: (slot: number) => void;
  /** Time that nobody can set. */
  readonly uptime: () => UnixMicros;
}

/** A clock that moves by so much against the time that nobody can set has been set. */
const SET = 15 * MICROS_PER_SECOND;
/** After so long without the clock being set every slot is over that was live before. */
const YOUTH = 120 * MICROS_PER_SECOND;

/** A state that may have forgotten what was opened in slots up to `floor`. */
interface Youth {
  readonly floor: number;
  /** By the time that nobody can set. */
  readonly since: UnixMicros;
  /** How far the clock was ahead of that time. */
  readonly ahead: number;
}

/** Why a slot cannot be used: its device used it or a later one; it may have been used before the state was lost; or it is of another time. */
export type SlotRefusal = 'slot-used' | 'slot-uncertain' | 'slot-over';

/**
 * No keyed knock opens twice. Slots are live for 90 seconds only, so what has to be remembered is little:
 *
 * - of each device the last slot that opened, durably and before anything opens: that one and all before are used;
 * - the last slot that opened at all, a second time, beside the keys (`anchor`). A state that does not know it has lost records, so
 *   every slot up to it counts as used;
 * - that the state is fresh, or the clock was set: then no slot is taken that was live at that moment, for what was opened in it may be
 *   forgotten, or it may come a second time. This ends after two minutes in which nobody set the clock, restarts included.
 */
export class SlotGuard {
  readonly #context: SlotContext;
  #floor: number;
  /** What the second memory holds, as far as this run knows. */
  #anchored: number;
  /** Undefined when the state is not young. */
  #young: Youth | undefined;
  /** How far the clock is ahead of the time that nobody can set. */
  #ahead: number;

  constructor(context: SlotContext, now: UnixMicros) {
    this.#context = context;
    const { store, anchor, uptime } = context;
    this.#ahead = now - uptime();
    const anchored = anchor();
    this.#anchored = anchored;
    const known = numberOf(store.meta('knock-floor'));
    this.#floor = Math.max(known, store.lastKnockedSlot() < anchored ? anchored : 0);
    if (this.#floor > known) keep(store, 'knock-floor', this.#floor);
    const young = youthOf(store.meta('knock-young'));
    if (young !== undefined && !store.fresh && Math.abs(young.ahead - this.#ahead) < SET) this.#young = young;
    else if (young !== undefined || store.fresh) this.#startYouth(now);
  }

  /** Up to this slot none is taken; for messages. */
  get floor(): number {
    return Math.max(this.#floor, this.#young?.floor ?? 0);
  }

  /** Why the device cannot use the slot now, if so. */
  refusal(device: DeviceId, slot: number, now: UnixMicros): SlotRefusal | undefined {
    this.tick(now);
    if (Math.abs(slot - slotOf(now)) > 1) return 'slot-over';
    if (slot <= (this.#context.store.knockedSlot(device) ?? 0)) return 'slot-used';
    return slot <= this.floor ? 'slot-uncertain' : undefined;
  }

  /** The durable record: on return the slot is used, for good. @throws when it could not be written */
  use(device: DeviceId, slot: number): void {
    const { store, setAnchor } = this.#context;
    store.recordKnock(device, slot);
    if (slot <= this.#anchored) return;
    try {
      setAnchor(slot);
      this.#anchored = slot;
    } catch {
      // The first memory has it; this second one is for the day that the first is lost.
    }
  }

  /** Looks at the clock; to be called every few seconds at least. */
  tick(now: UnixMicros): void {
    const { uptime, store } = this.#context;
    const ahead = now - uptime();
    if (Math.abs(ahead - this.#ahead) >= SET) {
      this.#startYouth(now);
    } else if (this.#young !== undefined && uptime() - this.#young.since >= YOUTH) {
      this.#young = undefined;
      keep(store, 'knock-young', '');
    }
    // Slow corrections of the clock are none of our business, but many of them are no jump.
    this.#ahead = ahead;
  }

  #startYouth(now: UnixMicros): void {
    const { uptime, store } = this.#context;
    this.#ahead = now - uptime();
    this.#young = { floor: slotOf(now) + 1, since: uptime(), ahead: this.#ahead };
    keep(store, 'knock-young', JSON.stringify(this.#young));
  }
}

/** Youth as the state keeps it, for a restart that no set clock comes between. */
function youthOf(value: Uint8Array | undefined): Youth | undefined {
  if (value === undefined || value.length === 0) return undefined;
  return JSON.parse(Buffer.from(value).toString('latin1')) as Youth;
}

function numberOf(value: Uint8Array | undefined): number {
  return value === undefined ? 0 : Number(Buffer.from(value).toString('latin1'));
}

/** On a full disk it holds for this run: nothing can be recorded then, so nothing opens either. */
function keep(store: SlotContext['store'], key: string, value: number | string): void {
  try {
    store.setMeta(key, Buffer.from(String(value), 'latin1'));
  } catch {
    // see above
  }
}
