import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { deriveEpochKeys } from './epoch.ts';
import { secret, SecretBytes } from './secret.ts';

const bytes = Uint8Array.of(222, 173, 190, 239);

test('a secret never shows its bytes when it is printed, logged or serialised', () => {
  const hidden = secret(bytes);
  const holder = { hidden, list: [hidden] };
  for (const text of [
    String(hidden),
    `${hidden.toString()} ${hidden.toLocaleString()}`,
    JSON.stringify(holder),
    inspect(holder),
    inspect(holder, { showHidden: true, depth: null }),
  ]) {
    assert.match(text, /\[secret, 4 bytes\]/);
    assert.doesNotMatch(text, /222|173|190|239|de.?ad/i);
  }
});

test('what is cut out of a secret is secret too', () => {
  assert.ok(secret(bytes).subarray(1) instanceof SecretBytes);
  assert.ok(secret(bytes).slice(0, 2) instanceof SecretBytes);
});

test('a secret is the same memory and the same bytes', () => {
  const copy = bytes.slice();
  const hidden = secret(copy);
  copy[0] = 1;
  assert.deepEqual([...hidden], [1, 173, 190, 239]);
});

test('the keys of an epoch are secrets', () => {
  const keys = deriveEpochKeys(new Uint8Array(32).fill(7), 1);
  assert.equal(
    JSON.stringify(keys),
    '{"tag":"[secret, 8 bytes]","mask":"[secret, 32 bytes]","mac":"[secret, 32 bytes]"}',
  );
});
