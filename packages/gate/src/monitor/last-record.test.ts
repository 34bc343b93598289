import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { DeviceId, FreshnessRow } from '@postern/protocol';
import { LastRecord } from './last-record.ts';

const STATE = new Uint8Array(8).fill(3);
const LAPTOP = '00112233445566778899aabbccddeeff' as DeviceId;
const PHONE = 'ffeeddccbbaa99887766554433221100' as DeviceId;
const row = (top: number, count = 2): FreshnessRow => ({
  era: 3,
  top,
  floor: 1,
  recent: Array.from({ length: count }, (_, index) => top - count + 1 + index),
});

function place(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-mirror-'));
  context.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return join(directory, 'run', 'last-record');
}

/** A database that holds these rows. */
const holding =
  (rows: Record<string, FreshnessRow>) =>
  (device: DeviceId): FreshnessRow | undefined =>
    rows[device];

/** Whether a new start takes the state for the one that was written last. */
function matches(file: string, rows: Record<string, FreshnessRow>, state: Uint8Array = STATE): boolean {
  using mirror = new LastRecord(file);
  return mirror.matches(state, holding(rows));
}

test('a state that has just what was recorded last is the same; one that lacks it, or is another, is not', (context) => {
  const file = place(context);
  {
    using mirror = new LastRecord(file);
    mirror.clear(STATE);
    mirror.set(LAPTOP, row(1000));
    mirror.set(PHONE, row(2000));
  }
  assert.ok(matches(file, { [LAPTOP]: row(1000), [PHONE]: row(2000) }));
  assert.ok(matches(file, { [PHONE]: row(2000) }), 'only the last is asked for');
  assert.ok(!matches(file, { [LAPTOP]: row(1000), [PHONE]: row(1999) }), 'an older row');
  assert.ok(!matches(file, { [PHONE]: { ...row(2000), floor: 2 } }), 'another row');
  assert.ok(!matches(file, { [LAPTOP]: row(1000) }), 'none');
  assert.ok(!matches(file, { [PHONE]: row(2000) }, new Uint8Array(8).fill(4)), 'another state');
});

test('a state of which nothing was recorded matches; a mirror that is not there matches nothing', (context) => {
  const file = place(context);
  assert.ok(!matches(file, {}));
  {
    using mirror = new LastRecord(file);
    mirror.clear(STATE);
  }
  assert.ok(matches(file, {}));
  rmSync(file);
  assert.ok(!matches(file, { [LAPTOP]: row(1000) }));
});

test('what follows goes on from what was found', (context) => {
  const file = place(context);
  {
    using first = new LastRecord(file);
    first.clear(STATE);
  }
  {
    using second = new LastRecord(file);
    assert.ok(second.matches(STATE, holding({})));
    second.set(LAPTOP, row(5000));
  }
  assert.ok(matches(file, { [LAPTOP]: row(5000) }));
});

test('a row of every size fits, the largest too, and a shorter one leaves nothing of a longer one', (context) => {
  const file = place(context);
  {
    using mirror = new LastRecord(file);
    mirror.clear(STATE);
    mirror.set(LAPTOP, row(1_800_000_000_000_000, 64));
  }
  assert.ok(matches(file, { [LAPTOP]: row(1_800_000_000_000_000, 64) }));
  {
    using mirror = new LastRecord(file);
    assert.ok(mirror.matches(STATE, holding({ [LAPTOP]: row(1_800_000_000_000_000, 64) })));
    mirror.set(LAPTOP, row(1_800_000_000_000_001, 1));
  }
  assert.ok(matches(file, { [LAPTOP]: row(1_800_000_000_000_001, 1) }));
});

test('another boot, a torn write and any other bytes match nothing and throw nothing', (context) => {
  const file = place(context);
  {
    using mirror = new LastRecord(file);
    mirror.clear(STATE);
    mirror.set(LAPTOP, row(1000));
  }
  const whole = readFileSync(file);
  const rows = { [LAPTOP]: row(1000) };
  assert.ok(matches(file, rows));
  const other = Buffer.from(whole);
  other[2] = (other[2] ?? 0) ^ 1;
  writeFileSync(file, other);
  assert.ok(!matches(file, rows), 'another boot');
  for (let size = 0; size < whole.length; size++) {
    writeFileSync(file, whole.subarray(0, size));
    assert.ok(!matches(file, rows), `cut to ${String(size)}`);
  }
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const changed = Buffer.from(whole);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(file, changed);
    assert.ok(!matches(file, rows), `bit ${String(bit)} is another`);
  }
  writeFileSync(file, Buffer.alloc(100_000, 0xff));
  assert.ok(!matches(file, rows));
});

test('it is for root alone', (context) => {
  const file = place(context);
  using mirror = new LastRecord(file);
  mirror.clear(STATE);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
});
