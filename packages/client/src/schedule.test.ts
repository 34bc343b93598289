import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST_ROUND_TRIP_MS, PATIENCE_MS, silentAfter, timeOfTry, unitOf } from './schedule.ts';

const MS = 1000;

/** Whether enough tries get an answer in time: each is lost with 1 − 0.8², and all of them at most once in 1,000. */
test('whatever was learned, enough tries leave early enough for a round trip of 2 s and 20 % loss each way', () => {
  for (const smoothed of [undefined, 0, 1, 20, 200, 500, 2_000, 10_000]) {
    const roundTrip = smoothed === undefined ? undefined : { smoothed: smoothed * MS, variation: (smoothed * MS) / 2 };
    let tries = 0;
    while (timeOfTry(tries, unitOf(roundTrip)) <= PATIENCE_MS - LONGEST_ROUND_TRIP_MS) tries++;
    assert.ok((1 - 0.8 * 0.8) ** tries <= 0.001, `${tries} tries`);
    assert.ok(tries <= 20, 'and no more than are polite');
  }
});

test('nothing is silent before a round trip of 2 s could have ended, unless shorter ones are known', () => {
  assert.ok(silentAfter(undefined) > LONGEST_ROUND_TRIP_MS);
  assert.ok(silentAfter({ smoothed: 2_000 * MS, variation: 100 * MS }) > LONGEST_ROUND_TRIP_MS);
  assert.equal(silentAfter({ smoothed: 5 * MS, variation: 1 * MS }), 600);
});

test('tries are at 0, d, 3d, 5d', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => timeOfTry(index, 400)),
    [0, 400, 1200, 2000],
  );
});
