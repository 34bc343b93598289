import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERA_AHEAD, KEPT_AHEAD } from '@postern/protocol';
import fc from 'fast-check';
import type { Crash, Rules } from './freshness-gate.ts';
import { FreshnessWorld, type Happening, RULES } from './freshness-world.ts';

const SECOND = 1_000_000;
/** A device whose clock is this far off is still heard. */
const HEARD = 4096 * SECOND;
const RUNS = Number(process.env['POSTERN_RUNS'] ?? 3000);

const jump = fc
  .tuple(fc.constantFrom(-1, 1), fc.constantFrom(0.05, 1, 9, 11, 25, 35, 100, 130, 3000, 4000, 86_400))
  .map(([sign, seconds]) => sign * seconds * SECOND);
const wait = fc.constantFrom(0.001, 0.2, 1, 5, 11, 28, 31, 119, 121, 3600).map((seconds) => seconds * SECOND);
const index = fc.nat(1000);
const crash = fc.constantFrom<Crash>('never', 'never', 'never', 'before-record', 'after-record', 'after-open');
const attempt = fc.constantFrom(1, 1, 1, 2, 3, 4, 5, 6);

const send: fc.Arbitrary<Happening> = fc.record({
  type: fc.constant('send'),
  kind: fc.constantFrom('open', 'open', 'open', 'close', 'whoami'),
  observed: fc.boolean(),
  attempt,
  packets: fc.constantFrom(1, 1, 1, 1, 3, 70),
});
const deliver: fc.Arbitrary<Happening> = fc.record({ type: fc.constant('deliver'), index, keep: fc.boolean(), crash });
const steal: fc.Arbitrary<Happening> = fc.record({ type: fc.constant('steal'), index, spoofed: fc.boolean(), crash });
const weather: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ type: fc.constant('wait'), micros: wait }),
  fc.record({ type: fc.constantFrom('device-clock', 'gate-clock'), micros: jump }),
  fc.record({ type: fc.constantFrom('lose', 'device-restore', 'gate-restore'), index }),
  fc.record({ type: fc.constantFrom('device-backup', 'gate-backup', 'gate-forget') }),
  fc.record({ type: fc.constant('blackout'), knocks: fc.constantFrom(1, 2, 20, 90) }),
  fc.record({ type: fc.constant('deliver-all'), seed: fc.nat(2_000_000) }),
);
const history = fc.array(
  fc.oneof(
    { arbitrary: send, weight: 4 },
    { arbitrary: deliver, weight: 6 },
    { arbitrary: steal, weight: 4 },
    { arbitrary: weather, weight: 3 },
  ),
  { maxLength: 60, size: 'max' },
);

function live(rules: Rules, events: readonly Happening[]): FreshnessWorld {
  const world = new FreshnessWorld(rules);
  for (const event of events) world.happen(event);
  return world;
}

/** Tries until the one that is heard, for a gate whose era is `ahead` of the device's. */
function triesFor(ahead: number): number {
  return ahead <= 1 ? 3 : 2 + Math.ceil(Math.log2(ahead + 1));
}

/** Whatever happened, an honest device gets in within the promised number of packets once the network is good. */
function getsIn(world: FreshnessWorld): void {
  const { own, corrected } = world.clockErrors;
  const { device, restored, ordered } = world;
  const ahead = (world.row?.era ?? 0) - device.era;
  if (own > HEARD && corrected > HEARD) return;
  const outcome = world.knock();
  const story = JSON.stringify({ own, corrected, ahead, restored, ordered, device, outcome });
  if (!restored && ordered) {
    assert.ok(ahead <= 1, `the gate is at most one era ahead of a device that lost nothing: ${story}`);
  }
  // Two limits, told in the documentation: a backup older than the eras that are searched, and a gate that lost its state and was then
  // played a packet from more than 1,024 eras ago.
  if ((ahead < -ERA_AHEAD && world.gateLost) || ahead > KEPT_AHEAD) return;
  assert.ok(outcome.opened, `gets in at all: ${story}`);
  if (!restored && ordered) {
    const promised = corrected <= HEARD ? 2 : 3;
    assert.ok(
      outcome.silences <= promised,
      `heard by the third try, or by the first that drops a wrong offset: ${story}`,
    );
  } else {
    // A time behind the gate's newest costs a try more, and with one good clock only every second try can be heard.
    const promised = ahead <= 0 ? 2 : triesFor(ahead);
    const promisedNow = corrected <= HEARD && own <= HEARD ? promised : 2 * promised;
    assert.ok(outcome.silences <= promisedNow, `heard by the try that reaches the gate's era: ${story}`);
  }
  assert.ok(outcome.receipts <= 1, `one round trip after it is heard: ${story}`);
}

