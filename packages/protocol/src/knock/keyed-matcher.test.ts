import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../address.ts';
import type { UnixMicros } from '../brand.ts';
import { writeU32 } from '../bytes.ts';
import { SlowKeyed } from '../testdata/slow-keyed.ts';
import { KEYED_LIMITS, type KeyedEvent, type KeyedLimits, KeyedMatcher } from './keyed-matcher.ts';
import { KEYED } from './keyed-ports.ts';

const SMALL: KeyedLimits = { needed: 2, ring: 3, window: 5, sources: 1000, sets: 100 };

function source(number: number, spread = 1): Uint8Array {
  const bytes = parseAddress('10.0.0.0') ?? new Uint8Array(16);
  writeU32(bytes, 12, (0x0a00_0000 + number * spread) >>> 0);
  return bytes;
}

function numbered(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}

/** How often each of these knocks, one each microsecond, drew an event. */
function events(matcher: KeyedMatcher, numbers: readonly number[], from = source(1), start = 0): number[] {
  return numbers.map((number, at) => matcher.knock(from, number, (start + at) as UnixMicros).length);
}

test('enough numbers of a set, in any order and with others in between, draw an event that has them all', () => {
  const matcher = new KeyedMatcher();
  const set = numbered(5000, KEYED.numbers);
  assert.ok(matcher.addSet(7, 42, set));
  const sent = set.toReversed().flatMap((number) => [number, number + 1000]);
  const drawn = sent.map((number, at) => matcher.knock(source(1), number, at as UnixMicros));
  const first = drawn.findIndex(({ length }) => length > 0);
  assert.equal(first, 2 * (KEYED.needed - 1));
  assert.deepEqual(drawn[first], [{ ordinal: 7, slot: 42, numbers: Uint16Array.from(sent.slice(0, first + 1)) }]);
  assert.ok(
    drawn.slice(first).every(({ length }) => length === 1),
    'and so does each further number',
  );
  assert.deepEqual(matcher.knock(source(1), sent[0] ?? 0, 100 as UnixMicros), [], 'but none that was there');
});

test('numbers of two sources are never counted together', () => {
  const matcher = new KeyedMatcher();
  matcher.addSet(1, 1, numbered(5000, KEYED.numbers));
  for (const number of numbered(5000, KEYED.numbers)) {
    assert.equal(matcher.knock(source(number % 2), number, 0 as UnixMicros).length, 0);
  }
});

test('a number counts for the window, and not a microsecond longer', () => {
  for (const [late, expected] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const matcher = new KeyedMatcher();
    const set = numbered(5000, KEYED.numbers);
    matcher.addSet(1, 1, set);
    events(matcher, [set[0] ?? 0]);
    events(matcher, set.slice(1, 11), source(1), 1);
    assert.equal(matcher.knock(source(1), 5011, (KEYED.window + late) as UnixMicros).length, expected);
  }
});

test('128 other numbers do not harm, 129 push the oldest out', () => {
  for (const [others, expected] of [
    [128, 1],
    [129, 0],
  ] as const) {
    const matcher = new KeyedMatcher();
    matcher.addSet(1, 1, numbered(5000, KEYED.numbers));
    events(matcher, numbered(5000, 11));
    events(matcher, numbered(8000, others), source(1), 100);
    assert.equal(matcher.knock(source(1), 5011, 1000 as UnixMicros).length, expected);
  }
});

