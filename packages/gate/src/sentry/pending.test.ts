import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_PENDING, Pending, PENDING_MICROS, type Outstanding } from './pending.ts';

const outstanding = (mark: number): Outstanding => ({
  path: { family: 4, address: new Uint8Array(16), port: mark, local: new Uint8Array(16), interfaceIndex: 1 },
  mac: new Uint8Array(16),
  receiptKey: new Uint8Array(32).fill(1),
});

/** Adds one, and gives its id. */
function add(pending: Pending, request: Outstanding, now: number): number {
  const id = pending.id();
  pending.add(id, request, now);
  return id;
}

test('a request can be answered once', () => {
  const pending = new Pending();
  const first = add(pending, outstanding(1), 0);
  const second = add(pending, outstanding(2), 0);
  assert.equal(pending.take(second, 1)?.path.port, 2);
  assert.equal(pending.take(second, 1), undefined);
  assert.equal(pending.take(12345, 1), undefined);
  assert.equal(pending.take(first, 1)?.path.port, 1);
  assert.equal(pending.size, 0);
});

test('a request that waited too long is forgotten and its key is wiped', () => {
  const pending = new Pending();
  const old = outstanding(1);
  const id = add(pending, old, 0);
  assert.equal(pending.take(id, PENDING_MICROS), undefined);
  assert.deepEqual(old.receiptKey, new Uint8Array(32));
  assert.equal(pending.size, 0);
});

test('a clock that goes back keeps nothing for longer', () => {
  const pending = new Pending();
  add(pending, outstanding(1), 10 * PENDING_MICROS);
  pending.expire(0);
  assert.equal(pending.size, 0);
});

test('memory is bounded: the oldest request waits in vain', () => {
  const pending = new Pending();
  const ids = Array.from({ length: MOST_PENDING + 10 }, (_, index) => add(pending, outstanding(index), 0));
  assert.equal(pending.size, MOST_PENDING);
  assert.equal(pending.take(ids[9] ?? -1, 1), undefined);
  assert.equal(pending.take(ids[10] ?? -1, 1)?.path.port, 10);
});
