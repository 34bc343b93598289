import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../address.ts';
import type { UnixMicros } from '../brand.ts';
import { writeU32 } from '../bytes.ts';
import { SlowDoor } from '../testdata/slow-door.ts';
import { CLASSIC_LIMITS, ClassicMatcher } from './classic-matcher.ts';
import type { DoorSequence, DoorStep, Knock, KnockProtocol } from './door.ts';

const SYN = 0x02;
const SECOND = 1_000_000;
const HOST = address('192.0.2.1');
const OTHER = address('192.0.2.2');

function address(text: string): Uint8Array {
  const parsed = parseAddress(text);
  assert.ok(parsed !== undefined);
  return parsed;
}

/** A source by number: `spread` apart, so that numbers can be in one prefix or in many. */
function source(number: number, spread = 1): Uint8Array {
  const bytes = address('10.0.0.0');
  writeU32(bytes, 12, (0x0a00_0000 + number * spread) >>> 0);
  return bytes;
}

function step(port: number, changes: Partial<DoorStep> = {}): DoorStep {
  return { protocol: 'tcp', port, flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: Infinity, ...changes };
}

function door(steps: readonly DoorStep[], changes: Partial<DoorSequence> = {}): DoorSequence {
  const rest = { timeout: 25 * SECOND, misses: 0, anyOrder: false, target: undefined };
  return { door: 1, sequence: 0, steps, ...rest, ...changes };
}

function knock(port: number, from: Uint8Array = source(1), changes: Partial<Knock> = {}): Knock {
  return { source: from, destination: HOST, protocol: 'tcp', port, flags: SYN, ...changes };
}

function matcherOf(...sequences: DoorSequence[]): ClassicMatcher {
  const matcher = new ClassicMatcher();
  matcher.setSequences(sequences);
  return matcher;
}

/** After how many of these knocks, one each second, the door opened. */
function openings(matcher: ClassicMatcher, knocks: readonly (number | Knock)[]): number[] {
  return knocks.flatMap((one, at) => {
    const events = matcher.knock(typeof one === 'number' ? knock(one) : one, (at * SECOND) as UnixMicros);
    return events.map(() => at + 1);
  });
}

const MAN_PAGE = door([step(7000), step(8000), step(9000)]);

test('the rule, case by case', () => {
  const table: readonly (readonly [string, DoorSequence, readonly (number | Knock)[], readonly number[]])[] = [
    ['in order', MAN_PAGE, [7000, 8000, 9000], [3]],
    ['out of order', MAN_PAGE, [7000, 9000, 8000], []],
    ['a step too few', MAN_PAGE, [7000, 9000], []],
    ['another port in between', MAN_PAGE, [7000, 8000, 8500, 9000], []],
    ['a mistake, and at once again', MAN_PAGE, [7000, 8000, 8500, 7000, 8000, 9000], [6]],
    ['the wrong knock is the first of the next try', MAN_PAGE, [7000, 8000, 7000, 8000, 9000], [5]],
    ['every step sent again', MAN_PAGE, [7000, 7000, 8000, 8000, 8000, 9000, 9000], [6]],
    ['a step before the last sent again is none', MAN_PAGE, [7000, 8000, 7000, 9000], []],
    ['twice', MAN_PAGE, [7000, 8000, 9000, 7000, 8000, 9000], [3, 6]],
    ['one miss forgiven', { ...MAN_PAGE, misses: 1 }, [7000, 1, 8000, 9000], [4]],
    ['two are one too many', { ...MAN_PAGE, misses: 1 }, [7000, 1, 8000, 2, 9000], []],
    ['the last in time', { ...MAN_PAGE, timeout: 2 * SECOND }, [7000, 8000, 9000], [3]],
    ['the last too late', { ...MAN_PAGE, timeout: 2 * SECOND - 1 }, [7000, 8000, 9000], []],
    ['a beginning within the beginning', door([1, 2, 1, 3].map((port) => step(port))), [1, 2, 1, 2, 1, 3], [6]],
    ['one letter', door([1, 1, 1].map((port) => step(port))), [1, 1, 1, 1, 1], [3]],
    ['one step', door([step(1)]), [1, 2, 1, 1], [1, 3, 4]],
    ['too early', door([step(1), step(2, { minGap: 2 * SECOND })]), [1, 2], []],
    ['late enough', door([step(1), step(2, { minGap: 2 * SECOND })]), [1, 1, 2], [3]],
    ['late enough after the first of two', door([step(1), step(2, { minGap: 2 * SECOND })]), [1, 1, 1, 2], [4]],
    ['too late', door([step(1), step(2, { maxGap: SECOND })]), [1, knock(3, source(9)), 2], []],
    ['in time after the second of two', door([step(1), step(2, { maxGap: SECOND })]), [1, 1, 2], [3]],
    ['without order', { ...MAN_PAGE, anyOrder: true }, [9000, 7000, 8000], [3]],
    [
      'without order and without a timeout, not all',
      { ...MAN_PAGE, anyOrder: true, timeout: Infinity },
      [9000, 7000],
      [],
    ],
    ['without order, each again', { ...MAN_PAGE, anyOrder: true }, [9000, 7000, 9000, 7000, 8000], [5]],
    ['without order, a miss', { ...MAN_PAGE, anyOrder: true }, [9000, 7000, 1, 8000, 9000, 7000], [6]],
    ['without order, a miss forgiven', { ...MAN_PAGE, anyOrder: true, misses: 1 }, [9000, 7000, 1, 8000], [4]],
    ['a ping is no miss for SYNs', MAN_PAGE, [7000, knock(0, source(1), { protocol: 'icmp' }), 8000, 9000], [4]],
    ['nor is a datagram', MAN_PAGE, [7000, knock(5, source(1), { protocol: 'udp' }), 8000, 9000], [4]],
    ['another address of the host', { ...MAN_PAGE, target: OTHER }, [7000, 8000, 9000], []],
    [
      'what goes to another address than the target is no miss',
      { ...MAN_PAGE, target: OTHER },
      [7000, 8000, 9000].flatMap((port) => [knock(port, source(1), { destination: OTHER }), knock(1)]),
      [5],
    ],
    [
      'tcp, udp and pings, over IPv4 and IPv6',
      door([step(1), step(2, { protocol: 'udp' }), step(0, { protocol: 'icmp' }), step(0, { protocol: 'icmpv6' })]),
      (['tcp', 'udp', 'icmp', 'icmpv6'] as const).map((protocol, at) =>
        knock(at < 2 ? at + 1 : 0, source(1), { protocol, flags: at === 0 ? SYN : 0 }),
      ),
      [4],
    ],
  ];
  for (const [name, sequence, knocks, expected] of table)
    assert.deepEqual(openings(matcherOf(sequence), knocks), expected, name);
});