test('a set that was removed draws nothing, one that is added later counts what is there', () => {
  const matcher = new KeyedMatcher();
  const set = numbered(5000, KEYED.numbers);
  matcher.addSet(1, 1, set);
  assert.equal(events(matcher, set.slice(0, 12)).at(-1), 1);
  matcher.removeSet(1, 1);
  assert.equal(matcher.sets, 0);
  assert.equal(matcher.knock(source(1), 5012, 20 as UnixMicros).length, 0);
  matcher.addSet(2, 1, set);
  assert.equal(matcher.knock(source(1), 5013, 21 as UnixMicros).length, 1);
  matcher.addSet(3, 2, set);
  matcher.addSet(2, 1, numbered(6000, KEYED.numbers));
  assert.deepEqual(
    matcher.knock(source(1), 5014, 22 as UnixMicros).map(({ ordinal }) => ordinal),
    [3],
  );
  matcher.removeBefore(2);
  assert.equal(matcher.sets, 1);
  matcher.clearSets();
  assert.equal(matcher.knock(source(1), 5015, 23 as UnixMicros).length, 0);
});

test('a source draws no more events for a set than the ring has places, until it falls below what is needed', () => {
  const matcher = new KeyedMatcher();
  const set = numbered(5000, KEYED.numbers);
  matcher.addSet(1, 1, set);
  // The set again and again, and ever new numbers.
  const flood = numbered(0, 600).flatMap((at) => [set[at % 12] ?? 0, 8000 + at]);
  const drawn = events(matcher, flood).reduce((sum, one) => sum + one, 0);
  assert.equal(drawn, KEYED.ring);
  events(matcher, numbered(10_000, KEYED.ring), source(1), 2000);
  assert.equal(events(matcher, set.slice(0, 12), source(1), 3000).at(-1), 1);
});

test('who hits no set is not remembered', () => {
  const matcher = new KeyedMatcher();
  matcher.addSet(1, 1, numbered(5000, KEYED.numbers));
  for (let at = 0; at < 1000; at++) matcher.knock(source(at), 6000 + at, 0 as UnixMicros);
  assert.equal(matcher.sources, 0);
});

test('a clock that goes back forgets the source, and no more', () => {
  const matcher = new KeyedMatcher(SMALL);
  matcher.addSet(1, 1, [1, 2]);
  assert.deepEqual(events(matcher, [1], source(1), 10), [0]);
  assert.deepEqual(events(matcher, [2], source(1), 9), [0]);
  assert.deepEqual(events(matcher, [1], source(1), 9), [1]);
});

function same(actual: readonly KeyedEvent[], expected: readonly KeyedEvent[], where: string): void {
  const sorted = (all: readonly KeyedEvent[]): string[] =>
    all.map(({ ordinal, slot, numbers }) => `${ordinal} ${slot}: ${numbers.join()}`).sort();
  const [a, b] = [sorted(actual), sorted(expected)];
  if (a.join(' ; ') !== b.join(' ; ')) assert.deepEqual(a, b, where);
}

test('every input up to five knocks, over four numbers and two pauses: the same as everything kept and looked through again', () => {
  const symbols = [1, 2, 3, 9].flatMap((number) => [1, 3].map((pause) => ({ number, pause })));
  const sets = [
    [1, 2],
    [2, 3],
    [1, 2, 3],
  ];
  const length = 5;
  let drawn = 0;
  // A window that outlasts all, and one that does not; rings that hold all, and that do not.
  for (const [index, changes] of [{}, { ring: 2 }, { needed: 1, window: 2 }].entries()) {
    const limits = { ...SMALL, ...changes };
    const matcher = new KeyedMatcher(limits);
    for (const [ordinal, set] of sets.entries()) matcher.addSet(ordinal, index, set);
    for (let code = 0; code < symbols.length ** length; code++) {
      const slow = new SlowKeyed(limits);
      for (const [ordinal, set] of sets.entries()) slow.addSet(ordinal, index, set);
      let now = 1e15;
      for (let at = 0, rest = code; at < length; at++, rest = Math.floor(rest / symbols.length)) {
        const { number, pause } = symbols[rest % symbols.length] ?? { number: 0, pause: 0 };
        now += pause;
        const expected = slow.knock(source(1), number, now);
        same(matcher.knock(source(code), number, now as UnixMicros), expected, `input ${code}, knock ${at + 1}`);
        drawn += expected.length;
      }
    }
  }
  assert.ok(drawn > 50_000, `${drawn} events`);
});