function promisesHold(rules: Rules): fc.IProperty<[Happening[]]> {
  return fc.property(history, (events) => {
    const world = live(rules, events);
    assert.deepEqual(world.broken, []);
    getsIn(world);
    assert.deepEqual(world.broken, []);
  });
}

test('whatever happens, nothing opens twice, late or elsewhere, and an honest device gets in', () => {
  fc.assert(promisesHold(RULES), { numRuns: RUNS });
});

test('a device that was in step gets in one round trip after the gate lost its state, whatever a thief plays', () => {
  const theft = fc.array(
    fc.oneof(steal, { arbitrary: fc.record({ type: fc.constant('wait'), micros: wait }), weight: 1 }),
  );
  fc.assert(
    fc.property(history, theft, (before, after) => {
      const world = live(RULES, before);
      if (!world.knock().opened || !world.ordered || world.restored) return;
      world.happen({ type: 'gate-forget' });
      for (const event of after) world.happen(event);
      assert.deepEqual(world.knock(), { opened: true, silences: 0, receipts: 1 });
      assert.deepEqual(world.broken, []);
    }),
    { numRuns: RUNS },
  );
});

test('a device in step opens with its first packet', () => {
  fc.assert(
    fc.property(history, wait, (before, pause) => {
      const world = live(RULES, before);
      if (!world.knock().opened) return;
      world.happen({ type: 'wait', micros: pause });
      assert.deepEqual(world.knock(), { opened: true, silences: 0, receipts: 0 });
    }),
    { numRuns: RUNS },
  );
});

test('20 parallel knocks under 200 ms of jitter all open once, also when every packet comes twice', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(199), { minLength: 40, maxLength: 40 }), fc.nat(3000), (jitter, gap) => {
      const world = new FreshnessWorld();
      const arrivals = jitter.map((delay, i) => ({ delay, packet: i % 20 })).sort((a, b) => a.delay - b.delay);
      world.happen({ type: 'wait', micros: gap });
      world.happen({ type: 'send', kind: 'open', observed: true, attempt: 1, packets: 20 });
      for (const { packet } of arrivals) world.happen({ type: 'deliver', index: packet, keep: true, crash: 'never' });
      assert.equal(world.opened, 20);
      assert.deepEqual(world.broken, []);
    }),
    { numRuns: 200 },
  );
});

