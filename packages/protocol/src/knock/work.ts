/**
 * How many packets it takes to open a door without knowing it. For keyed knocking a lower bound from the hypergeometric distribution, for
 * classic doors what guessing, scanning and watching take. Pure arithmetic; who prints it is `posternd doctor`.
 */
import type { DoorSequence, KnockProtocol } from './door.ts';
import { KEYED } from './keyed-ports.ts';

/** Less work than this, in packets, is too little for a keyed service. */
export const LEAST_WORK = 1e15;

/** Parameters of a set of numbers of which some must be in a ring. */
export interface Guessing {
  /** Numbers to draw from. */
  readonly range: number;
  /** Numbers in the set. */
  readonly numbers: number;
  /** How many of them must be in the ring. */
  readonly needed: number;
  /** Distinct numbers in the ring. */
  readonly ring: number;
}

/**
 * Chance that a ring full of distinct numbers, chosen without knowing anything of the set, holds enough of it:
 * P = Σ_{i ≥ k} C(n, i) · C(R − n, L − i) / C(R, L).
 */
export function chanceOfRing({ range, numbers, needed, ring }: Guessing): number {
  let sum = 0;
  // The small terms first.
  for (let hits = Math.min(numbers, ring); hits >= needed; hits--) sum += chanceOfHits({ range, numbers, ring }, hits);
  return sum;
}

/**
 * Chance that one more packet of a source, with a number that the ring does not hold, is the one that completes the set: of the ring and the number that it
 * pushes out exactly k are hits, the newest is one and the oldest is not. u = h(k; L + 1) · k · (L + 1 − k) / ((L + 1) · L). Who goes on from one source
 * fares about k times better than who fills one ring after the other (P / L for each packet).
 *
 * @throws RangeError if the ring holds all numbers
 */
export function chanceOfPacket({ range, numbers, needed, ring }: Guessing): number {
  const all = ring + 1;
  if (all > range) throw new RangeError('a ring that does not hold all numbers expected');
  const hits = chanceOfHits({ range, numbers, ring: all }, needed);
  return (hits * needed * (all - needed)) / (all * ring);
}

/** What breaking in takes without having seen anything. */
export interface KeyedWork {
  /** By this many packets one opening is to be expected; with a tenth of them the chance of one is at most a tenth. */
  readonly packets: number;
  /** Whether that is at least {@link LEAST_WORK}. */
  readonly enough: boolean;
}

/** The work against all keyed services of a gate: each device has a set for each service in each of three live slots, and any of them will do. */
export function keyedWork(devices: number, services: number, guessing: Guessing = KEYED_GUESSING): KeyedWork {
  const packets = 1 / (chanceOfPacket(guessing) * LIVE_SLOTS * devices * services);
  return { packets, enough: packets >= LEAST_WORK };
}

/** What an observer of a knock still needs while its slot lives, in packets on average. */
export interface ObserverWork {
  /** Who saw one number too few, where a source may be observed: the numbers that lead to one of the others. */
  readonly oneMissing: number;
  /** Who saw all of a knock and wants it for another address: the set that is bound to his. */
  readonly otherAddress: number;
}

/** The work of who sees a knock while it happens, and can use it before the device does. Of who saw yesterday's it is {@link keyedWork}. */
export function observerWork(): ObserverWork {
  const seen = KEYED.needed - 1;
  const free = KEYED.ring - KEYED.needed;
  const rest = { range: KEYED.range, numbers: KEYED.boundNumbers, needed: KEYED.boundNeeded, ring: free };
  return {
    oneMissing: (KEYED.range - seen + 1) / (KEYED.numbers - seen + 1),
    otherAddress: 1 / chanceOfPacket(rest),
  };
}

/** A port scan that opens a door. */
export interface Scan {
  /** Packets until it opens, from port 1 up or from 65,535 down, in each protocol of the door. */
  readonly packets: number;
  /** Packets of the whole scan: who knows nothing of the door needs no more. */
  readonly atMost: number;
}

/** What to do about a door. */
export type DoorAdvice = 'more-steps' | 'mixed-order' | 'fewer-misses' | 'keyed';

