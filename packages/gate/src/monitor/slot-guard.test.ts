import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KEYED, slotOf, type DeviceId, type UnixMicros } from '@postern/protocol';
import { SlotGuard, type SlotContext } from './slot-guard.ts';

const SECOND = 1_000_000;
const START = (1_800_000_000 * SECOND) as UnixMicros;
const DEVICE = 'd0' as DeviceId;
const OTHER = 'd1' as DeviceId;

/** A gate's memory and clocks, each of which can be lost or set. */
class World {
  time = START as number;
  up = 0;
  anchored = 0;
  slots = new Map<DeviceId, number>();
  meta = new Map<string, Uint8Array>();
  guard: SlotGuard;

  constructor() {
    this.guard = this.start(true);
  }

  get now(): UnixMicros {
    return this.time as UnixMicros;
  }

  get slot(): number {
    return slotOf(this.now);
  }

  /** Time goes by, as far as anybody can tell; the guard looks at the clock every five seconds. */
  pass(seconds: number): void {
    for (let left = seconds; left > 0; left -= 5) {
      this.time += Math.min(5, left) * SECOND;
      this.up += Math.min(5, left) * SECOND;
      this.guard.tick(this.now);
    }
  }

  start(fresh = false): SlotGuard {
    const store: SlotContext['store'] = {
      fresh,
      knockedSlot: (id) => this.slots.get(id),
      recordKnock: (id, slot) => this.slots.set(id, slot),
      lastKnockedSlot: () => Math.max(0, ...this.slots.values()),
      meta: (key) => this.meta.get(key),
      setMeta: (key, value) => this.meta.set(key, value),
    };
    const anchor = { anchor: () => this.anchored, setAnchor: (slot: number) => (this.anchored = slot) };
    this.guard = new SlotGuard({ store, ...anchor, uptime: () => this.up as UnixMicros }, this.now);
    return this.guard;
  }

  loseState(): void {
    this.slots.clear();
    this.meta.clear();
  }

  /** Knocks as an honest device, or as somebody who recorded it; whether it opens. */
  knock(slot = this.slot, device = DEVICE): boolean {
    if (this.guard.refusal(device, slot, this.now) !== undefined) return false;
    this.guard.use(device, slot);
    return true;
  }

  settle(): this {
    this.pass(200);
    return this;
  }
}

test('a device opens once a slot, in this slot and its neighbours, and never in an earlier one than it did', () => {
  const world = new World().settle();
  const { slot } = world;
  assert.deepEqual([world.knock(slot - 2), world.knock(slot + 2)], [false, false]);
  assert.deepEqual([world.knock(slot), world.knock(slot), world.knock(slot - 1)], [true, false, false]);
  assert.deepEqual([world.knock(slot, OTHER), world.knock(slot + 1), world.knock(slot + 1)], [true, true, false]);
  world.start();
  assert.deepEqual([world.knock(slot + 1), world.knock(slot + 1, OTHER)], [false, true]);
});

test('a fresh state takes no slot that was live when it was made, and the one after', () => {
  const world = new World();
  const { slot } = world;
  assert.deepEqual([world.knock(slot - 1), world.knock(slot), world.knock(slot + 1)], [false, false, false]);
  world.pass(30);
  assert.deepEqual([world.knock(slot + 1), world.knock(slot + 2)], [false, true]);
});

test('a restart of a young state goes on with its youth, it does not begin anew', () => {
  const world = new World();
  const { slot } = world;
  world.pass(30);
  world.start();
  assert.deepEqual([world.knock(slot + 1), world.knock(slot + 2)], [false, true]);
  world.pass(90);
  world.start();
  assert.ok(world.knock());
});

test('that the state is fresh is not forgotten by a restart a moment later, even under another clock', () => {
  const world = new World().settle();
  const { slot } = world;
  assert.ok(world.knock());
  world.loseState();
  world.anchored = 0;
  world.time -= 86_400 * SECOND;
  world.start(true);
  world.time += 86_400 * SECOND;
  world.start();
  assert.equal(world.knock(slot), false);
});

test('the state is lost and the clock is wrong: what opened before does not open again, whenever the clock is right', () => {
  const world = new World().settle();
  const { slot } = world;
  assert.ok(world.knock());
  world.loseState();
  world.time -= 3600 * SECOND;
  world.start(true);
  world.settle();
  world.time = START + 200 * SECOND;
  assert.equal(world.knock(slot), false);
  world.pass(120);
  world.time = START + 200 * SECOND;
  world.pass(1);
  assert.equal(world.knock(slot), false);
  assert.equal(world.knock(slot, OTHER), false);
});

test('a clock that was set forward and back again shuts nobody out for longer than two minutes', () => {
  const world = new World().settle();
  world.time += 86_400 * 365 * SECOND;
  world.settle();
  world.time -= 86_400 * 365 * SECOND;
  world.guard.tick(world.now);
  assert.equal(world.knock(), false);
  world.pass(60);
  assert.ok(world.knock());
});

test('no slot of a device opens twice, whatever happens to state, clock and process', () => {
  const event = fc.oneof(
    fc.record({ what: fc.constant('knock' as const), ahead: fc.integer({ min: -2, max: 2 }) }),
    fc.record({ what: fc.constant('replay' as const), which: fc.nat() }),
    fc.record({ what: fc.constant('pass' as const), seconds: fc.constantFrom(1, 10, 31, 95, 300) }),
    fc.record({ what: fc.constant('set' as const), seconds: fc.constantFrom(-7200, -95, -40, -2, 2, 40, 95, 7200) }),
    fc.constant({ what: 'restart' as const }),
    fc.constant({ what: 'lose' as const }),
  );
  let openings = 0;
  fc.assert(
    fc.property(fc.array(event, { minLength: 5, maxLength: 60 }), (events) => {
      const world = new World();
      const used: number[] = [];
      const knock = (slot: number): void => {
        if (!world.knock(slot)) return;
        assert.ok(!used.includes(slot), `slot ${String(slot)} opened twice`);
        used.push(slot);
        openings++;
      };
      for (const it of events) {
        if (it.what === 'knock') knock(world.slot + it.ahead);
        else if (it.what === 'replay') knock(used[it.which % used.length] ?? world.slot);
        else if (it.what === 'pass') world.pass(it.seconds);
        else if (it.what === 'set') {
          world.time += it.seconds * SECOND;
          world.guard.tick(world.now);
        } else {
          if (it.what === 'lose') world.loseState();
          world.start(it.what === 'lose');
        }
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(openings > 500, `only ${String(openings)} opened`);
  assert.equal(KEYED.slot, 30 * SECOND);
});