test('TCP flags: a step takes the packets that have the flags it asks for, and a pure SYN when it asks for none', () => {
  const flagged = (flagsSet: number, flagsClear: number): ClassicMatcher =>
    matcherOf(door([step(1, { flagsSet, flagsClear })]));
  for (let flags = 0; flags < 64; flags++) {
    const opens = (matcher: ClassicMatcher): boolean =>
      openings(matcher, [knock(1, source(1), { flags })]).length === 1;
    assert.equal(opens(flagged(0, 0)), (flags & 0x17) === SYN, `pure SYN: ${flags}`);
    assert.equal(opens(flagged(0x11, 0x02)), (flags & 0x13) === 0x11, `fin, ack, !syn: ${flags}`);
  }
  const fins = door([7000, 8000].map((port) => step(port, { flagsSet: 1 })));
  const fin = (port: number): Knock => knock(port, source(1), { flags: 1 });
  assert.deepEqual(
    openings(matcherOf(fins), [fin(7000), knock(7500), fin(8000)]),
    [3],
    'a SYN is no miss for a door of FINs',
  );
  assert.deepEqual(openings(matcherOf(fins), [fin(7000), fin(7500), fin(8000)]), [], 'a FIN elsewhere is one');
});

test("an ascending scan does not open the door of knockd's man page, nor a descending one its mirror image", () => {
  const ascending = Array.from({ length: 4001 }, (_, at) => knock(6000 + at));
  const ticks = (matcher: ClassicMatcher, knocks: readonly Knock[]): number =>
    knocks.reduce((sum, one, at) => sum + matcher.knock(one, at as UnixMicros).length, 0);
  assert.equal(ticks(matcherOf(MAN_PAGE), ascending), 0);
  const mirrored = door(MAN_PAGE.steps.toReversed());
  assert.equal(ticks(matcherOf(mirrored), ascending.toReversed()), 0);
  assert.equal(ticks(matcherOf({ ...MAN_PAGE, misses: 1998 }), ascending), 1, 'with as many misses forgiven it does');
  assert.equal(ticks(matcherOf({ ...MAN_PAGE, misses: 1997 }), ascending), 0);
});

/** Doors that differ in every rule, over ports 1 and 2; 3 is none of theirs. */
const SMALL_DOORS: readonly DoorSequence[] = [
  door([step(1), step(2)], { timeout: 4 }),
  door([step(1), step(2), step(1)], { timeout: 9 }),
  door([step(1), step(1), step(2)], { timeout: 9, misses: 1 }),
  door([step(1), step(2), step(1), step(2)], { timeout: 7, misses: 1 }),
  door([step(1), step(2, { minGap: 2 }), step(1, { maxGap: 3 })], { timeout: 9 }),
  door([step(1), step(1, { minGap: 2, maxGap: 5 }), step(2, { minGap: 1, maxGap: 3 })], { timeout: 9, misses: 1 }),
  door([step(1), step(2), step(3)], { timeout: 6, anyOrder: true }),
  door([step(2), step(1)], { timeout: 6, anyOrder: true, misses: 1 }),
];

