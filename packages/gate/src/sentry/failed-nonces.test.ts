import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FailedNonces, MOST_FAILURES } from './failed-nonces.ts';

const bytes = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));

test('a nonce is refused from its eighth failure on, whatever others do', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5).map(String), { maxLength: 100 }), (failures) => {
      const nonces = new FailedNonces(6);
      const counts = new Map<string, number>();
      for (const nonce of failures) {
        nonces.add(bytes(nonce));
        counts.set(nonce, (counts.get(nonce) ?? 0) + 1);
        for (const [other, count] of counts) assert.equal(nonces.has(bytes(other)), count >= MOST_FAILURES);
      }
    }),
  );
});

test('memory is bounded: the oldest nonce is forgotten', () => {
  const nonces = new FailedNonces(50);
  for (let index = 0; index < 100_000; index++) nonces.add(bytes(String(index)));
  assert.equal(nonces.size, 50);
  for (let time = 0; time < MOST_FAILURES; time++) nonces.add(bytes('late'));
  assert.ok(nonces.has(bytes('late')));
});
