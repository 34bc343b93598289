import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MICROS_PER_SECOND, toHex, type UnixMicros } from '@postern/protocol';
import type { GateKeys } from '../config/gate-key.ts';
import { gateKeyId, isNewest, newest, rotate, settle } from './rotation.ts';

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const at = (seconds: number): UnixMicros => (seconds * MICROS_PER_SECOND) as UnixMicros;
const resting: GateKeys = { current: key(1), next: undefined, since: undefined, again: false };

test('a revocation brings a next key and keeps the current one', () => {
  const rotating = rotate(resting, key(2), at(10));
  assert.deepEqual(rotating, { current: key(1), next: key(2), since: at(10), again: false });
  assert.deepEqual(newest(rotating), key(2));
  assert.ok(isNewest(rotating, toHex(gateKeyId(key(2)))));
  assert.ok(!isNewest(rotating, toHex(gateKeyId(key(1)))));
});

test('a rotation lasts while a live device is behind, at most 30 days', () => {
  const rotating = rotate(resting, key(2), at(10));
  const fresh = (): Uint8Array => key(3);
  assert.equal(settle(rotating, 1, fresh, at(11)), rotating);
  assert.equal(settle(rotating, 1, fresh, at(10 + 30 * 86_400 - 1)), rotating);
  const ended = { current: key(2), next: undefined, since: undefined, again: false };
  assert.deepEqual(settle(rotating, 1, fresh, at(10 + 30 * 86_400)), ended);
  assert.deepEqual(settle(rotating, 0, fresh, at(11)), ended);
});

test('whoever is revoked during a rotation may know its next key, so another rotation follows with a key that he never saw', () => {
  const twice = rotate(rotate(resting, key(2), at(10)), key(9), at(20));
  assert.deepEqual(twice.next, key(2));
  const after = settle(twice, 0, () => key(3), at(30));
  assert.deepEqual(after, { current: key(2), next: key(3), since: at(30), again: false });
});

test('after any history at most two keys live, and a key never lives 60 days after a revocation', () => {
  const step = fc.record({ revoke: fc.boolean(), behind: fc.nat(2), days: fc.integer({ min: 0, max: 20 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let keys = resting;
      let day = 0;
      let made = 1;
      const lastRevocation = new Map<string, number>();
      const fresh = (): Uint8Array => key(++made % 256);
      for (const { revoke, behind, days } of steps) {
        for (let d = 0; d < days; d++) keys = settle(keys, behind, fresh, at(++day * 86_400));
        if (revoke) {
          for (const live of [keys.current, ...(keys.next === undefined ? [] : [keys.next])]) {
            if (!lastRevocation.has(toHex(live))) lastRevocation.set(toHex(live), day);
          }
          keys = rotate(keys, fresh(), at(day * 86_400));
        }
        for (const live of [keys.current, ...(keys.next === undefined ? [] : [keys.next])]) {
          const since = lastRevocation.get(toHex(live));
          if (since !== undefined)
            assert.ok(day - since <= 61, `a key lived ${String(day - since)} days after a revocation`);
        }
        assert.equal(keys.next === undefined, keys.since === undefined);
      }
    }),
  );
});