/** How hard it is to open a classic door without having been told how. */
export interface DoorRating {
  /** Guesses on average if every wrong port resets; each knock ends one. */
  readonly guesses: number;
  /** What a scan takes under knockd's rules, which see no ports but the door's: undefined where it does not open. */
  readonly knockd: { readonly ascending: Scan | undefined; readonly descending: Scan | undefined };
  /** The same under ours, which see every port. */
  readonly ours: { readonly ascending: Scan | undefined; readonly descending: Scan | undefined };
  /** Packets for who watched once: the steps; undefined where a sequence is used once. */
  readonly watched: number | undefined;
  /** So many packets with the knocker's address, to other ports while he knocks, cancel it. Keyed knocking has no such number. */
  readonly cancelledBy: number;
  readonly advice: readonly DoorAdvice[];
}

/** Fewer guesses than this are tried in a day at 10,000 packets per second. */
const LEAST_GUESSES = 864_000_000;

/**
 * Rates a door by one of its sequences. Gaps and timeouts are not counted on: who guesses or scans chooses his pace.
 *
 * @param alternatives how many sequences open it at a time: a one-time door's look-ahead
 */
export function rateDoor(sequence: DoorSequence, oneTime = false, alternatives = 1): DoorRating {
  const guesses = guessesOf(sequence) / alternatives;
  const knockd = scans(sequence, Infinity);
  const ours = scans(sequence, sequence.misses);
  const opens = ({ ascending, descending }: DoorRating['ours']): boolean =>
    ascending !== undefined || descending !== undefined;
  const advice: DoorAdvice[] = [];
  if (guesses < LEAST_GUESSES) advice.push('more-steps');
  if (opens(ours)) advice.push('fewer-misses');
  if (opens(knockd)) advice.push('mixed-order');
  if (!oneTime) advice.push('keyed');
  return {
    ...{ guesses, knockd, ours, advice },
    watched: oneTime ? undefined : sequence.steps.length,
    cancelledBy: sequence.misses + 1,
  };
}

/** The parameters of {@link KEYED}. */
export const KEYED_GUESSING: Guessing = {
  range: KEYED.range,
  numbers: KEYED.numbers,
  needed: KEYED.needed,
  ring: KEYED.ring,
};

const LIVE_SLOTS = 3;
const PORTS = 65_535;

/** h(i; L): chance of exactly `hits` of the set in a ring. */
function chanceOfHits({ range, numbers, ring }: Omit<Guessing, 'needed'>, hits: number): number {
  if (hits > numbers || hits > ring || ring - hits > range - numbers) return 0;
  const log = lnChoose(numbers, hits) + lnChoose(range - numbers, ring - hits) - lnChoose(range, ring);
  return Math.exp(log);
}

/** ln C(n, k): within 10^-10 for the sizes here. */
function lnChoose(n: number, k: number): number {
  const few = Math.min(k, n - k);
  let sum = 0;
  for (let i = 1; i <= few; i++) sum += Math.log((n - few + i) / i);
  return sum;
}

/**
 * Half of all sequences. With misses forgiven a try of n + m knocks is as good as C(n + m, m) of n, and without order n! of them are one.
 */
function guessesOf({ steps, misses, anyOrder }: DoorSequence): number {
  let log = -lnChoose(steps.length + misses, misses);
  for (const [at, { protocol }] of steps.entries())
    log += Math.log(isEcho(protocol) ? 1 : PORTS) - (anyOrder ? Math.log(at + 1) : 0);
  return Math.max(1, Math.exp(log) / 2);
}

/** Scans of all ports, the door's protocols one after the other at each, when `misses` other ports are forgiven; pings are not in them. */
function scans({ steps, anyOrder }: DoorSequence, misses: number): DoorRating['ours'] {
  const none = { ascending: undefined, descending: undefined };
  if (steps.some(({ protocol }) => isEcho(protocol))) return none;
  const protocols = [...new Set(steps.map(({ protocol }) => protocol))].sort();
  const atMost = PORTS * protocols.length;
  const places = steps.map(({ protocol, port }) => (port - 1) * protocols.length + protocols.indexOf(protocol) + 1);
  if (new Set(places).size !== places.length) return none;
  const sorted = places.toSorted((a, b) => a - b);
  const [first = 0, last = 0] = [sorted[0], sorted.at(-1)];
  if (last - first + 1 - places.length > misses) return none;
  const same = (order: readonly number[]): boolean => anyOrder || order.every((place, at) => place === places[at]);
  return {
    ascending: same(sorted) ? { packets: last, atMost } : undefined,
    descending: same(sorted.toReversed()) ? { packets: atMost - first + 1, atMost } : undefined,
  };
}

function isEcho(protocol: KnockProtocol): boolean {
  return protocol === 'icmp' || protocol === 'icmpv6';
}
