/**
 * The sentry's checks of one datagram in their order, cheapest first (docs/protocol.md, "Order"). Pure: no I/O, no clock, no randomness.
 */
import {
  accept,
  ADDRESS_SIZE,
  deriveEpochKeys,
  type EpochKeys,
  equal,
  heldEpochs,
  lengthMatches,
  macMatches,
  PACKET,
  refuse,
  type Refusal,
  type Result,
  type Statics,
  tagMatches,
  type UnixMicros,
  unmaskRequest,
  type Unsealed,
  unsealUnmasked,
  writeBlock,
} from '@postern/protocol';
import { Budget, type Rate } from './budget.ts';
import { FailedNonces } from './failed-nonces.ts';
import { Seen } from './seen.ts';

/** How much the sentry does and remembers. */
export interface Limits {
  /** Packets that reach public-key work, from everybody. */
  readonly total: Rate;
  /** The same, from one IPv4 /24 or IPv6 /56. */
  readonly prefix: Rate;
  /** Packets remembered for each gate key and epoch. */
  readonly packets: number;
  /** Failed nonces remembered for each gate key and epoch. */
  readonly nonces: number;
}

/** The limits that `docs/reference/limits.md` gives. */
export const LIMITS: Limits = {
  total: { burst: 1024, rate: 1024 },
  prefix: { burst: 256, rate: 128 },
  packets: 16_384,
  nonces: 4_096,
};

const SIZES = { mac: PACKET.macSize, source: ADDRESS_SIZE } as const;

/** Prefix lengths that share a ration: what one customer usually has. */
const PREFIX = { 4: 24, 6: 56 } as const;

/** One datagram that passed every check: what crosses the line. */
export interface Opened {
  /** Which gate key it used. */
  readonly gateKey: 0 | 1;
  readonly unsealed: Unsealed;
}

/** One gate key in one epoch, with what happened under it. */
interface Live {
  readonly gateKey: 0 | 1;
  readonly secret: Uint8Array;
  readonly epoch: number;
  readonly keys: EpochKeys;
  readonly seen: Seen;
  readonly failed: FailedNonces;
}

/** The checks with their memory, which is bounded whatever arrives. */
export class Pipeline {
  readonly #statics: Statics;
  readonly #pqRequired: boolean;
  readonly #limits: Limits;
  readonly #budget: Budget;
  #gateKeys: readonly Uint8Array[] = [];
  /** The block of addresses that the packet came from. */
  readonly #block = new Uint8Array(ADDRESS_SIZE);
  #held: readonly [number, number] = [0, 0];
  #live: readonly Live[] = [];

  constructor(statics: Statics, pqRequired: boolean, limits: Limits = LIMITS) {
    this.#statics = statics;
    this.#pqRequired = pqRequired;
    this.#limits = limits;
    this.#budget = new Budget(limits.total, limits.prefix);
  }

  /** Takes the live gate keys into use, the current one first. What happened under one that stays is kept. */
  setKeys(gateKeys: readonly Uint8Array[], now: UnixMicros): void {
    this.#gateKeys = gateKeys;
    this.#derive(heldEpochs(now));
  }

  /**
   * Checks one datagram, which it does not keep.
   * @param source 16 bytes, IPv4 as ::ffff:a.b.c.d
   */
  receive(packet: Buffer, source: Uint8Array, family: 4 | 6, now: UnixMicros): Result<Opened, Refusal> {
    if (!lengthMatches(packet)) return refuse('length');
    this.#turn(now);
    const live = this.#live.find(({ keys }) => tagMatches(packet, keys.tag));
    if (live === undefined) return refuse('tag');

    const nonce = packet.subarray(PACKET.nonce, PACKET.nonce + PACKET.nonceSize);
    if (live.failed.has(nonce)) return refuse('nonce-failed');

    const mac = packet.subarray(packet.length - PACKET.macSize);
    const sighting = live.seen.look(mac, source);
    if (sighting !== 'new') return refuse(sighting);

    if (!macMatches(packet, live.keys.mac)) {
      live.failed.add(nonce);
      return refuse('mac');
    }
    live.seen.remember(mac, source);

    const unmasked = unmaskRequest(packet, live.keys.mask);
    if (!unmasked.ok) return unmasked;
    if (this.#pqRequired && unmasked.value.suite !== 2) return refuse('suite-refused');
    writeBlock(source, PREFIX[family], this.#block);
    if (!this.#budget.take(this.#block, now)) return refuse('budget');

    const unsealed = unsealUnmasked(unmasked.value, this.#statics);
    return unsealed.ok ? accept({ gateKey: live.gateKey, unsealed: unsealed.value }) : unsealed;
  }

  /** Epochs come and go with the clock, wherever it jumps. */
  #turn(now: UnixMicros): void {
    const held = heldEpochs(now);
    if (held[0] !== this.#held[0] || held[1] !== this.#held[1]) this.#derive(held);
  }

  #derive(held: readonly [number, number]): void {
    const old = this.#live;
    this.#held = held;
    const wanted = this.#gateKeys
      .slice(0, 2)
      .flatMap((secret, index) => held.map((epoch) => ({ gateKey: index === 0 ? 0 : 1, secret, epoch }) as const));
    const keptFor = (epoch: number, secret: Uint8Array): Live | undefined =>
      old.find((live) => live.epoch === epoch && equal(live.secret, secret));
    const kept = wanted.map(({ epoch, secret }) => keptFor(epoch, secret));
    // What an epoch that ended takes is used again: megabytes each hour would wait for a collection.
    const free = old.filter(({ seen }) => !kept.some((it) => it?.seen === seen));
    this.#live = wanted.map(({ gateKey, secret, epoch }, index) => {
      const same = kept[index];
      if (same !== undefined) return { ...same, gateKey };
      const { seen, failed } = free.pop() ?? this.#memory();
      seen.clear();
      failed.clear();
      return { gateKey, secret, epoch, keys: deriveEpochKeys(secret, epoch), seen, failed };
    });
  }

  #memory(): Pick<Live, 'seen' | 'failed'> {
    const { packets, nonces } = this.#limits;
    return { seen: new Seen(packets, SIZES), failed: new FailedNonces(nonces) };
  }
}
