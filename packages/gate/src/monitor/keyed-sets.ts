import { keyedPorts, slotOf, toHex, type DeviceId, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { DropFrame, KeyedNumbers, SetsFrame } from '../line/codec.ts';
import { MOST_SETS } from '../line/frame.ts';

/** A device that may knock for a service. */
export interface KeyedPair {
  readonly device: DeviceId;
  readonly service: ServiceName;
  /** The device's knock key, 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * The most pairs that are heard: the sentry holds the sets of each in up to four slots. With so many, opening some of them takes far more packets than
 * `LEAST_WORK`, so no gate has to refuse a keyed service for being too weak.
 */
export const MOST_PAIRS = 4096;

/** Sets that are computed at a time, of slots that are live, and of the one that will be: about 10 µs each. */
const CHUNK = { live: 1024, coming: 64 } as const;

interface Entry extends KeyedPair {
  readonly ordinal: number;
}

/** Sets of one slot. */
interface Slot {
  readonly sets: Map<number, Uint16Array>;
  /** Entries before this one were looked at. */
  next: number;
}

/**
 * The sets of live slots: computed ahead, a few at a time, and pushed to the sentry before the slot can be used. A pair keeps its ordinal as long as
 * it is there; an ordinal is never another pair's.
 */
export class KeyedSets {
  #entries: readonly Entry[] = [];
  readonly #byOrdinal = new Map<number, Entry>();
  readonly #ordinals = new Map<string, number>();
  readonly #slots = new Map<number, Slot>();
  #next = 0;

  /** How many pairs are heard. */
  get size(): number {
    return this.#entries.length;
  }

  /** Takes the pairs that may knock now in place of those before, at most {@link MOST_PAIRS}. Returns what the sentry has to forget. */
  configure(pairs: Iterable<KeyedPair>): DropFrame[] {
    const before = new Set(this.#byOrdinal.keys());
    const entries: Entry[] = [];
    for (const pair of pairs) {
      if (entries.length === MOST_PAIRS) break;
      const name = `${pair.device} ${pair.service} ${toHex(pair.key)}`;
      let ordinal = this.#ordinals.get(name);
      if (ordinal === undefined) this.#ordinals.set(name, (ordinal = this.#next++));
      entries.push({ ...pair, ordinal });
      before.delete(ordinal);
    }
    this.#entries = entries;
    this.#byOrdinal.clear();
    for (const entry of entries) this.#byOrdinal.set(entry.ordinal, entry);
    for (const [name, ordinal] of this.#ordinals) if (before.has(ordinal)) this.#ordinals.delete(name);
    for (const slot of this.#slots.values()) {
      slot.next = 0;
      for (const ordinal of before) slot.sets.delete(ordinal);
    }
    return [...before].map((ordinal) => ({ type: 'drop', ordinal, slot: Number.MAX_SAFE_INTEGER }));
  }

  /** Whose ordinal that is. */
  pair(ordinal: number): KeyedPair | undefined {
    return this.#byOrdinal.get(ordinal);
  }

  /** Frames that make the sentry forget the sets of a device up to a slot that was used. */
  used(device: DeviceId, slot: number): DropFrame[] {
    return this.#entries
      .filter((entry) => entry.device === device)
      .map(({ ordinal }) => ({ type: 'drop', ordinal, slot }));
  }

  /** Every set that is computed, for a sentry that starts. */
  all(now: UnixMicros): SetsFrame[] {
    this.#forget(now);
    return [...this.#slots].flatMap(([slot, { sets }]) =>
      framesOf(
        slot,
        [...sets].map(([ordinal, numbers]) => ({ ordinal, numbers })),
      ),
    );
  }

  /**
   * Computes what is due and gives it to `push`; false from there says that the sentry cannot take it now, and it is tried again. To be called
   * some times a second.
   */
  tick(now: UnixMicros, push: (frames: readonly SetsFrame[]) => boolean): void {
    this.#forget(now);
    if (this.#entries.length === 0) return;
    const slot = slotOf(now);
    for (const live of [slot, slot - 1, slot + 1]) if (live >= 0 && !this.#compute(live, CHUNK.live, push)) return;
    this.#compute(slot + 2, CHUNK.coming, push);
  }

  /** False when there is more to do for this slot. */
  #compute(slot: number, most: number, push: (frames: readonly SetsFrame[]) => boolean): boolean {
    let held = this.#slots.get(slot);
    if (held === undefined) this.#slots.set(slot, (held = { sets: new Map(), next: 0 }));
    const made: KeyedNumbers[] = [];
    let next = held.next;
    for (; next < this.#entries.length && made.length < most; next++) {
      const entry = this.#entries[next];
      if (entry === undefined || held.sets.has(entry.ordinal)) continue;
      made.push({
        ordinal: entry.ordinal,
        numbers: Uint16Array.from(keyedPorts(entry.key, slot, entry.service)).sort(),
      });
    }
    if (made.length > 0 && !push(framesOf(slot, made))) return false;
    for (const { ordinal, numbers } of made) held.sets.set(ordinal, numbers);
    held.next = next;
    return next === this.#entries.length;
  }

  #forget(now: UnixMicros): void {
    const slot = slotOf(now);
    for (const old of this.#slots.keys()) if (old < slot - 1 || old > slot + 2) this.#slots.delete(old);
  }
}

function framesOf(slot: number, sets: readonly KeyedNumbers[]): SetsFrame[] {
  const frames: SetsFrame[] = [];
  for (let from = 0; from < sets.length; from += MOST_SETS)
    frames.push({ type: 'sets', slot, sets: sets.slice(from, from + MOST_SETS) });
  return frames;
}
