/** What is made for every packet has its properties in the object: V8 keeps those of an object literal with a getter in a dictionary of 900 bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { ascii, fromHex } from './bytes.ts';
import { contextOf, schedule } from './hpke.ts';
import { Gate } from './testdata/chain.ts';
import { readVectors } from './testdata/read-vectors.ts';
import type { ValidFile } from './testdata/vector-files.ts';

setFlagsFromString('--allow-natives-syntax');
const isFast = runInThisContext('(it) => %HasFastProperties(it)') as (it: object) => boolean;

test('the question can be answered with no', () => {
  const made = (): object => ({
    get it() {
      return made;
    },
  });
  assert.equal(isFast({ a: 1 }), true);
  assert.equal(isFast(made()), false);
});

test('keys of messages, and requests, have no dictionary of properties', () => {
  assert.ok(isFast(contextOf(schedule(0x0020, ascii('one')), new Uint8Array(32))));

  const { keys, vectors } = readVectors('spa-v1-valid.json') as ValidFile;
  const gate = new Gate(keys);
  assert.ok(vectors.length > 2);
  for (const { packet, heard, name } of vectors) {
    const context = { now: heard.now, gateKeys: [keys.gateKey, keys.nextGateKey], pq: 'off' } as const;
    const unsealed = gate.unseal(fromHex(packet), context);
    assert.ok(unsealed.ok && isFast(unsealed.value) && isFast(unsealed.value.statement), name);
  }
});