test('many knocks of three sources while sets come and go: no early event, no missed one, nothing crosses over', () => {
  const number = fc.integer({ min: 0, max: 12 });
  const action = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        type: fc.constant('knock' as const),
        from: fc.integer({ min: 0, max: 2 }),
        number,
        pause: fc.constantFrom(0, 1, 1, 2, 7, 25, -1),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('add' as const),
        ordinal: fc.integer({ min: 0, max: 2 }),
        numbers: fc.uniqueArray(number, { minLength: 4, maxLength: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('remove' as const), ordinal: fc.integer({ min: 0, max: 2 }) }),
    },
  );
  const limits = fc.record({
    needed: fc.integer({ min: 1, max: 4 }),
    ring: fc.integer({ min: 4, max: 9 }),
    window: fc.constantFrom(6, 30, 1000),
  });
  let drawn = 0;
  fc.assert(
    fc.property(limits, fc.array(action, { maxLength: 100, size: 'max' }), (some, actions) => {
      const all = { ...SMALL, ...some };
      const matcher = new KeyedMatcher(all);
      const slow = [0, 1, 2].map(() => new SlowKeyed(all));
      const add = (ordinal: number, numbers: readonly number[]): void => {
        matcher.addSet(ordinal, 5, numbers);
        for (const one of slow) one.addSet(ordinal, 5, numbers);
      };
      add(0, [1, 2, 3, 4, 5]);
      let now = 2 ** 32 - 20;
      for (const one of actions) {
        if (one.type === 'add') add(one.ordinal, one.numbers);
        else if (one.type === 'remove') {
          matcher.removeSet(one.ordinal, 5);
          for (const each of slow) each.removeSet(one.ordinal, 5);
        } else {
          now += one.pause;
          const expected = slow[one.from]?.knock(source(1), one.number, now) ?? [];
          same(matcher.knock(source(one.from), one.number, now as UnixMicros), expected, 'knock');
          drawn += expected.length;
        }
      }
    }),
    { numRuns: 300, seed: 7 },
  );
  assert.ok(drawn > 2000, `${drawn} events`);
});

test('twenty thousand spoofed sources take the places that there are, and no more', () => {
  const matcher = new KeyedMatcher({ ...KEYED_LIMITS, sources: 2000 });
  const set = numbered(5000, KEYED.numbers);
  matcher.addSet(1, 1, set);
  const honest = parseAddress('2001:db8::7') ?? new Uint8Array(16);
  let opened = 0;
  for (let at = 0; at < 20_000; at++) {
    matcher.knock(source(at, 256), 5000 + (at % 20), at as UnixMicros);
    if (at % 1500 === 0) opened += matcher.knock(honest, set[at / 1500] ?? 0, at as UnixMicros).length;
    if (matcher.sources > 2000) assert.fail(`${matcher.sources} sources`);
  }
  assert.equal(matcher.sources, 2000);
  assert.equal(opened, 3, 'who knocks more often than the places are taken anew is not pushed out');
});

test('there are no more sets than the limit, and none with too few numbers or one twice', () => {
  const matcher = new KeyedMatcher(SMALL);
  for (let ordinal = 0; ordinal < 100; ordinal++) assert.ok(matcher.addSet(ordinal, 1, [1, 2]));
  assert.equal(matcher.addSet(100, 1, [1, 2]), false);
  assert.ok(matcher.addSet(99, 1, [3, 4]), 'one in place of another is no more');
  assert.throws(() => matcher.addSet(1, 1, [1]), RangeError);
  assert.throws(() => matcher.addSet(1, 1, [1, 1, 2]), RangeError);
  for (const wrong of [
    { needed: 0 },
    { needed: 4 },
    { window: 0 },
    { window: 2 ** 31 },
    { ring: 65_536 },
    { sources: 0 },
  ])
    assert.throws(() => new KeyedMatcher({ ...SMALL, ...wrong }), RangeError);
});
