import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from './bytes.ts';
import { importSigner, importVerifier } from './device-key.ts';
import { STATEMENT } from './layout.ts';
import type { Unsealed } from './open.ts';
import { decodeStatement, encodeStatement } from './statement.ts';
import { Gate } from './testdata/chain.ts';
import { readVectors } from './testdata/read-vectors.ts';
import type { ValidFile } from './testdata/vector-files.ts';
import { verifyStatement } from './verify.ts';

const { keys, vectors } = readVectors('spa-v1-valid.json') as ValidFile;
const gate = new Gate(keys);

/** One unsealed request of each kind, and one of suite 2. */
const requests = [...new Map(vectors.map((vector) => [`${vector.statement.kind}${vector.suite}`, vector])).values()]
  .filter(({ suite, statement }) => suite === 1 || statement.kind === 'open')
  .map((vector): Omit<Unsealed, 'receiptKey'> => {
    const context = { now: vector.heard.now, gateKeys: [keys.gateKey, keys.nextGateKey], pq: 'off' } as const;
    const unsealed = gate.unseal(fromHex(vector.packet), context);
    assert.ok(unsealed.ok);
    return unsealed.value;
  });

test('a taken-over sentry cannot change one bit of what a device signed', () => {
  assert.equal(requests.length, 6);
  for (const request of requests) {
    assert.ok(gate.verify(request).ok);
    for (let bit = 0; bit < STATEMENT.end * 8; bit++) {
      const plaintext = flipped(request.plaintext, bit);
      const decoded = decodeStatement(plaintext);
      if (!decoded.ok) continue;
      const refused = gate.verify({ ...request, plaintext, statement: decoded.value });
      assert.ok(!refused.ok, `plaintext bit ${bit}`);
    }
    for (let bit = 0; bit < 64; bit++) {
      assert.ok(!gate.verify({ ...request, nonce: flipped(request.nonce, bit) }).ok, `nonce bit ${bit}`);
    }
    for (let bit = 0; bit < 256; bit++) {
      assert.ok(!gate.verify({ ...request, encHash: flipped(request.encHash, bit) }).ok, `hash bit ${bit}`);
    }
    assert.ok(!gate.verify({ ...request, suite: request.suite === 1 ? 2 : 1 }).ok);
  }
});

test('a statement that is not the one in the signed plaintext is never verified', () => {
  for (const request of requests) {
    const other = { ...request.statement, era: request.statement.era - 1 };
    assert.deepEqual(
      gate.verify({ ...request, statement: { ...request.statement, era: other.era < 0 ? 1 : other.era } }),
      {
        ok: false,
        reason: 'signature',
      },
    );
  }
});

test('a signature counts for the device that the statement names and for no other that signed the same', () => {
  const [request] = requests;
  assert.ok(request !== undefined);
  const signer = importSigner(fromHex(keys.newDevice.seed));
  const verifier = importVerifier(signer.publicKey);
  assert.ok(verifier !== undefined);
  const staticHash = gate.statics[request.suite].public.hash;
  assert.ok(!verifyStatement({ ...request, staticHash, verifier }).ok);

  const message = fromHex(vectors.find(({ packet }) => packet.endsWith(toHexOf(request.mac)))?.signedMessage ?? '');
  const plaintext = request.plaintext.slice();
  plaintext.set(signer.sign(message), STATEMENT.signature);
  assert.ok(verifier.verifies(message, plaintext.subarray(STATEMENT.signature)));
  assert.ok(!verifyStatement({ ...request, plaintext, staticHash, verifier }).ok);
});

test('what is verified is the very statement, and parts of the wrong size are a RangeError', () => {
  const [request] = requests;
  assert.ok(request !== undefined);
  const verified = gate.verify(request);
  assert.ok(verified.ok);
  assert.equal(verified.value, request.statement);
  assert.deepEqual(encodeStatement(verified.value), request.plaintext.subarray(0, STATEMENT.signed));
  for (const part of [
    { nonce: new Uint8Array(7) },
    { encHash: new Uint8Array(33) },
    { plaintext: new Uint8Array(118) },
  ]) {
    assert.throws(() => gate.verify({ ...request, ...part }), RangeError);
  }
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const other = bytes.slice();
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return other;
}

function toHexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
