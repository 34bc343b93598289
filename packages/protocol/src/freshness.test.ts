import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnixMicros } from './brand.ts';
import {
  decodeRow,
  encodeRow,
  ERA_MAX,
  type FreshnessClaim,
  freshness,
  type FreshnessRow,
  judge,
  RECENT_MAX,
  record,
  windowOf,
} from './freshness.ts';
import type { Kind } from './statement.ts';

const SECOND = 1_000_000;
const NOW = 1_790_000_000_000_000 as UnixMicros;
const W = 120 * SECOND;

function claim(era: number, time: number, kind: Kind = 'open'): FreshnessClaim {
  return { kind, era, time: time as UnixMicros };
}

function row(era: number, top: number, floor = 0, recent: readonly number[] = [top]): FreshnessRow {
  return { era, top, floor, recent };
}

function verdict(state: FreshnessRow | undefined, request: FreshnessClaim): string {
  const result = freshness(state, request);
  return result.ok ? 'fresh' : result.reason;
}

test('the rule, case by case', () => {
  const full = Array.from({ length: RECENT_MAX }, (_, i) => NOW - RECENT_MAX + 1 + i);
  const table: readonly (readonly [FreshnessRow | undefined, FreshnessClaim, string])[] = [
    [undefined, claim(7, NOW), 'fresh'],
    [undefined, claim(7, NOW, 'close'), 'fresh'],
    [row(5, NOW), claim(4, NOW + 1), 'era'],
    [row(5, NOW), claim(6, 1), 'fresh'],
    [row(5, NOW), claim(6, 1, 'close'), 'fresh'],
    [row(5, NOW), claim(5 + 1024, 1), 'fresh'],
    [row(5, NOW), claim(5 + 1025, NOW + 1), 'era'],
    [row(5, NOW), claim(5, NOW), 'stale'],
    [row(5, NOW), claim(5, NOW + 1), 'fresh'],
    [row(5, NOW), claim(5, NOW - 1), 'fresh'],
    [row(5, NOW), claim(5, NOW - 10 * SECOND + 1), 'fresh'],
    [row(5, NOW), claim(5, NOW - 10 * SECOND), 'stale'],
    [row(5, NOW), claim(5, NOW - 1, 'close'), 'stale'],
    [row(5, NOW, NOW - 5), claim(5, NOW - 5), 'stale'],
    [row(5, NOW, NOW - 5), claim(5, NOW - 4), 'fresh'],
    [row(5, NOW, 0, full), claim(5, NOW - RECENT_MAX), 'stale'],
    [row(5, NOW, 0, full.slice(1)), claim(5, NOW - RECENT_MAX), 'fresh'],
    [row(5, NOW, 0, full), claim(5, NOW + 1), 'fresh'],
    [row(5, 0, 0, []), claim(5, 1), 'fresh'],
    [row(5, 0, 0, []), claim(5, 1, 'close'), 'fresh'],
  ];
  for (const [state, request, expected] of table) assert.equal(verdict(state, request), expected);
});

test('what is recorded, case by case', () => {
  const first = record(undefined, claim(3, NOW), NOW, W);
  assert.deepEqual(first, row(3, NOW));
  assert.deepEqual(record(first, claim(3, NOW - 5), NOW, W), row(3, NOW, 0, [NOW - 5, NOW]));
  assert.deepEqual(record(first, claim(3, NOW + W), NOW, W), row(3, NOW + W));
  assert.deepEqual(record(first, claim(3, NOW + W + 1), NOW, W), row(4, 0, 0, []), 'a fast clock ends its era');
  assert.deepEqual(record(first, claim(9, 5), NOW, W), row(9, 5), 'times start anew in a new era');
  assert.deepEqual(record(first, claim(9, NOW + W + 1), NOW, W), row(10, 0, 0, []));
  const closed = record(first, claim(3, NOW + 9, 'close'), NOW, W);
  assert.deepEqual(closed, row(3, NOW + 9, NOW + 9, []));
  assert.deepEqual(record(closed, claim(4, NOW + 1), NOW, W), row(4, NOW + 1), 'no floor in a new era');
});

test('the last era does not end, and nothing in it counts twice', () => {
  const fast = claim(ERA_MAX, NOW + 2 * W);
  const last = record(row(ERA_MAX - 1, NOW), fast, NOW, W);
  assert.deepEqual(last, row(ERA_MAX, NOW + 2 * W));
  assert.equal(verdict(last, fast), 'stale');
  assert.equal(verdict(last, claim(ERA_MAX, NOW + 2 * W + 1)), 'fresh');
});

test('a recorded request is never fresh again, nor is anything else that was', () => {
  const requests = fc.array(
    fc.record({
      era: fc.nat(3),
      time: fc.integer({ min: NOW - 12 * SECOND, max: NOW + 12 * SECOND }),
      close: fc.boolean(),
    }),
    { maxLength: 200, size: 'max' },
  );
  fc.assert(
    fc.property(requests, fc.boolean(), (list, narrow) => {
      let state: FreshnessRow | undefined;
      const recorded: FreshnessClaim[] = [];
      for (const { era, time, close } of list) {
        const request = claim(era, time, close && era === 2 ? 'close' : 'open');
        if (verdict(state, request) !== 'fresh') continue;
        state = record(state, request, NOW, narrow ? 5 * SECOND : W);
        recorded.push(request);
        for (const before of recorded) assert.notEqual(verdict(state, { ...before, kind: 'open' }), 'fresh');
      }
    }),
    { numRuns: 100 },
  );
});

