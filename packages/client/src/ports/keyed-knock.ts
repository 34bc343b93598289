/** What a device knocks, and when: pure, but for what it is given. */
import {
  boundPorts,
  KEYED,
  keyedPorts,
  type KnockProtocol,
  knockOrder,
  type Random,
  type ServiceName,
  slotOf,
  type UnixMicros,
} from '@postern/protocol';
import type { KnockSender } from './knock-sender.ts';

/** By what the two rounds of a keyed knock go. */
export type Rounds = readonly ['tcp' | 'udp', 'tcp' | 'udp'];

/** Milliseconds from packet to packet. */
export const SPACING_MS = 2;

/** The numbers of one device for one service in one slot. They open a door: secret while the slot lives. */
export interface KeyedNumbers {
  readonly slot: number;
  readonly first: readonly number[];
  /** Empty without an address. */
  readonly bound: readonly number[];
  /** From when on and until when a gate hears them, by this device's clock. */
  readonly from: UnixMicros;
  readonly until: UnixMicros;
  /** When the next slot begins, by this device's clock. */
  readonly next: UnixMicros;
}

/** What {@link keyedNumbers} is made from. */
export interface KeyedChoice {
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly service: ServiceName;
  /** Where the gate sees the knocks come from, 16 bytes; undefined: the first set alone. */
  readonly source: Uint8Array | undefined;
  /** This device's clock, and what the gate's is ahead of it, in microseconds. */
  readonly now: UnixMicros;
  readonly offset: number;
}

/** The numbers for the slot of the gate's clock, as far as it is known. */
export function keyedNumbers({ key, service, source, now, offset }: KeyedChoice): KeyedNumbers {
  const slot = slotOf((now + offset) as UnixMicros);
  const begin = (other: number): UnixMicros => (other * KEYED.slot - offset) as UnixMicros;
  return {
    slot,
    first: keyedPorts(key, slot, service),
    bound: source === undefined ? [] : boundPorts(key, slot, service, source),
    ...{ from: begin(slot - 1), until: begin(slot + 2), next: begin(slot + 1) },
  };
}

/** Sends both sets twice, each round in an order of its own. Returns the number of packets. */
export async function sendKeyed(
  { first, bound }: Pick<KeyedNumbers, 'first' | 'bound'>,
  rounds: Rounds,
  sender: Pick<KnockSender, 'send'>,
  pause: (milliseconds: number) => Promise<void>,
  random: Random,
): Promise<number> {
  const packets = rounds.flatMap((protocol: KnockProtocol) =>
    knockOrder(first, bound, random).map((port) => ({ protocol, port })),
  );
  for (const [index, { protocol, port }] of packets.entries()) {
    if (index > 0) await pause(SPACING_MS);
    await sender.send(protocol, port);
  }
  return packets.length;
}
