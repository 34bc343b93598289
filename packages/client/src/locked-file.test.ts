import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { secret, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { Host } from './host.ts';
import { decodeHost, decodeSummary, encodeHost, HostFileError, summaryOf } from './host-file.ts';
import { type Derivation, deriveLock, type Lock } from './locked-file.ts';

/** Cheap: what is tested here is not Argon2id. */
const DERIVATION: Derivation = { cost: { memory: 8, passes: 1, lanes: 1 }, salt: new Uint8Array(16).fill(7) };
const LOCK = deriveLock('throw-away passphrase', DERIVATION);

const HOST: Host = {
  ...{ name: 'web1', seed: secret(new Uint8Array(32).fill(0xa5)), joined: 5 as UnixMicros, lock: LOCK },
  ...{ addresses: ['192.0.2.1'], port: 62_201, pq: 'off', services: ['ssh' as ServiceName], enrolment: undefined },
  gate: { x25519: new Uint8Array(32).fill(9), xwing: undefined },
  memory: {
    sender: {
      ...{ era: 1, last: 2 as UnixMicros, heard: 3, offset: -4, stateId: new Uint8Array(8) },
      gateKey: secret(new Uint8Array(32).fill(0xb6)),
    },
    ...{ formerKey: undefined, seen: new Map(), roundTrip: { smoothed: 5, variation: 6 } },
  },
};

const unlock = (): Lock => LOCK;

test('a sealed file gives the host to the passphrase, and to nobody a secret', () => {
  const text = encodeHost(HOST);
  assert.deepEqual(decodeHost(text, unlock), HOST);
  assert.deepEqual(decodeSummary(text), summaryOf(HOST));
  for (const hidden of ['a5a5', 'b6b6', '0909', 'seed', 'gateKey', 'passphrase'])
    assert.ok(!text.includes(hidden), hidden);
  assert.notEqual(encodeHost(HOST), text, 'no nonce is used twice');
  assert.ok(!inspect(HOST).includes(String(LOCK.key[0])));
  assert.throws(() => decodeHost(text), HostFileError);
});

test('another passphrase, and any changed character of the file, opens nothing', () => {
  const text = encodeHost(HOST);
  const other = deriveLock('throw-away passphrasf', DERIVATION);
  let asked = 0;
  const giveUp = (derivation: Derivation, wrong: boolean): Lock => {
    assert.deepEqual(derivation, DERIVATION);
    assert.equal(wrong, asked > 0);
    if (asked++ === 3) throw new RangeError('given up');
    return other;
  };
  assert.throws(() => decodeHost(text, giveUp), RangeError);
  assert.equal(asked, 4);

  const stop = (_: Derivation, wrong: boolean): Lock => {
    if (wrong) throw new RangeError('refused');
    return LOCK;
  };
  const whole = JSON.parse(text) as { sealed: Record<string, unknown> } & Record<string, unknown>;
  for (const [field, changed] of Object.entries({
    ...{ name: 'web2', addresses: ['192.0.2.2'], port: 62_202, pq: 'required', services: [], joined: 6 },
    ...{ device: '0'.repeat(32), enrolled: false, locked: false, offset: 0, roundTrip: 1, more: 1 },
  })) {
    assert.throws(() => decodeHost(JSON.stringify({ ...whole, [field]: changed }), stop), RangeError, field);
  }
  for (const field of ['nonce', 'box']) {
    const value = whole.sealed[field] as string;
    for (let at = 0; at < value.length - 2; at += 7) {
      const letter = value[at] === 'A' ? 'B' : 'A';
      const sealed = { ...whole.sealed, [field]: value.slice(0, at) + letter + value.slice(at + 1) };
      assert.throws(() => decodeHost(JSON.stringify({ ...whole, sealed }), stop), RangeError, `${field} ${at}`);
    }
  }
});

test('a file cannot ask for a derivation that uses up the machine, or for none', () => {
  const whole = JSON.parse(encodeHost(HOST)) as { sealed: Record<string, unknown> };
  for (const wrong of [
    ...[
      { memory: 4_194_305 },
      { memory: 7 },
      { passes: 0 },
      { passes: 65 },
      { lanes: 0 },
      { lanes: 2 },
      { kdf: 'pbkdf2' },
    ],
    ...[{ salt: '' }, { salt: 5 }, { nonce: 5 }, { box: null }, { memory: 1.5 }],
  ]) {
    const text = JSON.stringify({ ...whole, sealed: { ...whole.sealed, ...wrong } });
    assert.throws(() => decodeHost(text, () => assert.fail('asked')), HostFileError, JSON.stringify(wrong));
  }
});
