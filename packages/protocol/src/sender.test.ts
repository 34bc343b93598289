import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnixMicros } from './brand.ts';
import { ERA_MAX, freshness } from './freshness.ts';
import { firstState, KEPT_AHEAD, learn, nextRequest, type SenderReceipt, type SenderState } from './sender.ts';

const SECOND = 1_000_000;
const NOW = 1_790_000_000_000_000 as UnixMicros;
const STATE_ID = new Uint8Array(8).fill(1);
const GATE_KEY = new Uint8Array(32).fill(2);
const START = firstState(STATE_ID, GATE_KEY);

function at(micros: number): UnixMicros {
  return (NOW + micros) as UnixMicros;
}

function receipt(changes: Partial<SenderReceipt>): SenderReceipt {
  return { now: NOW, era: 0, stateId: STATE_ID, nextKey: undefined, ...changes };
}

test('a request carries the own clock, and one that follows at once a later time', () => {
  const first = nextRequest(START, NOW, 1);
  assert.deepEqual([first.era, first.time, first.clock], [0, NOW, NOW]);
  const second = nextRequest(first.state, NOW, 1);
  assert.deepEqual([second.era, second.time, second.clock], [0, NOW + 1, NOW]);
  assert.equal(nextRequest(second.state, at(-9 * SECOND), 1).time, NOW + 2, 'a small step back is no new era');
});

test('a clock that went back begins a new era', () => {
  const { state } = nextRequest(START, NOW, 1);
  const next = nextRequest(state, at(-11 * SECOND), 1);
  assert.deepEqual([next.era, next.time], [1, at(-11 * SECOND)]);
});

test('the third silent try goes one era on, and every further one twice as far', () => {
  let state: SenderState = START;
  const eras = [1, 2, 3, 4, 5, 6].map((attempt) => {
    const next = nextRequest(state, at(attempt * SECOND), attempt);
    state = next.state;
    return next.era;
  });
  assert.deepEqual(eras, [0, 0, 1, 3, 7, 15]);
});

test('a device restored from a backup is heard by the try that reaches the era of the gate', () => {
  const tries = (ahead: number): number => {
    const row = { era: ahead, top: NOW - SECOND, floor: 0, recent: [NOW - SECOND] };
    let state: SenderState = START;
    for (let attempt = 1; attempt < 20; attempt++) {
      const next = nextRequest(state, at(attempt * SECOND), attempt);
      if (freshness(row, { kind: 'open', ...next }).ok) return attempt;
      state = next.state;
    }
    return Infinity;
  };
  assert.deepEqual([0, 1, 2, 3, 4, 7, 8, 15, 16, 511, 512].map(tries), [1, 3, 4, 4, 5, 5, 6, 6, 7, 11, 12]);
  assert.deepEqual([1023, 1024, 1025].map(tries), [12, 13, Infinity], 'beyond that it needs a new invite');
});

test('every request lies after all before it, and no era is further ahead of the last receipt than is kept or searched', () => {
  const step = fc.record({ clock: fc.integer({ min: -5000, max: 5000 }), attempt: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      let state: SenderState = START;
      let before = { era: 0, time: 0 };
      for (const { clock, attempt } of steps) {
        const next = nextRequest(state, at(clock * SECOND), attempt);
        if (next.era === next.state.era) {
          assert.ok(next.era > before.era || (next.era === before.era && next.time > before.time));
          before = next;
        }
        assert.ok(next.state.era <= KEPT_AHEAD);
        assert.ok(next.era <= KEPT_AHEAD + 512);
        state = next.state;
      }
    }),
    { numRuns: 500 },
  );
});

test('a receipt teaches the era of a gate that ended it, and times start anew there', () => {
  const sent = nextRequest(START, at(600 * SECOND), 1);
  const state = learn(sent.state, receipt({ era: 1 }), at(600 * SECOND), at(600 * SECOND + 10), sent);
  assert.deepEqual([state.era, state.last, state.heard], [1, 0, 1]);
  const next = nextRequest(state, at(601 * SECOND), 1);
  assert.equal(next.era, 1);
  assert.ok(Math.abs(next.time - at(SECOND)) < 100, 'corrected by the clock that it learned');
});

