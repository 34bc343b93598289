import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, summarise } from './statistics.ts';

test('a summary counts what was lost and orders the rest', () => {
  const values = [...Array.from({ length: 99 }, (_, i) => 99 - i), null];
  assert.deepEqual(summarise(values), { n: 100, lost: 1, min: 1, median: 50, p99: 99 });
});

test('a sample of which everything was lost has no figures', () => {
  const { lost, median } = summarise([null, null]);
  assert.equal(lost, 2);
  assert.ok(Number.isNaN(median));
});

test('the median of the rounds is one of them', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 3);
  assert.ok(Number.isNaN(median([])));
});
