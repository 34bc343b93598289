import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  importSigner,
  importStaticPrivate,
  PACKET,
  type Random,
  type RequestId,
  sealRequest,
  type Statement,
  type Suite,
  type UnixMicros,
} from '@postern/protocol';
import fc from 'fast-check';
import { MOST_FAILURES } from './failed-nonces.ts';
import { LIMITS, Pipeline, type Limits } from './pipeline.ts';
import { MOST_SOURCES } from './seen.ts';

const EPOCH = 8_192_000_000;
const NOW = (219_000 * EPOCH + EPOCH / 4) as UnixMicros;
const gateKey = randomBytes(32);
const otherKey = randomBytes(32);
const statics = { 1: importStaticPrivate(1, randomBytes(32)), 2: importStaticPrivate(2, randomBytes(32)) };
const stranger = importStaticPrivate(1, randomBytes(32));
const signer = importSigner(randomBytes(32));

interface Wish {
  readonly suite?: Suite;
  readonly key?: Uint8Array;
  readonly at?: number;
  readonly gate?: typeof stranger;
  readonly audience?: Uint8Array;
  readonly random?: Random;
}

function packetOf({
  suite = 1,
  key = gateKey,
  at = NOW,
  gate = statics[suite],
  audience,
  random = randomBytes,
}: Wish = {}): Buffer {
  const statement: Statement = {
    kind: 'whoami',
    singleUse: false,
    device: deviceIdOf(signer.publicKey),
    era: 1,
    time: NOW,
    stateId: new Uint8Array(8),
    requestId: '0011223344556677' as RequestId,
    audience: audience ?? gate.public.audience,
    source: { type: 'observed' },
    seconds: 0,
    service: undefined,
    newDevice: undefined,
  };
  const keys = deriveEpochKeys(key, epochOf(at as UnixMicros));
  return Buffer.from(sealRequest({ gate: gate.public, keys, statement, signer, random }).packet);
}

function address(last: number, third = 0): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, third, last);
}

function pipelineOf(keys: readonly Uint8Array[] = [gateKey], pqRequired = false, limits: Limits = LIMITS): Pipeline {
  const pipeline = new Pipeline(statics, pqRequired, limits);
  pipeline.setKeys(keys, NOW);
  return pipeline;
}

function outcome(pipeline: Pipeline, packet: Buffer, source: Uint8Array = address(1), now: number = NOW): string {
  const result = pipeline.receive(packet, source, 4, now as UnixMicros);
  return result.ok ? 'opened' : result.reason;
}

test('a knock of either suite opens, and says which gate key it used', () => {
  const pipeline = pipelineOf([otherKey, gateKey]);
  for (const suite of [1, 2] as const) {
    const result = pipeline.receive(packetOf({ suite }), address(1), 4, NOW);
    assert.ok(result.ok);
    assert.equal(result.value.gateKey, 1);
    assert.equal(result.value.unsealed.suite, suite);
  }
});

test('every bit of a valid knock matters', () => {
  const packet = packetOf();
  const pipeline = pipelineOf();
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const changed = Buffer.from(packet);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(['tag', 'mac', 'nonce-failed'].includes(outcome(pipeline, changed)));
  }
});

test('it is total on arbitrary bytes', () => {
  const pipeline = pipelineOf();
  const size = fc.constantFrom(0, 1, 351, 352, 353, 1371, 1372, 1373);
  fc.assert(
    fc.property(
      size.chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
      (bytes) => {
        const expected = bytes.length === 352 || bytes.length === 1372 ? 'tag' : 'length';
        assert.equal(outcome(pipeline, Buffer.from(bytes)), expected);
      },
    ),
  );
});

test('refusals come in the order of the specification', () => {
  const pipeline = pipelineOf();
  assert.equal(outcome(pipeline, packetOf().subarray(1)), 'length');
  assert.equal(outcome(pipeline, packetOf({ key: otherKey })), 'tag');
  assert.equal(outcome(pipeline, packetOf({ at: NOW + 2 * EPOCH })), 'tag');
  const packet = packetOf();
  assert.equal(outcome(pipeline, packet), 'opened');
  assert.equal(outcome(pipeline, packet), 'duplicate');
  // The same mac over other bytes is still a copy: nothing is computed for it.
  const forged = Buffer.from(packet);
  forged[100] = (forged[100] ?? 0) ^ 1;
  assert.equal(outcome(pipeline, forged), 'duplicate');
  assert.equal(outcome(pipeline, forged, address(2)), 'mac');
  assert.equal(outcome(pipeline, packetOf({ gate: stranger })), 'unseal');
  assert.equal(outcome(pipeline, packetOf({ audience: new Uint8Array(16) })), 'audience');
  assert.equal(outcome(pipelineOf([gateKey], true), packetOf()), 'suite-refused');
  assert.equal(outcome(pipelineOf([gateKey], true), packetOf({ suite: 2 })), 'opened');
});