test('every input up to six knocks (five for most doors), over three ports and two pauses: the same as everything kept and tried again', () => {
  const symbols = [1, 2, 3].flatMap((port) => [1, 3].map((pause) => ({ port, pause })));
  let opened = 0;
  SMALL_DOORS.forEach((sequence, index) => {
    const matcher = matcherOf(sequence);
    const length = index === 3 || index === 5 ? 6 : 5;
    for (let code = 0; code < symbols.length ** length; code++) {
      // Every input has a source of its own, so the matcher's whole past is theirs too.
      const from = source(index * 0x10_0000 + code);
      const slow = new SlowDoor(sequence);
      let now = 0;
      for (let at = 0, rest = code; at < length; at++, rest = Math.floor(rest / symbols.length)) {
        const symbol = symbols[rest % symbols.length];
        if (symbol === undefined) continue;
        now += symbol.pause;
        const one = knock(symbol.port, from);
        const events = matcher.knock(one, now as UnixMicros);
        const expected = slow.knock(one, now);
        if ((events.length === 1) !== expected || events.length > 1)
          assert.fail(`door ${index}, input ${code}, knock ${at + 1}: ${expected ? 'must' : 'must not'} open`);
        if (expected) opened++;
      }
    }
  });
  assert.ok(opened > 20_000, `${opened} openings`);
});

const protocols = ['tcp', 'udp', 'icmp', 'icmpv6'] as const satisfies readonly KnockProtocol[];
const anyStep: fc.Arbitrary<DoorStep> = fc
  .record({
    protocol: fc.constantFrom(...protocols.slice(0, 3)),
    port: fc.integer({ min: 1, max: 3 }),
    flags: fc.constantFrom([0, 0] as const, [2, 0] as const, [1, 2] as const),
    minGap: fc.constantFrom(0, 0, 0, 2, 4),
    gap: fc.constantFrom(Infinity, Infinity, 3, 8),
  })
  .map(({ protocol, port, flags: [flagsSet, flagsClear], minGap, gap }) => ({
    ...{ protocol, minGap, maxGap: minGap + gap, port: protocol === 'icmp' ? 0 : port },
    ...(protocol === 'tcp' ? { flagsSet, flagsClear } : { flagsSet: 0, flagsClear: 0 }),
  }));
const anyDoor: fc.Arbitrary<DoorSequence> = fc
  .record({
    steps: fc.array(anyStep, { minLength: 1, maxLength: 5 }),
    timeout: fc.integer({ min: 3, max: 40 }),
    misses: fc.integer({ min: 0, max: 3 }),
    anyOrder: fc.boolean(),
    target: fc.constantFrom(undefined, undefined, HOST),
  })
  .map(({ steps, ...rest }) => {
    const different = new Map(steps.map((one) => [`${one.protocol}/${one.port}`, one]));
    return door(rest.anyOrder ? [...different.values()] : steps, rest);
  });
const anyKnock = fc.record({
  from: fc.integer({ min: 0, max: 2 }),
  protocol: fc.constantFrom<KnockProtocol>('tcp', 'tcp', 'udp', 'icmp'),
  port: fc.integer({ min: 1, max: 4 }),
  flags: fc.constantFrom(SYN, SYN, 0x01, 0x12),
  destination: fc.constantFrom(HOST, HOST, OTHER),
  pause: fc.constantFrom(0, 1, 1, 1, 2, 5, -1),
  /** Rather than that, the knock that the first door waits for next. */
  aimed: fc.boolean(),
});

