import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secret } from '@postern/protocol';
import fc from 'fast-check';
import { MOST_PENDING, Pending, PENDING_MICROS, type Outstanding } from './pending.ts';

/** A request whose every field says which it is. */
const outstanding = (mark: number): Outstanding => ({
  path: {
    family: mark % 2 === 0 ? 4 : 6,
    address: new Uint8Array(16).fill(mark),
    port: mark % 65_536,
    local: new Uint8Array(16).fill(mark + 1),
    interfaceIndex: mark,
  },
  mac: new Uint8Array(16).fill(mark + 2),
  receiptKey: secret(new Uint8Array(32).fill((mark % 255) + 1)),
});

/** Adds one, and gives its id. */
function add(pending: Pending, request: Outstanding, now: number): number {
  const { id } = pending;
  pending.add(request, now);
  return id;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

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

test('a request comes out as it went in, and its key is nowhere else', () => {
  const keys = new Uint8Array(MOST_PENDING * 32);
  const pending = new Pending(0, keys);
  const given = outstanding(7);
  const id = add(pending, given, 0);
  assert.ok(isZero(given.receiptKey) && !isZero(keys));
  const taken = pending.take(id, 1);
  assert.deepEqual(taken, outstanding(7));
  assert.ok(isZero(keys));
});

test('a request that waited too long is forgotten and its key is wiped', () => {
  const keys = new Uint8Array(MOST_PENDING * 32);
  const pending = new Pending(0, keys);
  const id = add(pending, outstanding(1), 0);
  assert.equal(pending.take(id, PENDING_MICROS), undefined);
  assert.ok(isZero(keys));
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

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send'), count: fc.constantFrom(1, 3, 900) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('take'), back: fc.integer({ min: 0, max: 5000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass'), micros: fc.constantFrom(1, 4_000_000, 10_000_000) }) },
);

test('whatever is sent and answered: who is answered waited less than 10 s and was among the last 4,096', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 2 ** 32 - 2000), (history, first) => {
      const keys = new Uint8Array(MOST_PENDING * 32);
      const pending = new Pending(first, keys);
      const model = new Map<number, { readonly mark: number; readonly expires: number }>();
      let [now, last] = [0, first];
      const prune = (): void => {
        for (const [id, { expires }] of model) if (expires <= now || (last - id) >>> 0 > MOST_PENDING) model.delete(id);
      };
      for (const next of history) {
        if (next.do === 'pass') now += next.micros;
        else if (next.do === 'take') {
          const id = (last - next.back) >>> 0;
          prune();
          const mark = model.get(id)?.mark;
          assert.deepEqual(pending.take(id, now), mark === undefined ? undefined : outstanding(mark));
          model.delete(id);
        } else
          for (let made = 0; made < next.count; made++) {
            assert.equal(pending.id, last);
            model.set(last, { mark: made, expires: now + PENDING_MICROS });
            pending.add(outstanding(made), now);
            last = (last + 1) >>> 0;
          }
        pending.expire(now);
        prune();
        assert.equal(pending.size, model.size);
      }
      const held = Array.from({ length: MOST_PENDING }, (_, place) => keys.subarray(32 * place, 32 * (place + 1)));
      assert.equal(held.filter((key) => !isZero(key)).length, model.size);
    }),
    { numRuns: 50 },
  );
});
