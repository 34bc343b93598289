/**
 * The numbers of keyed knocking. Per slot of 30 seconds, device and service there is a pseudorandom set of numbers; who sends enough of
 * them from one source within some seconds, in any order and among whatever else, has knocked. A number is a TCP or UDP destination port,
 * or the first two bytes of an echo request's data. The field tables are in `docs/protocol.md`.
 */
import { ADDRESS_SIZE } from '../address.ts';
import type { ServiceName, UnixMicros } from '../brand.ts';
import { ascii, concat, readU16, readU32, sized, writeU32, writeU64 } from '../bytes.ts';
import { hmacSha256 } from '../crypto.ts';
import type { Random } from '../random.ts';

/** The parameters of keyed knocking; `docs/decisions/0010-keyed-knocking.md` says why these. */
export const KEYED = {
  /** Numbers in a set. */
  numbers: 20,
  /** How many of them must be there. */
  needed: 12,
  /** Last distinct numbers that are kept of a source: those needed, and 128 others in between. */
  ring: 140,
  /** How long a number counts, in microseconds. */
  window: 10_000_000,
  /** Length of a slot in microseconds. */
  slot: 30_000_000,
  /** Numbers in a set that is bound to the source's address. */
  boundNumbers: 12,
  /** How many of those must be there. */
  boundNeeded: 7,
  /** The lowest number. */
  first: 1024,
  /** How many numbers there are to draw from: 1024 to 32767, below the ports that hosts connect from. The same on every gate. */
  range: 31_744,
} as const;

const LABEL_PORTS = ascii('ports');
const LABEL_BOUND = ascii('bound');
const SERVICE_SIZE = 32;
/** Words from here on are dropped, so that each number comes from equally many words: 31,744 · floor(65,536 / 31,744). */
const WORDS = KEYED.range * Math.floor(0x1_0000 / KEYED.range);

/** Number of the slot of a time: floor(unix seconds / 30). */
export function slotOf(now: UnixMicros): number {
  return Math.floor(now / KEYED.slot);
}

/** The slots that a gate hears at a time: the last one, its own, the next one. So clocks may be off by 30 seconds. */
export function liveSlots(now: UnixMicros): readonly [number, number, number] {
  const slot = slotOf(now);
  return [Math.max(slot - 1, 0), slot, slot + 1];
}

/**
 * The set of a device (by its knock key, 32 bytes) for a service in a slot: {@link KEYED}.numbers distinct numbers, in the order in which they are
 * drawn, which means nothing.
 *
 * @throws RangeError on another size of key, a slot that is no integer in [0, 2^53), or a name of more than 32 characters
 */
export function keyedPorts(key: Uint8Array, slot: number, service: ServiceName): number[] {
  return draw(key, KEYED.numbers, prefix(LABEL_PORTS, slot, service));
}

/**
 * The second set, bound to the address (16 bytes) that the knocks come from: {@link KEYED}.boundNumbers distinct numbers. Who only saw a knock cannot
 * make it for another address. It is independent of {@link keyedPorts}: a number may be in both.
 *
 * @throws RangeError as {@link keyedPorts}, and on another size of address
 */
export function boundPorts(key: Uint8Array, slot: number, service: ServiceName, address: Uint8Array): number[] {
  const bound = sized(address, ADDRESS_SIZE, 'address');
  return draw(key, KEYED.boundNumbers, concat(prefix(LABEL_BOUND, slot, service), bound));
}

/**
 * The order in which to send both sets once: as it falls, but that the first three are of the first set. The gate remembers a source from the first
 * number on that it can know, and before that would forget those of the bound set. Send it all twice, in a new order, 2 ms from packet to packet.
 *
 * @param bound empty where the device does not know its address
 */
export function knockOrder(numbers: readonly number[], bound: readonly number[], random: Random): number[] {
  const shuffled = (list: readonly number[]): number[] => {
    const keys = random(4 * list.length);
    return list
      .map((number, at) => ({ number, key: readU32(keys, 4 * at) }))
      .sort((a, b) => a.key - b.key)
      .map(({ number }) => number);
  };
  const first = shuffled(numbers).slice(0, 3);
  return [...first, ...shuffled([...new Set([...numbers, ...bound])].filter((number) => !first.includes(number)))];
}

/** What the numbers of a source are for a set; undefined: not enough of it are there. */
export type KeyedVerdict = 'bound' | 'observed' | undefined;

/** What {@link judgeKeyed} is asked. */
export interface KeyedClaim {
  /** The numbers that came from the source. */
  readonly numbers: Iterable<number>;
  /** The device's knock key, 32 bytes. */
  readonly key: Uint8Array;
  readonly slot: number;
  readonly service: ServiceName;
  /** Where they came from, 16 bytes. */
  readonly address: Uint8Array;
}

/**
 * The monitor's own look at what the sentry says: `bound` if the set and the one bound to the source's address are there, `observed` if the set
 * is there without it, undefined otherwise. Whether the slot is live, and was not used, is for the caller to say.
 */
export function judgeKeyed({ numbers, key, slot, service, address }: KeyedClaim): KeyedVerdict {
  const heard = new Set(numbers);
  const count = (set: readonly number[]): number => set.filter((number) => heard.has(number)).length;
  if (count(keyedPorts(key, slot, service)) < KEYED.needed) return undefined;
  return count(boundPorts(key, slot, service, address)) < KEYED.boundNeeded ? 'observed' : 'bound';
}

/** `label ‖ u64 slot ‖ service 32`. */
function prefix(label: Uint8Array, slot: number, service: ServiceName): Uint8Array {
  const name = ascii(service);
  if (name.length > SERVICE_SIZE) throw new RangeError(`a service's name has at most ${SERVICE_SIZE} characters`);
  const bytes = new Uint8Array(label.length + 8 + SERVICE_SIZE);
  bytes.set(label);
  writeU64(bytes, label.length, slot);
  bytes.set(name, label.length + 8);
  return bytes;
}

/** The first `size` distinct numbers of the blocks HMAC(key, start ‖ u32 counter), counter from 0. */
function draw(key: Uint8Array, size: number, start: Uint8Array): number[] {
  sized(key, 32, 'knock key');
  const drawn = new Set<number>();
  const counter = new Uint8Array(4);
  for (let block = 0; drawn.size < size; block++) {
    writeU32(counter, 0, block);
    const bytes = hmacSha256(key, start, counter);
    for (let at = 0; at < bytes.length && drawn.size < size; at += 2) {
      const word = readU16(bytes, at);
      if (word < WORDS) drawn.add(KEYED.first + (word % KEYED.range));
    }
  }
  return [...drawn];
}
