import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from './secret.ts';

const bytes = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const secret = new Secret(bytes);

test('no way of printing a secret shows a byte of it', () => {
  const shown = [
    inspect(secret),
    inspect({ deep: { secret } }, { depth: 9 }),
    inspect([secret.subarray(0, 4)]),
    format('%s %o %O %j', secret, secret, secret, secret),
    JSON.stringify({ secret, list: [secret.slice(1, 9)] }),
    String(secret),
    `${secret.toString()} ${secret.toLocaleString()} ${secret.join()}`,
    new Error('failed', { cause: secret }).toString(),
    inspect(new Error('failed', { cause: secret })),
  ];
  for (const text of shown) {
    assert.doesNotMatch(text.replaceAll(/at .*|\d+:\d+/g, ''), /\b(1|01|2|02), ?|"1":|0102/, text);
  }
  assert.equal(JSON.stringify(secret), '"[secret]"');
});

test('a secret is bytes to whoever works with bytes', () => {
  assert.ok(secret instanceof Secret);
  assert.ok(secret.subarray(3) instanceof Secret);
  assert.deepEqual(secret.reveal(), bytes);
  assert.equal(Object.getPrototypeOf(secret.reveal()), Uint8Array.prototype);
  assert.equal(createHash('sha256').update(secret).digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  assert.deepEqual(new Secret(bytes).reveal().subarray(4, 8), bytes.subarray(4, 8));
});