test('many knocks of three sources at several doors: no early open, no missed one, nothing crosses over', () => {
  let opened = 0;
  fc.assert(
    fc.property(
      fc.array(anyDoor, { minLength: 1, maxLength: 3 }),
      fc.array(anyKnock, { maxLength: 40, size: 'max' }),
      (doors, knocks) => {
        const sequences = doors.map((one, sequence) => ({ ...one, sequence }));
        const matcher = matcherOf(...sequences);
        // Each source has doors of its own in the slow twin: what they do cannot touch each other.
        const slow = [0, 1, 2].map(() => sequences.map((sequence) => new SlowDoor(sequence)));
        const aims = [0, 0, 0];
        let now = 100;
        for (const { from, pause, aimed, protocol, port, flags, destination } of knocks) {
          now += pause;
          const wanted = sequences[0]?.steps ?? [];
          const aim = wanted[(aims[from] ?? 0) % wanted.length];
          let one: Knock = { source: source(from), destination, protocol, port: protocol === 'icmp' ? 0 : port, flags };
          if (aimed && aim !== undefined) {
            aims[from] = (aims[from] ?? 0) + 1;
            const flagged = aim.flagsSet === 0 ? SYN : aim.flagsSet;
            one = { ...one, protocol: aim.protocol, port: aim.port, flags: aim.protocol === 'tcp' ? flagged : 0 };
          }
          const events = matcher.knock(one, now as UnixMicros);
          const expected = (slow[from] ?? []).flatMap((each, index) => (each.knock(one, now) ? [index] : []));
          assert.deepEqual(events.map(({ sequence }) => sequence).sort(), expected);
          opened += expected.length;
        }
      },
    ),
    { numRuns: 600, seed: 5 },
  );
  assert.ok(opened > 1000, `${opened} openings`);
});

test('other sequences take the place of the old ones; progress in those that stay is kept, in the others it is gone', () => {
  const one = door([step(1), step(2)], { sequence: 1 });
  const two = door([step(3), step(4)], { sequence: 2 });
  const matcher = matcherOf(one, two);
  assert.deepEqual(openings(matcher, [1, knock(3, source(2))]), []);
  matcher.setSequences([{ ...two }, door([step(1), step(2)], { sequence: 3 })]);
  assert.deepEqual(matcher.knock(knock(2), SECOND as UnixMicros), [], 'sequence 1 is gone, 3 did not begin');
  assert.deepEqual(matcher.knock(knock(4, source(2)), SECOND as UnixMicros), [{ door: 1, sequence: 2 }]);
});

test('several sequences of one door at once: the event says which was knocked, and the others go on', () => {
  const matcher = matcherOf(
    ...[1, 2, 3].map((sequence) => door([step(sequence), step(10), step(20)], { sequence, misses: 2 })),
  );
  const events = [1, 2, 10, 20].flatMap((port, at) => matcher.knock(knock(port), at as UnixMicros));
  assert.deepEqual(events, [
    { door: 1, sequence: 1 },
    { door: 1, sequence: 2 },
  ]);
});

test('sources and beginnings never exceed their caps, and a source that goes on is not pushed out', () => {
  const limits = { sources: 200, attempts: 300, attemptsOfSource: 4 };
  const matcher = new ClassicMatcher(limits);
  const sequences = Array.from({ length: 10 }, (_, sequence) =>
    door([step(1), step(2, { minGap: 5 }), step(3)], { sequence, misses: 60_000, timeout: Infinity }),
  );
  matcher.setSequences(sequences);
  const honest = address('198.51.100.7');
  matcher.knock(knock(1, honest), 0 as UnixMicros);
  for (let at = 1; at < 5000; at++) {
    matcher.knock(knock(1, source(at, 256)), at as UnixMicros);
    if (at % 10 === 0) matcher.knock(knock(4, honest), at as UnixMicros);
    assert.ok(matcher.sources <= limits.sources && matcher.attempts <= limits.attempts);
  }
  assert.ok(matcher.attempts > limits.attempts - 5, 'the table is full');
  assert.equal(matcher.knock(knock(2, honest), 5000 as UnixMicros).length, 0);
  assert.equal(matcher.knock(knock(3, honest), 5001 as UnixMicros).length, 4, 'as many as one source may begin');
});

test('sources that do not hit anything, or whose time is over, take no memory', () => {
  const matcher = matcherOf(door([step(1), step(2)], { timeout: 5 }));
  for (let at = 0; at < 1000; at++) matcher.knock(knock(2, source(at)), 0 as UnixMicros);
  assert.equal(matcher.sources, 0);
  matcher.knock(knock(1), 0 as UnixMicros);
  assert.equal(matcher.sources, 1);
  matcher.knock(knock(2), 6 as UnixMicros);
  assert.deepEqual([matcher.sources, matcher.attempts], [0, 0]);
});

test('what is no sequence is not taken', () => {
  const matcher = new ClassicMatcher();
  const many = Array.from({ length: 33 }, (_, at) => step(at + 1));
  const wrong = [
    door([]),
    door(many),
    door([step(1)], { timeout: -1 }),
    door([step(1)], { misses: 65_536 }),
    door([step(1)], { misses: 256, anyOrder: true }),
    door([step(1), step(1)], { anyOrder: true }),
    door([step(1)], { target: new Uint8Array(4) }),
    door([step(1), step(2, { minGap: 2, maxGap: 1 })]),
  ];
  for (const sequence of wrong) assert.throws(() => matcher.setSequences([sequence]), RangeError);
  assert.throws(() => new ClassicMatcher({ ...CLASSIC_LIMITS, attempts: 5 }), RangeError);
});
