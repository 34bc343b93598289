import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../address.ts';
import type { UnixMicros } from '../brand.ts';
import { writeU32 } from '../bytes.ts';
import { Dice } from '../testdata/random.ts';
import { ClassicMatcher } from './classic-matcher.ts';
import type { DoorSequence, DoorStep, KnockProtocol } from './door.ts';
import { KeyedMatcher } from './keyed-matcher.ts';
import {
  chanceOfPacket,
  chanceOfRing,
  type Guessing,
  KEYED_GUESSING,
  keyedWork,
  LEAST_WORK,
  observerWork,
  rateDoor,
} from './work.ts';

function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 1; i <= k; i++) result = (result * BigInt(n - k + i)) / BigInt(i);
  return result;
}

/** a / b with 15 digits, however large or small they are. */
function ratio(a: bigint, b: bigint): number {
  const scale = 10n ** 60n;
  return Number((a * scale) / b) / 1e60;
}

function near(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual / expected - 1) < tolerance, `${what}: ${actual}, expected ${expected}`);
}

test('both chances are what big integers say, for small and for the real numbers', () => {
  const all: Guessing[] = [KEYED_GUESSING, { range: 40, numbers: 6, needed: 4, ring: 10 }];
  for (let numbers = 1; numbers <= 6; numbers++)
    for (let needed = 1; needed <= numbers; needed++)
      for (const ring of [needed, needed + 3, 18]) all.push({ range: 20, numbers, needed, ring });
  for (const guessing of all) {
    const { range, numbers, needed, ring } = guessing;
    const hits = (i: number, of: number): bigint =>
      choose(numbers, i) * (of < i ? 0n : choose(range - numbers, of - i));
    let tail = 0n;
    for (let i = needed; i <= numbers; i++) tail += hits(i, ring);
    near(chanceOfRing(guessing), ratio(tail, choose(range, ring)), 1e-9, JSON.stringify(guessing));
    const up = hits(needed, ring + 1) * BigInt(needed * (ring + 1 - needed));
    const expected = ratio(up, choose(range, ring + 1) * BigInt((ring + 1) * ring));
    if (expected > 0) near(chanceOfPacket(guessing), expected, 1e-9, JSON.stringify(guessing));
  }
});

test('the defaults: 10^24 packets against one device, and enough against a hundred thousand with ten services', () => {
  near(keyedWork(1, 1).packets, 9.545e23, 0.001, 'one device');
  near(keyedWork(1000, 1).packets, 9.545e20, 0.001, 'a thousand');
  assert.ok(keyedWork(100_000, 10).enough);
  assert.ok(!keyedWork(1, 1, { ...KEYED_GUESSING, needed: 7 }).enough, 'seven of twenty would be too few');
  const filling = chanceOfRing(KEYED_GUESSING);
  assert.ok(
    filling <= KEYED_GUESSING.ring * chanceOfPacket(KEYED_GUESSING),
    'the first ring is no better than what follows',
  );
  assert.throws(() => chanceOfPacket({ range: 10, numbers: 5, needed: 2, ring: 10 }), RangeError);
});

test('an observer with one number too few is soon done, one who wants it for another address is not', () => {
  const { oneMissing, otherAddress } = observerWork();
  assert.equal(oneMissing, 31_734 / 10);
  assert.ok(otherAddress > LEAST_WORK && otherAddress < 1e16);
});

/** Three devices in three slots, as a matcher has them. */
const SETS = 9;
const SMALL: Guessing = { range: 200, numbers: 6, needed: 4, ring: 14 };

function smallMatcher(): KeyedMatcher {
  return new KeyedMatcher({ ...SMALL, window: 1_000_000, sources: 50, sets: SETS });
}

function source(number: number): Uint8Array {
  const bytes = parseAddress('10.0.0.0') ?? new Uint8Array(16);
  writeU32(bytes, 12, 0x0a00_0000 + number);
  return bytes;
}

function permutation(dice: Dice): number[] {
  return dice.shuffle(Array.from({ length: SMALL.range }, (_, at) => at));
}

function distinct(dice: Dice, count: number): number[] {
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(dice.below(SMALL.range));
  return [...drawn];
}

function drawSets(matcher: KeyedMatcher, dice: Dice): void {
  matcher.clearSets();
  for (let set = 0; set < SETS; set++) matcher.addSet(Math.floor(set / 3), set % 3, distinct(dice, SMALL.numbers));
}

test('guessing at the real matcher, one ring after the other from new sources: as often as computed', () => {
  const dice = new Dice(1);
  const matcher = smallMatcher();
  const rings = 60_000;
  let opened = 0;
  for (let ring = 0; ring < rings; ring++) {
    if (ring % 10 === 0) drawSets(matcher, dice);
    // A source that hits nothing is not remembered: what it sent before its first hit could not have counted.
    const sets = new Set<string>();
    for (const number of distinct(dice, SMALL.ring))
      for (const { ordinal, slot } of matcher.knock(source(ring), number, ring as UnixMicros))
        sets.add(`${ordinal}/${slot}`);
    opened += sets.size;
  }
  const expected = rings * SETS * chanceOfRing(SMALL);
  // Openings are rare and nearly independent: four deviations of a Poisson number.
  assert.ok(Math.abs(opened - expected) < 4 * Math.sqrt(expected), `${opened} openings, ${expected} expected`);
  assert.ok(expected > 80, 'enough to tell');
});

