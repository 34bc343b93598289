import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stop } from './stop.ts';

test('it tells everybody once, and those not who left', () => {
  const stop = new Stop();
  const told: string[] = [];
  stop.whenStopped(() => told.push('first'));
  const leave = stop.whenStopped(() => told.push('second'));
  leave();
  assert.equal(stop.stopped, false);
  stop.stop();
  stop.stop();
  assert.equal(stop.stopped, true);
  assert.deepEqual(told, ['first']);
});

test('it stops with the outer one, and not the other way round', () => {
  const outer = new Stop();
  const told: string[] = [];
  {
    using ended = new Stop(outer);
    ended.whenStopped(() => told.push('ended'));
  }
  assert.equal(outer.stopped, false);
  const inner = new Stop(outer);
  inner.whenStopped(() => told.push('inner'));
  outer.stop();
  assert.deepEqual(told, ['ended', 'inner']);
  assert.equal(new Stop(outer).stopped, true);
});