test('a mac is heard from four sources', () => {
  const pipeline = pipelineOf();
  const packet = packetOf();
  for (let source = 1; source <= MOST_SOURCES; source++)
    assert.equal(outcome(pipeline, packet, address(source)), 'opened');
  assert.equal(outcome(pipeline, packet, address(9)), 'too-many-sources');
  assert.equal(outcome(pipeline, packet, address(1)), 'duplicate');
});

test('a nonce that failed eight times is not looked at again', () => {
  const pipeline = pipelineOf();
  const packet = packetOf();
  for (let failure = 0; failure < MOST_FAILURES; failure++) {
    const forged = Buffer.from(packet);
    forged.writeUInt32BE(failure, 336);
    assert.equal(outcome(pipeline, forged), 'mac');
  }
  assert.equal(outcome(pipeline, packet), 'nonce-failed');
  assert.equal(outcome(pipeline, packetOf()), 'opened', 'another nonce is');
});

test('a prefix that uses up its ration does not take it from others', () => {
  const limits = { ...LIMITS, prefix: { burst: 3, rate: 1 } };
  const pipeline = pipelineOf([gateKey], false, limits);
  for (let count = 0; count < 3; count++) assert.equal(outcome(pipeline, packetOf(), address(count)), 'opened');
  assert.equal(outcome(pipeline, packetOf(), address(77)), 'budget');
  assert.equal(outcome(pipeline, packetOf(), address(1, 1)), 'opened', 'another /24');
  assert.equal(outcome(pipeline, packetOf(), address(1), NOW + 1_000_000), 'opened', 'a second later');
});

test('an epoch begins with nothing of what failed and was seen in the one whose memory it takes over', () => {
  const pipeline = pipelineOf();
  const nonce = randomBytes(PACKET.nonceSize);
  const random = (size: number): Uint8Array => (size === PACKET.nonceSize ? nonce : randomBytes(size));
  for (let epoch = 0; epoch < 6; epoch++) {
    const now = NOW + 2 * epoch * EPOCH;
    const packet = packetOf({ at: now, random });
    assert.equal(outcome(pipeline, packet, address(1), now), 'opened');
    for (let failure = 0; failure < MOST_FAILURES; failure++) {
      const forged = Buffer.from(packet);
      forged.writeUInt32BE(failure, 336);
      assert.equal(outcome(pipeline, forged, address(1), now), 'mac');
    }
    assert.equal(outcome(pipeline, packet, address(1), now), 'nonce-failed');
  }
});

test('what was seen is kept when keys rotate and epochs turn', () => {
  const pipeline = pipelineOf();
  const packet = packetOf();
  assert.equal(outcome(pipeline, packet), 'opened');
  pipeline.setKeys([gateKey, otherKey], NOW);
  assert.equal(outcome(pipeline, packet), 'duplicate');
  pipeline.setKeys([otherKey, gateKey], NOW);
  assert.equal(outcome(pipeline, packet), 'duplicate');
  assert.equal(outcome(pipeline, packet, address(1), NOW + EPOCH / 2), 'duplicate');
  assert.equal(outcome(pipeline, packet, address(1), NOW + 2 * EPOCH), 'tag');
  pipeline.setKeys([otherKey], NOW);
  assert.equal(outcome(pipeline, packet), 'tag');
});

test('clocks that are off by up to 4,096 seconds are heard, those further off are not', () => {
  const reach = EPOCH / 2;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: EPOCH }), fc.integer({ min: -reach, max: reach }), (at, off) => {
      const now = 219_000 * EPOCH + at;
      const pipeline = pipelineOf();
      assert.equal(outcome(pipeline, packetOf({ at: now + off }), address(1), now), 'opened');
      assert.equal(outcome(pipeline, packetOf({ at: now + off + 2 * EPOCH }), address(1), now), 'tag');
      assert.equal(outcome(pipeline, packetOf({ at: now + off - 2 * EPOCH }), address(1), now), 'tag');
    }),
    { numRuns: 50 },
  );
});
