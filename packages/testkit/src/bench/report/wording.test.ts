import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, digits, times } from './wording.ts';

test('numbers are told to three digits that count', () => {
  assert.deepEqual([0, 0.0123, 0.5, 1.2345, 12.345, 123.45, 1234.5].map(digits), [
    '0',
    '0.012',
    '0.500',
    '1.23',
    '12.3',
    '123',
    '1,235',
  ]);
  assert.equal(count(1_000_000), '1,000,000');
});

test('what was never measured, or lost, is told as such and not as a number', () => {
  assert.deepEqual([NaN, Infinity, null].map(digits), ['–', '–', '–']);
  assert.deepEqual([NaN, Infinity, null].map(times), ['–', '–', '–']);
});

test('ratios are told as times', () => {
  assert.deepEqual([0.04, 0.5, 7.13, 143.2].map(times), ['0.04 times', '0.5 times', '7.1 times', '143 times']);
});
