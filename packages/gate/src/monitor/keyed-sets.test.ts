import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYED, keyedWork, slotOf, type DeviceId, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { SetsFrame } from '../line/codec.ts';
import { KeyedSets, MOST_PAIRS, type KeyedPair } from './keyed-sets.ts';

const NOW = 1_800_000_000_000_000 as UnixMicros;
const pair = (index: number): KeyedPair => ({
  device: index.toString(16).padStart(32, '0') as DeviceId,
  service: 'ssh' as ServiceName,
  key: new Uint8Array(32).fill(index & 255),
});
const count = (frames: readonly SetsFrame[], slot: number): number =>
  frames.filter((frame) => frame.slot === slot).reduce((sum, { sets }) => sum + sets.length, 0);

test('a thousand devices: live slots come at once, the one that will be is there before it begins, a few at a time', () => {
  const sets = new KeyedSets();
  sets.configure(Array.from({ length: 1000 }, (_, index) => pair(index)));
  const sent: SetsFrame[] = [];
  const tick = (now: number): number => {
    const before = sent.length;
    sets.tick(now as UnixMicros, (frames) => sent.push(...frames) > 0);
    return sent.length - before;
  };
  const slot = slotOf(NOW);
  for (let ticks = 0; ticks < 3; ticks++) tick(NOW);
  assert.deepEqual(
    [slot - 1, slot, slot + 1].map((it) => count(sent, it)),
    [1000, 1000, 1000],
  );
  let most = 0;
  for (let at = 0; at < KEYED.slot; at += 250_000) most = Math.max(most, tick(NOW + at));
  assert.equal(count(sent, slot + 2), 1000);
  assert.ok(most <= 6, `${String(most)} frames at once`);
  // The slot begins, and nothing but its second successor is left to do.
  tick(NOW + KEYED.slot);
  assert.equal(count(sent, slot + 3), 64);
  assert.equal(
    sets.all((NOW + KEYED.slot) as UnixMicros).some((frame) => frame.slot === slot - 1),
    false,
  );
});

test('what the sentry could not take is made again', () => {
  const sets = new KeyedSets();
  sets.configure([pair(1)]);
  let refused = 0;
  sets.tick(NOW, () => (refused++, false));
  assert.equal(refused, 1);
  assert.deepEqual(sets.all(NOW), []);
  const sent: SetsFrame[] = [];
  sets.tick(NOW, (frames) => sent.push(...frames) > 0);
  assert.equal(sent.length, 4);
});

test('an ordinal is never given twice, stays with its pair, and goes with it', () => {
  const sets = new KeyedSets();
  const push = (): boolean => true;
  assert.deepEqual(sets.configure([pair(1), pair(2)]), []);
  sets.tick(NOW, push);
  assert.deepEqual(
    sets.configure([pair(2), pair(3)]).map(({ ordinal }) => ordinal),
    [0],
  );
  assert.equal(sets.pair(0), undefined);
  assert.equal(sets.pair(1)?.device, pair(2).device);
  assert.equal(sets.pair(2)?.device, pair(3).device);
  sets.configure([pair(1), pair(2)]);
  assert.equal(sets.pair(3)?.device, pair(1).device);
  sets.tick(NOW, push);
  const ordinals = sets.all(NOW).flatMap((frame) => frame.sets.map(({ ordinal }) => ordinal));
  assert.deepEqual([...new Set(ordinals)].sort(), [1, 3]);
});

test('there is a bound on pairs', () => {
  const sets = new KeyedSets();
  sets.configure(Array.from({ length: MOST_PAIRS + 5 }, (_, index) => pair(index)));
  assert.equal(sets.size, MOST_PAIRS);
});

test('a clock that jumps has the sets of the slots where it lands', () => {
  const sets = new KeyedSets();
  sets.configure([pair(1)]);
  for (const now of [NOW, NOW - 3_600_000_000, NOW + 86_400_000_000]) {
    sets.tick(now as UnixMicros, () => true);
    const slot = slotOf(now as UnixMicros);
    const slots = sets.all(now as UnixMicros).map((frame) => frame.slot);
    assert.deepEqual(slots.sort(), [slot - 1, slot, slot + 1, slot + 2]);
  }
});

test('a full table is still work enough: nothing has to be refused', () => {
  const { packets, enough } = keyedWork(MOST_PAIRS, 1);
  assert.ok(enough && packets > 2e20, String(packets));
});
