/**
 * For tests and decisions only: a burst of keyed knocks through a bad channel into the real matcher. What the decision in
 * `docs/decisions/0010-keyed-knocking.md` was taken by; run it to see the numbers again:
 * `node --conditions=source packages/protocol/src/testdata/knock-channel.ts`
 */
import type { UnixMicros } from '../brand.ts';
import { KEYED_LIMITS, KeyedMatcher } from '../knock/keyed-matcher.ts';
import { KEYED, knockOrder } from '../knock/keyed-ports.ts';
import { Dice } from './random.ts';

export interface Channel {
  /** Chance that a packet is lost. */
  readonly loss: number;
  /** Chance that a packet is held back so that the others overtake it: by up to a second delay. */
  readonly reordering: number;
  /** One-way delay in ms, and the deviation of its jitter. */
  readonly delay: number;
  readonly jitter: number;
  /** Spoofed packets per second with the knocker's address, to numbers drawn at random. */
  readonly noise: number;
  /** Numbers in the range that have a real service, so that no knock to them is seen. */
  readonly services: number;
}

export interface Burst {
  /** How often all numbers are sent. */
  readonly passes: number;
  /** Time between two packets in ms. */
  readonly gap: number;
  /** Pause between two passes in ms. */
  readonly pause: number;
}

export interface Parameters {
  readonly numbers: number;
  readonly needed: number;
  readonly ring: number;
  readonly boundNumbers: number;
  readonly boundNeeded: number;
}

/** The clearest channel. */
export const CLEAR: Channel = { loss: 0, reordering: 0, delay: 0, jitter: 0, noise: 0, services: 0 };
/** What the client sends: all numbers twice, a packet every 2 ms. */
export const BURST: Burst = { passes: 2, gap: 2, pause: 5 };
/** The parameters of {@link KEYED}. */
export const PARAMETERS: Parameters = {
  numbers: KEYED.numbers,
  needed: KEYED.needed,
  ring: KEYED.ring,
  boundNumbers: KEYED.boundNumbers,
  boundNeeded: KEYED.boundNeeded,
};

export interface Outcome {
  /** How many of the knocks opened where the address may be observed, and where the bound set must be there. */
  readonly observed: number;
  readonly bound: number;
  /** Events that the sentry sent for each knock, on average, until the bound set was there. */
  readonly events: number;
}

/** Knocks `runs` times, each time with new numbers, from a new source, between the noise of others; `spoof` draws the noise's numbers. */
export function simulate(
  channel: Channel,
  burst: Burst,
  parameters: Parameters,
  runs: number,
  seed: number,
  spoof?: (dice: Dice) => number,
): Outcome {
  const dice = new Dice(seed);
  const { numbers, needed, ring, boundNumbers, boundNeeded } = parameters;
  const matcher = new KeyedMatcher({ ...KEYED_LIMITS, needed, ring, sources: 64 });
  const noise = spoof === undefined ? undefined : (): number => spoof(dice);
  const source = new Uint8Array(16);
  source.set([0xff, 0xff], 10);
  const draw = (count: number): number[] => {
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(KEYED.first + dice.below(KEYED.range));
    return [...drawn];
  };
  let [observed, bound, events] = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    const set = draw(numbers);
    const boundSet = new Set(draw(boundNumbers));
    matcher.clearSets();
    matcher.addSet(0, 0, set);
    new DataView(source.buffer).setUint32(12, run);
    const state = { seenObserved: false, seenBound: false };
    for (const { number, at } of arrivals(dice, channel, burstOf(dice, burst, set, [...boundSet]), noise)) {
      for (const event of matcher.knock(source, number, (run * 60e6 + at * 1000) as UnixMicros)) {
        if (state.seenBound) continue;
        events++;
        state.seenObserved = true;
        const hits = event.numbers.reduce((sum, one) => sum + (boundSet.has(one) ? 1 : 0), 0);
        if (hits >= boundNeeded) state.seenBound = true;
      }
    }
    if (state.seenObserved) observed++;
    if (state.seenBound) bound++;
  }
  return { observed: observed / runs, bound: bound / runs, events: events / runs };
}

