import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from './bytes.ts';
import { deriveEpochKeys } from './epoch.ts';
import { LONG_PACKET, SHORT_PACKET } from './layout.ts';
import { lengthMatches, macMatches, tagMatches, unmaskRequest, unsealRequest, unsealUnmasked } from './open.ts';
import { Gate } from './testdata/chain.ts';
import * as oracle from './testdata/oracle.ts';
import { readVectors } from './testdata/read-vectors.ts';
import { seeded } from './testdata/seeded.ts';
import type { ValidFile, ValidVector } from './testdata/vector-files.ts';

const { keys, vectors } = readVectors('spa-v1-valid.json') as ValidFile;
const gate = new Gate(keys);

test('any bit flipped anywhere in any valid packet is refused', () => {
  for (const vector of vectors) {
    const packet = fromHex(vector.packet);
    assert.ok(accepted(vector, packet), vector.name);
    for (let bit = 0; bit < packet.length * 8; bit++) {
      flip(packet, bit);
      if (accepted(vector, packet)) assert.fail(`${vector.name}: bit ${bit}`);
      flip(packet, bit);
    }
  }
});

test('any bit flipped by somebody who has the gate key, and makes tag and mac fit again, is refused', () => {
  const kinds = new Set<string>();
  for (const vector of vectors) {
    const { kind } = vector.statement;
    if (kinds.has(kind) || (vector.suite === 2 && kinds.has('suite 2'))) continue;
    kinds.add(vector.suite === 2 ? 'suite 2' : kind);
    const epochKeys = oracle.epochKeys(fromHex(keys[vector.gateKey]), vector.epoch);
    const ours = deriveEpochKeys(fromHex(keys[vector.gateKey]), vector.epoch);
    const original = fromHex(vector.packet);
    for (let bit = 0; bit < (original.length - 16) * 8; bit++) {
      const packet = original.slice();
      flip(packet, bit);
      if (bit < 64) packet.set(oracle.tag(epochKeys, packet.subarray(0, 8)), 8);
      else if (bit < 96) continue; // The tag of a nonce is one.
      const forged = oracle.remac(epochKeys, packet);
      assert.ok(tagMatches(forged, ours.tag) && macMatches(forged, ours.mac));
      if (accepted(vector, forged)) assert.fail(`${vector.name}: bit ${bit}`);
    }
  }
  assert.equal(kinds.size, 5);
});

test('400,000 arbitrary packets: every step of the way in answers, and none of them throws', () => {
  const random = seeded('arbitrary packets');
  const { tag, mac, mask } = deriveEpochKeys(random(32), 1);
  let tagged = 0;
  for (let run = 0; run < 800; run++) {
    const noise = random(2048);
    for (let i = 0; i < 500; i++) {
      const size = i % 10 === 0 ? (i * 7) % 1500 : i % 2 === 0 ? SHORT_PACKET : LONG_PACKET;
      const packet = noise.subarray(i, i + size);
      if (tagMatches(packet, tag)) tagged++;
      assert.equal(lengthMatches(packet), size === SHORT_PACKET || size === LONG_PACKET);
      if (i % 25 === 0) assert.ok(!macMatches(packet, mac));
      if (i % 50 === 0) unmaskRequest(packet, mask);
      if (i % 100 === 0) assert.ok(!unsealRequest(packet, mask, gate.statics).ok);
    }
    // As if it had got as far as the public keys.
    const suite = run % 2 === 0 ? 1 : 2;
    const [enc, sealed] =
      suite === 1
        ? [noise.subarray(0, 32), noise.subarray(32, 323)]
        : [noise.subarray(0, 1120), noise.subarray(1120, 1343)];
    const unmasked = { suite, nonce: random(8), aad: random(12), enc, sealed, mac: random(16) } as const;
    assert.deepEqual(unsealUnmasked(unmasked, gate.statics), { ok: false, reason: 'unseal' });
  }
  assert.ok(tagged < 3, 'a random tag fits once in 2^32');
});

test('parts of an unmasked packet that are too short to be any are refused, not thrown at', () => {
  const random = seeded('short parts');
  for (const suite of [1, 2] as const) {
    for (const [enc, sealed] of [
      [0, 0],
      [32, 0],
      [1120, 15],
      [31, 300],
      [1121, 300],
    ] as const) {
      const unmasked = {
        suite,
        nonce: random(8),
        aad: random(12),
        enc: random(enc),
        sealed: random(sealed),
        mac: random(16),
      };
      assert.deepEqual(unsealUnmasked(unmasked, gate.statics), { ok: false, reason: 'unseal' });
    }
  }
});

test('what was unsealed is its own: using the receive buffer again changes nothing', () => {
  const [vector] = vectors;
  assert.ok(vector !== undefined);
  const { mask } = deriveEpochKeys(fromHex(keys.gateKey), vector.epoch);
  const buffer = Buffer.from(vector.packet, 'hex');
  const unsealed = unsealRequest(buffer, mask, gate.statics);
  assert.ok(unsealed.ok);
  buffer.fill(0);
  assert.equal(toHex(unsealed.value.nonce), vector.nonce);
  assert.equal(toHex(unsealed.value.mac), vector.mac);
  assert.ok(gate.verify(unsealed.value).ok);
});

test('packets look random: no byte of many is the same or takes few values', () => {
  const of = vectors.filter(({ suite }) => suite === 1).map(({ packet }) => fromHex(packet));
  for (let at = 0; at < SHORT_PACKET; at++) {
    const values = new Set(of.map((packet) => packet[at]));
    assert.ok(values.size > of.length / 2, `byte ${at}: ${values.size} values in ${of.length} packets`);
  }
});

/** Whether the packet passes all the checks that need no state: tag, mac, unseal, decode, audience, signature. */
function accepted(vector: ValidVector, packet: Uint8Array): boolean {
  const context = { now: vector.heard.now, gateKeys: [keys[vector.gateKey]], pq: 'off' } as const;
  const unsealed = gate.unseal(packet, context);
  return unsealed.ok && gate.verify(unsealed.value).ok;
}

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}