test('a receipt for a request beyond what was kept teaches its time too', () => {
  const kept: SenderState = { ...START, era: KEPT_AHEAD, last: NOW };
  const probe = nextRequest(kept, at(SECOND), 3);
  assert.equal(probe.era, KEPT_AHEAD + 1);
  assert.equal(probe.state.era, KEPT_AHEAD);
  const state = learn(probe.state, receipt({ era: probe.era, now: at(SECOND) }), at(SECOND), at(SECOND), probe);
  assert.deepEqual([state.era, state.last, state.heard], [probe.era, probe.time, probe.era]);
});

test('an old receipt takes nothing back', () => {
  const sent = nextRequest({ ...START, era: 5, heard: 5, last: at(-1) }, NOW, 1);
  const state = learn(sent.state, receipt({ era: 4 }), NOW, NOW, { era: 4, time: at(-5) });
  assert.deepEqual([state.era, state.last, state.heard], [5, NOW, 5]);
});

test('a clock that turns out to be fast ends the era by itself, even where the gate let it pass', () => {
  const sent = nextRequest(START, at(60 * SECOND), 1);
  const state = learn(sent.state, receipt({ era: 0 }), at(60 * SECOND), at(60 * SECOND), sent);
  assert.deepEqual([state.era, state.last, state.offset], [1, 0, -60 * SECOND]);
});

test('the offset moves only when what was seen rules it out', () => {
  const cases: readonly (readonly [string, number, number, number, number, number])[] = [
    // what, offset, sent, received, the gate's clock, learned
    ['in step', 0, 0, 80, 40, 0],
    ['a bit off within the round trip stays', 30, 0, 80, 40, 30],
    ['behind', 0, 0, 80, 5000, 4960],
    ['ahead', 0, 5000, 5080, 40, -5000],
    ['too slow a round trip teaches nothing', 0, 0, 31 * SECOND, -3600 * SECOND, 0],
    ['a clock that was set back on the way counts when it was read last', 0, 9000, 40, 40, 0],
    ['the same, far off', 9, 9000, 40, 8040, 8000],
  ];
  for (const [what, offset, sent, received, now, learned] of cases) {
    const state = learn({ ...START, offset }, receipt({ now: at(now) }), at(sent), at(received), {
      era: 0,
      time: at(sent),
    });
    assert.equal(state.offset, learned, what);
  }
});

test('a receipt teaches the state id and the next gate key', () => {
  const stateId = new Uint8Array(8).fill(9);
  const nextKey = new Uint8Array(32).fill(9);
  const request = { era: 0, time: NOW };
  const state = learn(START, receipt({ stateId, nextKey }), NOW, NOW, request);
  assert.deepEqual([state.stateId, state.gateKey], [stateId, nextKey]);
  assert.deepEqual(learn(state, receipt({ stateId }), NOW, NOW, request).gateKey, nextKey);
});

test('every second try from the fourth on trusts the own clock alone', () => {
  const state = { ...START, offset: -3600 * SECOND };
  const clocks = [1, 2, 3, 4, 5, 6].map((attempt) => nextRequest(state, NOW, attempt).clock - NOW);
  assert.deepEqual(
    clocks,
    [-3600, -3600, -3600, 0, -3600, 0].map((seconds) => seconds * SECOND),
  );
});

test('at the last era and at the end of all times requests still go on', () => {
  let state: SenderState = { ...START, era: ERA_MAX, heard: ERA_MAX, last: at(1000 * SECOND) };
  for (let attempt = 1; attempt < 20; attempt++) {
    const next = nextRequest(state, NOW, attempt);
    assert.equal(next.era, ERA_MAX);
    assert.equal(next.time, state.last + 1);
    state = next.state;
  }
  for (const clock of [Number.MAX_SAFE_INTEGER, 2 ** 60, -5, 0]) {
    const first = nextRequest(START, clock as UnixMicros, 1);
    const second = nextRequest(first.state, clock as UnixMicros, 1);
    assert.ok(first.time >= 1 && Number.isSafeInteger(second.time));
    assert.ok(second.time > first.time);
  }
});