/** A packet that is sent, or comes. */
export interface Arrival {
  readonly number: number;
  /** In ms. */
  readonly at: number;
}

/** What a device sends; returns when it is done. */
function* burstOf(
  dice: Dice,
  burst: Burst,
  set: readonly number[],
  bound: readonly number[],
): Generator<Arrival, number> {
  const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => dice.below(256));
  let now = 0;
  for (let pass = 0; pass < burst.passes; pass++) {
    for (const number of knockOrder(set, bound, bytes)) {
      yield { number, at: now };
      now += burst.gap;
    }
    now += burst.pause;
  }
  return now;
}

/**
 * What comes to the gate of what is sent, in the order in which it comes, and the noise.
 *
 * @param spoof draws the number of a spoofed packet
 */
export function arrivals(
  dice: Dice,
  channel: Channel,
  sent: Generator<Arrival, number>,
  spoof: () => number = () => dice.below(0x1_0000),
): Arrival[] {
  const { loss, reordering, delay, jitter, noise, services } = channel;
  // Where the real services are does not matter: each number is one with the same chance.
  const served = new Map<number, boolean>();
  const arriving: Arrival[] = [];
  const send = (number: number, at: number): void => {
    let hidden = served.get(number);
    if (hidden === undefined) served.set(number, (hidden = dice.chance(services / KEYED.range)));
    if (!hidden) arriving.push({ number, at });
  };
  let next = sent.next();
  for (; next.done !== true; next = sent.next()) {
    const { number, at } = next.value;
    const late = (dice.chance(reordering) ? dice.unit() * Math.max(delay, 100) : 0) + Math.abs(gauss(dice)) * jitter;
    if (!dice.chance(loss)) send(number, at + delay + late);
  }
  // Noise begins before the knock, and goes on until the last packet is there.
  const end = Math.max(next.value, ...arriving.map(({ at }) => at));
  const start = -1000;
  for (let at = start; noise > 0 && at < end; at += (-1000 / noise) * Math.log(1 - dice.unit()))
    if (at > start) send(spoof(), at);
  return arriving.sort((a, b) => a.at - b.at).map(({ number, at }) => ({ number, at: at - start }));
}

function gauss(dice: Dice): number {
  return Math.sqrt(-2 * Math.log(1 - dice.unit())) * Math.cos(2 * Math.PI * dice.unit());
}

/** The channel that the defaults must stand: a tenth lost, every packet overtaken, 300 ms with jitter, 50 spoofed packets per second. */
export const BAD: Channel = { loss: 0.1, reordering: 1, delay: 300, jitter: 100, noise: 50, services: 0 };

if (import.meta.main) {
  const runs = Number(process.argv[2] ?? 20_000);
  const show = (name: string, channel: Partial<Channel>, burst = {}, parameters = {}): void => {
    const all = [
      { ...CLEAR, ...channel },
      { ...BURST, ...burst },
      { ...PARAMETERS, ...parameters },
    ] as const;
    const { observed, bound, events } = simulate(...all, runs, 1);
    console.log(`${name.padEnd(64)} ${observed.toFixed(4)}  ${bound.toFixed(4)}  ${events.toFixed(1)}`);
  };
  console.log(`${'channel'.padEnd(64)} set     bound   events`);
  for (const loss of [0, 0.1, 0.2, 0.3])
    for (const passes of [1, 2]) show(`${loss * 100} % lost, sent ${passes} times`, { loss }, { passes });
  for (const passes of [1, 2]) show(`the bad channel, sent ${passes} times`, BAD, { passes });
  for (const noise of [300, 1000]) show(`the bad channel with ${noise} spoofed per second`, { ...BAD, noise });
  for (const noise of [300, 1000]) show(`30 % lost, ${noise} spoofed per second`, { loss: 0.3, delay: 50, noise });
  for (const services of [0, 50, 1000]) show(`the bad channel, ${services} real services`, { ...BAD, services });
  const six = { boundNumbers: 8, boundNeeded: 6 };
  show('6 of 8 bound: 10 % lost, sent once', { loss: 0.1 }, { passes: 1 }, six);
  show('6 of 8 bound: 30 % lost', { loss: 0.3 }, {}, six);
}
