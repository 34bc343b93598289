import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERA_AHEAD, KEPT_AHEAD } from '@postern/protocol';
import fc from 'fast-check';
import { type Crash, FreshnessWorld, type Happening, type Rules, RULES } from './freshness-world.ts';

const SECOND = 1_000_000;
/** A device whose clock is this far off is still heard. */
const HEARD = 4096 * SECOND;
const RUNS = Number(process.env['POSTERN_RUNS'] ?? 2000);

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
  fc.record({ type: fc.constant('blackout'), knocks: fc.nat(90) }),
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
  if (ahead < -ERA_AHEAD || ahead > KEPT_AHEAD) return;
  assert.ok(outcome.opened, `gets in at all: ${story}`);
  if (corrected <= HEARD && ahead <= 1) {
    // A time behind the gate's newest, which only a restored device can send, costs one more.
    assert.ok(outcome.silences <= (ahead === 1 && (restored || !ordered) ? 3 : 2), `heard by the third try: ${story}`);
  } else if (corrected <= HEARD && own <= HEARD) {
    assert.ok(outcome.silences <= triesFor(ahead), `heard by the try that reaches its era, or the next: ${story}`);
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