/** Rules with one thing broken, and what the world must say about it. */
const mutants: readonly { name: string; rules: Partial<Rules>; says: RegExp }[] = [
  {
    name: 'times that were seen are not looked up',
    rules: { freshness: (row, claim) => RULES.freshness(row && { ...row, recent: [] }, claim) },
    says: /opened twice/,
  },
  {
    name: 'times are seen only while the row has room, and the smallest leaves without a trace',
    rules: {
      freshness: (row, claim) => {
        const full =
          row !== undefined && row.recent.length === 64 && claim.era === row.era && claim.time < (row.recent[0] ?? 0);
        return full ? { ok: true, value: undefined } : RULES.freshness(row, claim);
      },
    },
    says: /opened twice/,
  },
  {
    name: 'a time may lie behind the newest by any amount',
    rules: {
      freshness: (row, claim) => {
        if (row === undefined || claim.era !== row.era || claim.kind === 'close') return RULES.freshness(row, claim);
        const seen = row.recent.includes(claim.time) || claim.time <= row.floor;
        return seen ? { ok: false, reason: 'stale' } : { ok: true, value: undefined };
      },
    },
    says: /opened twice/,
  },
  {
    name: 'the newest time can go back',
    rules: { record: (row, claim, now, window) => ({ ...RULES.record(row, claim, now, window), top: claim.time }) },
    says: /went back|opened twice/,
  },
  {
    name: 'a past era counts',
    rules: {
      freshness: (row, claim) =>
        row !== undefined && claim.era < row.era ? { ok: true, value: undefined } : RULES.freshness(row, claim),
    },
    says: /opened twice|went back/,
  },
  {
    name: 'a fast clock does not end its era',
    rules: { record: (row, claim, now) => RULES.record(row, claim, now, Infinity) },
    says: /era that a fast clock ended/,
  },
  {
    name: 'a fast clock ends its era but its request is kept in the same one',
    rules: {
      record: (row, claim, now, window) => {
        const next = RULES.record(row, claim, now, window);
        return next.top === 0 ? { ...next, era: claim.era } : next;
      },
    },
    says: /era that a fast clock ended|went back/,
  },
  {
    name: 'a close sets no floor',
    rules: { record: (row, claim, now, window) => RULES.record(row, { ...claim, kind: 'open' }, now, window) },
    says: /before a close opened after it/,
  },
  {
    name: 'a delayed close counts',
    rules: { freshness: (row, claim) => RULES.freshness(row, { ...claim, kind: 'open' }) },
    says: /delayed close/,
  },
  {
    name: 'the gate does not compare clocks',
    rules: { judge: (claim, now, _window, stateId) => RULES.judge(claim, now, Infinity, stateId) },
    says: /outside its window/,
  },
  {
    name: 'the gate does not compare state ids',
    rules: { judge: (claim, now, window) => RULES.judge(claim, now, window, claim.stateId) },
    says: /state that is lost|opened twice/,
  },
  {
    name: 'the source is not checked',
    rules: { sourceAllowed: (_claim, observed) => ({ ok: true, value: { family: 4, address: observed, prefix: 32 } }) },
    says: /another address/,
  },
  { name: 'the firewall is asked before the record is durable', rules: { recordFirst: false }, says: /opened twice/ },
  { name: 'a gate keeps its state id over a restored backup', rules: { newIdOnRestore: false }, says: /opened twice/ },
  {
    name: 'the device never goes to a new era by itself',
    rules: { nextRequest: (state, clock) => RULES.nextRequest({ ...state, last: 0 as typeof state.last }, clock, 1) },
    says: /heard by|gets in/,
  },
  {
    name: 'the device keeps its times in a new era',
    rules: {
      learn: (state, ...rest) => ({ ...RULES.learn(state, ...rest), last: state.last }),
      nextRequest: (state, clock, attempt) => {
        const next = RULES.nextRequest(state, clock, attempt);
        const time = Math.max(next.clock, state.last + 1) as typeof state.last;
        return { ...next, time, state: { ...next.state, last: time } };
      },
    },
    says: /gets in|heard by|one round trip/,
  },
  {
    name: 'the device does not learn eras',
    rules: { learn: (state, ...rest) => ({ ...RULES.learn(state, ...rest), era: state.era, last: state.last }) },
    says: /gets in|one round trip|heard by/,
  },
  {
    name: 'the device does not learn state ids',
    rules: { learn: (state, ...rest) => ({ ...RULES.learn(state, ...rest), stateId: state.stateId }) },
    says: /gets in/,
  },
  {
    name: 'the device does not learn the clock',
    rules: { learn: (state, ...rest) => ({ ...RULES.learn(state, ...rest), offset: state.offset }) },
    says: /gets in|heard by/,
  },
  {
    name: 'the device clings to the offset that it learned',
    rules: { nextRequest: (state, clock, attempt) => RULES.nextRequest(state, clock, Math.min(attempt, 3)) },
    says: /gets in|heard by/,
  },
  {
    name: 'the device runs ahead as long as nobody answers',
    rules: {
      nextRequest: (state, clock, attempt) => {
        const next = RULES.nextRequest({ ...state, heard: state.era }, clock, attempt);
        return { ...next, state: { ...next.state, heard: state.heard } };
      },
    },
    says: /gets in|heard by/,
  },
];

for (const { name, rules, says } of mutants) {
  test(`the world notices when ${name}`, () => {
    const found = fc.check(promisesHold({ ...RULES, ...rules }), { numRuns: 20 * RUNS, seed: 1, endOnFailure: true });
    assert.ok(found.failed, 'not noticed');
    assert.match(String(found.errorInstance), says);
  });
}
