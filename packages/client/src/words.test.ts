import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnixMicros } from '@postern/protocol';
import { formatMicros, formatSeconds, formatTime } from './words.ts';

test('durations are said as people say them', () => {
  const said = [0, 1, 30, 119, 120, 125, 300, 3600, 3661, 90_000].map(formatSeconds);
  assert.deepEqual(said, [
    '0 s',
    '1 s',
    '30 s',
    '119 s',
    '2 min',
    '2 min 5 s',
    '5 min',
    '1 h',
    '1 h 1 min 1 s',
    '25 h',
  ]);
});

test('round trips show two figures or so', () => {
  assert.deepEqual([40, 800, 9_949, 23_400, 1_900_000].map(formatMicros), [
    '0.0 ms',
    '0.8 ms',
    '9.9 ms',
    '23 ms',
    '1.9 s',
  ]);
});

test('a time of another day has its date', () => {
  const at = (day: number, hour: number): UnixMicros =>
    (new Date(2026, 10, day, hour, 4, 5).getTime() * 1000) as UnixMicros;
  assert.equal(formatTime(at(22, 15), at(22, 14)), '15:04:05');
  assert.equal(formatTime(at(23, 0), at(22, 23)), '2026-11-23 00:04:05');
});