/** Rule 2 to the letter: nothing leaves the seen times but the smallest of more than 64. */
function recordToTheLetter(
  state: FreshnessRow | undefined,
  request: FreshnessClaim,
  now: number,
  window: number,
): FreshnessRow {
  if (request.time > now + window) return row(request.era + 1, 0, 0, []);
  const same = state?.era === request.era ? state : undefined;
  const recent = [...(same?.recent ?? []), request.time].sort((a, b) => a - b);
  if (recent.length > RECENT_MAX) recent.shift();
  const floor = request.kind === 'close' ? request.time : (same?.floor ?? 0);
  return row(request.era, Math.max(same?.top ?? 0, request.time), floor, recent);
}

test('forgetting times that are ruled out anyway changes no answer', () => {
  const step = fc.record({
    ahead: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    by: fc.oneof(fc.integer({ min: -11 * SECOND, max: SECOND }), fc.integer({ min: -90, max: 90 })),
    close: fc.constantFrom(false, false, false, true),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      let lean: FreshnessRow | undefined;
      let whole: FreshnessRow | undefined;
      for (const { ahead, by, close } of steps) {
        const request = claim((whole?.era ?? 0) + ahead, (whole?.top ?? NOW) + by, close ? 'close' : 'open');
        assert.equal(verdict(lean, request), verdict(whole, request));
        if (verdict(whole, request) !== 'fresh') continue;
        lean = record(lean, request, NOW, W);
        whole = recordToTheLetter(whole, request, NOW, W);
        assert.ok(lean.recent.length <= whole.recent.length);
        assert.deepEqual({ ...lean, recent: [] }, { ...whole, recent: [] });
      }
    }),
    { numRuns: 300 },
  );
});

test('a request counts within its window only, and for the state that it was made for', () => {
  const stateId = new Uint8Array(8).fill(7);
  const at = (time: number, id: Uint8Array = stateId): string =>
    judge({ time: time as UnixMicros, stateId: id }, NOW, W, Uint8Array.from(stateId));
  assert.equal(at(NOW), 'ok');
  assert.equal(at(NOW - W), 'ok');
  assert.equal(at(NOW + W), 'ok');
  assert.equal(at(NOW - W - 1), 'clock');
  assert.equal(at(NOW + W + 1), 'clock');
  assert.equal(at(NOW, new Uint8Array(8)), 'resync');
  assert.equal(at(NOW, stateId.subarray(1)), 'resync');
  assert.equal(at(0, new Uint8Array(8)), 'clock', 'the clock comes first: its receipt tells the state too');
});

test('only what opens for an observed source has the narrow window', () => {
  const observed = { type: 'observed' } as const;
  const stated = { type: 4, prefix: 32, address: new Uint8Array(16) } as const;
  for (const kind of ['open', 'extend'] as const) {
    assert.equal(windowOf(kind, observed), 30 * SECOND);
    assert.equal(windowOf(kind, stated), W);
  }
  for (const kind of ['close', 'whoami', 'enrol'] as const) assert.equal(windowOf(kind, observed), W);
});

test('a row is read back from its bytes, and nothing else passes for one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -20 * SECOND, max: W }), { maxLength: 100 }),
      fc.nat(ERA_MAX - 1),
      (times, era) => {
        let state: FreshnessRow | undefined;
        for (const time of times) {
          const request = claim(era, NOW + time, time % 5 === 0 ? 'close' : 'open');
          if (freshness(state, request).ok) state = record(state, request, NOW, W);
        }
        state ??= row(era, 0, 0, []);
        const bytes = encodeRow(state);
        assert.equal(bytes.length, 20 + 8 * state.recent.length);
        assert.deepEqual(decodeRow(bytes), state);
      },
    ),
    { numRuns: 300 },
  );
  const good = encodeRow(row(1, NOW, 0, [NOW - 1, NOW]));
  for (const bad of [
    new Uint8Array(0),
    good.subarray(1),
    new Uint8Array(20 + 8 * (RECENT_MAX + 1)),
    encodeRow(row(1, NOW, 0, [NOW, NOW])),
    encodeRow(row(1, NOW, 0, [NOW, NOW - 1])),
    encodeRow(row(1, NOW, 0, [NOW + 1])),
    encodeRow(row(1, NOW, 0, [NOW - 10 * SECOND])),
    encodeRow(row(1, NOW, NOW + 1, [])),
    good.map((byte, i) => (i === 4 ? 0xff : byte)),
    good.map((byte, i) => (i === 12 ? 0xff : byte)),
  ]) {
    assert.throws(() => decodeRow(bad), RangeError);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assert.deepEqual(encodeRow(decodeRow(bytes)), Uint8Array.from(bytes));
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
    { numRuns: 2000 },
  );
});