test('guessing at the real matcher, on and on from one source: as often as the printed work says', () => {
  const dice = new Dice(2);
  const matcher = smallMatcher();
  const rounds = 4000;
  const sums = { opened: 0, squares: 0 };
  for (let round = 0; round < rounds; round++) {
    drawSets(matcher, dice);
    const order = permutation(dice);
    const from = source(round);
    let opened = 0;
    let last = new Map<string, number>();
    for (let at = 0; at < SMALL.range + SMALL.ring + 1; at++) {
      const complete = matcher.knock(from, order[at % SMALL.range] ?? 0, round as UnixMicros);
      const now = new Map(complete.map(({ ordinal, slot }) => [`${ordinal}/${slot}`, at]));
      // Only once the ring is full: before that it goes slower.
      if (at > SMALL.ring) for (const set of now.keys()) if (!last.has(set)) opened++;
      last = now;
    }
    sums.opened += opened;
    sums.squares += opened * opened;
  }
  const { packets } = keyedWork(3, 1, SMALL);
  const expected = SMALL.range / packets;
  const mean = sums.opened / rounds;
  const error = Math.sqrt((sums.squares / rounds - mean * mean) / rounds);
  assert.ok(
    Math.abs(mean - expected) < 4 * error,
    `${mean} openings in a round, ${expected} expected, within ${error}`,
  );
  assert.ok(error < expected / 10, 'enough to tell');
  // The earlier formula, one ring after the other, promised more work than there is.
  assert.ok(SMALL.ring / (chanceOfRing(SMALL) * SETS) > 2 * packets);
});

function step(port: number, protocol: KnockProtocol = 'tcp'): DoorStep {
  return { protocol, port, flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: Infinity };
}

function door(steps: readonly DoorStep[], changes: Partial<DoorSequence> = {}): DoorSequence {
  return { door: 1, sequence: 1, steps, timeout: Infinity, misses: 0, anyOrder: false, target: undefined, ...changes };
}

test('the door 1000, 5001, 9001', () => {
  const rating = rateDoor(door([1000, 5001, 9001].map((port) => step(port))));
  near(rating.guesses, 65_535 ** 3 / 2, 1e-9, 'guesses');
  assert.equal(rating.guesses.toExponential(1), '1.4e+14');
  assert.deepEqual(rating.knockd, { ascending: { packets: 9001, atMost: 65_535 }, descending: undefined });
  assert.deepEqual(rating.ours, { ascending: undefined, descending: undefined });
  assert.deepEqual([rating.watched, rating.cancelledBy, rating.advice], [3, 1, ['mixed-order', 'keyed']]);
});

test('what else doors can be', () => {
  const ports = (...list: number[]): DoorStep[] => list.map((port) => step(port));
  const descending = rateDoor(door(ports(9000, 8000, 7000)));
  assert.deepEqual(descending.knockd, {
    ascending: undefined,
    descending: { packets: 65_535 - 7000 + 1, atMost: 65_535 },
  });
  assert.deepEqual(rateDoor(door(ports(5000, 9000, 7000)), true).advice, []);
  assert.equal(rateDoor(door(ports(5000, 9000, 7000)), true).watched, undefined);
  near(rateDoor(door(ports(5000, 9000, 7000)), true, 3).guesses, 65_535 ** 3 / 6, 1e-9, 'three at a time');
  near(rateDoor(door(ports(5000, 9000, 7000), { anyOrder: true })).guesses, 65_535 ** 3 / 12, 1e-9, 'without order');
  near(rateDoor(door(ports(5000, 9000), { misses: 2 })).guesses, 65_535 ** 2 / 12, 1e-9, 'with misses');
  assert.deepEqual(rateDoor(door(ports(7000))).advice, ['more-steps', 'fewer-misses', 'mixed-order', 'keyed']);
  assert.equal(rateDoor(door([step(0, 'icmp')])).guesses, 1);
  const both = rateDoor(door([step(7000), step(7000, 'udp'), step(8000)], { misses: 1998 }));
  assert.deepEqual(both.ours.ascending, { packets: 2 * 8000 - 1, atMost: 131_070 });
  assert.equal(rateDoor(door([step(7000), step(7000, 'udp'), step(8000)], { misses: 1997 })).ours.ascending, undefined);
  assert.deepEqual(rateDoor(door([step(7000), step(0, 'icmp')])).knockd, {
    ascending: undefined,
    descending: undefined,
  });
});

test('the scans that a rating promises are what the matcher says, for small doors', () => {
  const dice = new Dice(3);
  for (let run = 0; run < 200; run++) {
    const steps = Array.from({ length: 1 + dice.below(4) }, () =>
      step(1 + dice.below(8), dice.chance(0.5) ? 'tcp' : 'udp'),
    );
    const different = new Set(steps.map(({ protocol, port }) => `${protocol}/${port}`)).size === steps.length;
    const sequence = door(steps, { misses: dice.below(12), anyOrder: different && dice.chance(0.5) });
    const protocols = [...new Set(steps.map(({ protocol }) => protocol))].sort();
    const scan = Array.from({ length: 9 }, (_, at) => protocols.map((protocol) => ({ protocol, port: at + 1 }))).flat();
    for (const direction of ['ascending', 'descending'] as const) {
      const matcher = new ClassicMatcher();
      matcher.setSequences([sequence]);
      const order = direction === 'ascending' ? scan : scan.toReversed();
      const opened = order.findIndex(({ protocol, port }) => {
        const address = source(1);
        const flags = protocol === 'tcp' ? 2 : 0;
        return (
          matcher.knock({ source: address, destination: address, protocol, port, flags }, 0 as UnixMicros).length > 0
        );
      });
      const skipped = direction === 'ascending' ? 0 : (65_535 - 9) * protocols.length;
      const promised = rateDoor(sequence).ours[direction]?.packets;
      assert.equal(promised, opened < 0 ? undefined : opened + 1 + skipped, JSON.stringify({ sequence, direction }));
    }
  }
});
