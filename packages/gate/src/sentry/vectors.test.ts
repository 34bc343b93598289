/** The sentry's checks over the published vectors: what is refused here, what crosses the line, and what copies become in time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  familyOf,
  fromHex,
  parseAddress,
  REFUSALS,
  type Refusal,
  sha256,
  STATEMENT,
  toHex,
  type UnixMicros,
} from '@postern/protocol';
import { INVALID, staticsOf, VALID, type VectorContext } from '../testing/vectors.ts';
import { type Opened, Pipeline } from './pipeline.ts';

const valid = staticsOf(VALID.keys);
const invalid = staticsOf(INVALID.keys);

/** The reasons that the sentry finds; all others are the monitor's. */
const HERE = new Set<Refusal>(REFUSALS.slice(0, REFUSALS.indexOf('monitor-busy')));

function hear(pipeline: Pipeline, packet: string, from: string, now: number): Opened | Refusal {
  const source = parseAddress(from) ?? assert.fail(from);
  const result = pipeline.receive(Buffer.from(packet, 'hex'), source, familyOf(source), now as UnixMicros);
  return result.ok ? result.value : result.reason;
}

function pipelineFor({ pq, gateKeys, now }: Pick<VectorContext, 'pq' | 'gateKeys' | 'now'>): Pipeline {
  const pipeline = new Pipeline(invalid, pq === 'required');
  pipeline.setKeys(gateKeys.map(fromHex), now as UnixMicros);
  return pipeline;
}

test('every valid packet crosses the line, with what is in it', () => {
  assert.ok(VALID.vectors.length > 20);
  for (const { name, suite, gateKey, heard, packet, plaintext, nonce, enc, mac, receiptKey } of VALID.vectors) {
    for (const order of [['gateKey', 'nextGateKey'] as const, ['nextGateKey', 'gateKey'] as const]) {
      const pipeline = new Pipeline(valid, suite === 2);
      const gateKeys = order.map((key) => fromHex(VALID.keys[key]));
      pipeline.setKeys(gateKeys, heard.now as UnixMicros);
      const opened = hear(pipeline, packet, heard.from, heard.now);
      assert.ok(typeof opened === 'object', name);
      const { unsealed } = opened;
      assert.equal(opened.gateKey, order.indexOf(gateKey), name);
      assert.equal(unsealed.suite, suite);
      assert.equal(toHex(unsealed.plaintext), plaintext.slice(0, 2 * STATEMENT.end), name);
      assert.equal(toHex(unsealed.nonce), nonce);
      assert.equal(toHex(unsealed.mac), mac);
      assert.equal(toHex(unsealed.receiptKey), receiptKey);
      assert.deepEqual(unsealed.encHash, sha256(fromHex(enc)));
      assert.equal(hear(pipeline, packet, heard.from, heard.now), 'duplicate', name);
    }
  }
});

test('every invalid packet is refused for its reason, or crosses the line for the monitor to refuse', () => {
  const met = new Set<Refusal>();
  for (const { name, reason, packet, context } of INVALID.vectors) {
    const whole = { ...INVALID.context, ...context };
    const heard = hear(pipelineFor(whole), packet, whole.from, whole.now);
    assert.equal(
      typeof heard === 'object' ? 'opened' : heard,
      HERE.has(reason) ? reason : 'opened',
      `${reason}: ${name}`,
    );
    met.add(reason);
  }
  const sequences = new Set(INVALID.sequences.flatMap(({ steps }) => steps.map(({ outcome }) => outcome)));
  const missing = [...HERE].filter((reason) => !met.has(reason) && !sequences.has(reason));
  assert.deepEqual(missing, ['budget'], 'no packet by itself is over a budget');
});

test('one sentry that hears all of them says the same: none of them changes what becomes of another', () => {
  const { context } = INVALID;
  const pipeline = pipelineFor(context);
  // A prefix of its own each: together they are more than one prefix may ask for. Whom the packet states does not matter here.
  for (const [index, { name, reason, packet, context: own }] of INVALID.vectors.entries()) {
    if (own.pq !== undefined || own.gateKeys !== undefined || own.now !== undefined) continue;
    const heard = hear(pipeline, packet, `198.18.${String(index)}.1`, context.now);
    // Several bad macs are made from one good packet, and so bear its nonce, but never eight of them.
    assert.equal(
      typeof heard === 'object' ? 'opened' : heard,
      HERE.has(reason) ? reason : 'opened',
      `${reason}: ${name}`,
    );
  }
});

test('sequences: each step in its time', () => {
  assert.ok(INVALID.sequences.length >= 5);
  for (const { name, packets, steps } of INVALID.sequences) {
    const pipeline = pipelineFor(INVALID.context);
    for (const [index, { packet, afterMicros, from, outcome }] of steps.entries()) {
      const heard = hear(pipeline, packets[packet] ?? '', from, INVALID.context.now + afterMicros);
      const expected = outcome !== 'ok' && HERE.has(outcome) ? outcome : 'opened';
      assert.equal(typeof heard === 'object' ? 'opened' : heard, expected, `${name}: step ${String(index)}`);
    }
  }
});
