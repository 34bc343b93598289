import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff } from './back-off.ts';

test('delays double from 0.1 s to 30 s, and a minute of health begins anew', () => {
  const backOff = new BackOff();
  const delays = Array.from({ length: 11 }, () => backOff.after(59_999));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
  assert.equal(backOff.after(60_000), 100);
  assert.equal(backOff.after(0), 200);
});
