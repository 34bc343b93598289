import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAddress } from './address.ts';
import type { UnixMicros } from './brand.ts';
import { fromHex, toHex } from './bytes.ts';
import { sha256 } from './crypto.ts';
import { deviceIdOf, importSigner } from './device-key.ts';
import { deriveEpochKeys, epochOf } from './epoch.ts';
import { importStaticPublic, receive } from './gate-static.ts';
import { contextOf } from './hpke.ts';
import { decodeInvite, encodeInvite, type Invite } from './invite.ts';
import { STATEMENT } from './layout.ts';
import { openReceipt, type Receipt, sealReceipt } from './receipt.ts';
import { REFUSALS } from './refusal.ts';
import { sealEncapsulated, sealRequest } from './seal.ts';
import { decodeStatement, encodeStatement } from './statement.ts';
import { Gate, statementOf } from './testdata/chain.ts';
import type { InviteFile } from './testdata/invite-vectors.ts';
import { renderVectors } from './testdata/make-vectors.ts';
import { readVectors, vectorPath } from './testdata/read-vectors.ts';
import type { ContextJson, InvalidFile, ReceiptJson, ValidFile, ValidVector } from './testdata/vector-files.ts';
import { signedMessage } from './verify.ts';

const valid = readVectors('spa-v1-valid.json') as ValidFile;
const invalid = readVectors('spa-v1-invalid.json') as InvalidFile;
const invites = readVectors('invite.json') as InviteFile;

test('making the vectors anew gives the same files, byte for byte', () => {
  for (const [name, text] of renderVectors()) {
    assert.ok(
      readFileSync(vectorPath(name), 'utf8') === text,
      `${name}: run packages/protocol/src/testdata/make-vectors.ts`,
    );
  }
});

test('the static keys, device ids and audiences of the vectors are what our code makes of their secrets', () => {
  for (const { keys } of [valid, invalid]) {
    const gate = new Gate(keys);
    for (const [suite, json] of [[1, keys.x25519] as const, [2, keys.xwing] as const]) {
      assert.equal(toHex(gate.statics[suite].public.bytes), json.public);
      assert.equal(toHex(gate.statics[suite].public.hash), json.hash);
      assert.equal(toHex(gate.statics[suite].public.audience), json.audience);
    }
    for (const { seed, publicKey, id } of [keys.device, keys.invite, keys.newDevice]) {
      assert.equal(toHex(importSigner(fromHex(seed)).publicKey), publicKey);
      assert.equal(deviceIdOf(fromHex(publicKey)), id);
    }
  }
});

test('valid vectors: every value on the way to the packet is the same', () => {
  const gate = new Gate(valid.keys);
  assert.equal(valid.vectors.length, 32);
  for (const vector of valid.vectors) {
    const { suite, name } = vector;
    const keys = deriveEpochKeys(fromHex(valid.keys[vector.gateKey]), vector.epoch);
    assert.equal(toHex(keys.tag), vector.tagKey, name);
    assert.equal(toHex(keys.mask), vector.maskKey, name);
    assert.equal(toHex(keys.mac), vector.macKey, name);
    assert.equal(epochOf(vector.statement.time as UnixMicros), vector.epoch, name);
    const plaintext = fromHex(vector.plaintext);
    assert.deepEqual(decodeStatement(plaintext), { ok: true, value: statementOf(vector.statement) }, name);
    assert.deepEqual(encodeStatement(statementOf(vector.statement)), plaintext.subarray(0, 119), name);
    const { hash, schedule } = gate.statics[suite].public;
    const message = signedMessage(suite, hash, encHashOf(vector), fromHex(vector.nonce), plaintext);
    assert.equal(toHex(message), vector.signedMessage, name);
    const context = contextOf(schedule, fromHex(vector.sharedSecret));
    assert.deepEqual(receive(gate.statics[suite], fromHex(vector.enc)), context, name);
    assert.equal(toHex(context.key), vector.hpkeKey, name);
    assert.equal(toHex(context.nonce), vector.hpkeNonce, name);
    assert.equal(toHex(context.exporterSecret), vector.exporterSecret, name);
  }
});

test('valid vectors: sealing the same statement with the same randomness gives the same packet', () => {
  for (const vector of valid.vectors) {
    const json = vector.suite === 1 ? valid.keys.x25519 : valid.keys.xwing;
    const input = {
      gate: importStaticPublic(vector.suite, fromHex(json.public)),
      keys: deriveEpochKeys(fromHex(valid.keys[vector.gateKey]), vector.epoch),
      statement: statementOf(vector.statement),
      signer: importSigner(fromHex(valid.keys[vector.signer].seed)),
    };
    const draws = [fromHex(vector.nonce), fromHex(vector.ephemeral)];
    const random = (size: number): Uint8Array => {
      const draw = draws.shift();
      assert.ok(draw?.length === size);
      return draw;
    };
    // ML-KEM draws its own randomness in OpenSSL: there the oracle's encapsulated key is taken as it is.
    const kem = { enc: fromHex(vector.enc), sharedSecret: fromHex(vector.sharedSecret) };
    const made =
      vector.suite === 1 ? sealRequest({ ...input, random }) : sealEncapsulated(input, fromHex(vector.nonce), kem);
    assert.equal(toHex(made.packet), vector.packet, vector.name);
    assert.equal(toHex(made.mac), vector.mac, vector.name);
    assert.equal(toHex(made.receiptKey), vector.receiptKey, vector.name);
    assert.equal(made.knockKey === undefined ? null : toHex(made.knockKey), vector.knockKey, vector.name);
  }
});

test('valid vectors: a gate accepts every packet and hands on what is in it', () => {
  const gate = new Gate(valid.keys);
  for (const vector of valid.vectors) {
    const { outcome, unsealed } = gate.hear(fromHex(vector.packet), contextFor(vector));
    assert.equal(outcome, 'ok', vector.name);
    assert.ok(unsealed !== undefined);
    assert.equal(unsealed.suite, vector.suite);
    assert.deepEqual(unsealed.statement, statementOf(vector.statement));
    assert.equal(toHex(unsealed.plaintext), vector.plaintext.slice(0, 2 * STATEMENT.end));
    assert.equal(toHex(unsealed.nonce), vector.nonce);
    assert.deepEqual(unsealed.encHash, encHashOf(vector));
    assert.equal(toHex(unsealed.mac), vector.mac);
    assert.equal(toHex(unsealed.receiptKey), vector.receiptKey);
    assert.equal(unsealed.knockKey === undefined ? null : toHex(unsealed.knockKey), vector.knockKey, vector.name);
  }
});

test('valid vectors: the same packet is refused as soon as it was recorded, also after one in the next era', () => {
  const gate = new Gate(valid.keys);
  for (const vector of valid.vectors) {
    const context = contextFor(vector);
    const { row } = gate.hear(fromHex(vector.packet), context);
    assert.ok(row !== undefined);
    const again = gate.hear(fromHex(vector.packet), { ...context, row: { ...row, recent: [...row.recent] } });
    assert.deepEqual([again.outcome, again.told], ['stale', null], vector.name);
    const later = { era: row.era + 1, top: 1, floor: 0, recent: [1] };
    assert.equal(gate.hear(fromHex(vector.packet), { ...context, row: later }).outcome, 'era', vector.name);
  }
});

test('valid vectors: receipts are the same bytes when sealed and say the same when opened', () => {
  for (const { receipt, receiptKey, mac, name } of valid.vectors) {
    const said = receiptOf(receipt);
    const sealed = sealReceipt(fromHex(receiptKey), fromHex(mac), said, fromHex(receipt.nonce));
    assert.equal(toHex(sealed), receipt.bytes, name);
    const opened = openReceipt(fromHex(receiptKey), fromHex(mac), fromHex(receipt.bytes));
    assert.deepEqual(
      { ...opened, nextKey: opened?.nextKey && toHex(opened.nextKey) },
      {
        ...said,
        nextKey: receipt.nextKey ?? undefined,
      },
    );
  }
  assert.equal(new Set(valid.vectors.map(({ receipt }) => receipt.status)).size, 5);
});

test('invalid vectors: every packet is refused for its reason, and told what it says', () => {
  const gate = new Gate(invalid.keys);
  for (const { name, reason, told, packet, context } of invalid.vectors) {
    const heard = gate.hear(fromHex(packet), { ...invalid.context, ...context });
    assert.deepEqual([heard.outcome, heard.told], [reason, told], `${reason}: ${name}`);
  }
});

test('invalid vectors: each would be accepted but for what is wrong with it', () => {
  // The context accepts a packet like theirs: so a vector cannot be refused for a reason of the context alone.
  const gate = new Gate(invalid.keys);
  const [first] = invalid.sequences;
  assert.equal(gate.hear(fromHex(first?.packets[0] ?? ''), invalid.context).outcome, 'ok');
});

test('invalid vectors: every reason that a packet can meet is met at least twice, every other is explained', () => {
  const met = new Map<string, number>();
  for (const { reason } of invalid.vectors) met.set(reason, (met.get(reason) ?? 0) + 1);
  for (const { steps } of invalid.sequences) {
    for (const { outcome } of steps) met.set(outcome, (met.get(outcome) ?? 0) + 1);
  }
  for (const reason of REFUSALS) {
    if (invalid.limits[reason] === undefined) assert.ok((met.get(reason) ?? 0) >= 2, `${reason} is met twice`);
    else assert.equal(met.get(reason), undefined, reason);
  }
  const names = invalid.vectors.map(({ reason, name }) => `${reason}: ${name}`);
  assert.equal(new Set(names).size, names.length);
});

test('sequences: what a packet says by itself is what each step says, before the sentry counts', () => {
  const gate = new Gate(invalid.keys);
  for (const { name, packets, steps } of invalid.sequences) {
    for (const { packet, afterMicros, from, outcome } of steps) {
      if (outcome === 'duplicate' || outcome === 'too-many-sources' || outcome === 'nonce-failed') continue;
      const context = { ...invalid.context, now: invalid.context.now + afterMicros, from };
      assert.equal(gate.hear(fromHex(packets[packet] ?? ''), context).outcome, outcome, name);
    }
  }
});

test('receipts that are none are not opened', () => {
  assert.ok(invalid.receipts.length >= 10);
  for (const { name, receiptKey, mac, bytes } of invalid.receipts) {
    assert.equal(openReceipt(fromHex(receiptKey), fromHex(mac), fromHex(bytes)), undefined, name);
  }
});

test('invites say the same when read as written and as pasted, and are written in the same way', () => {
  for (const { name, invite, text, pasted } of invites.valid) {
    const { xwing, ...rest } = invite;
    const expected = {
      ...rest,
      ...{ seed: fromHex(invite.seed), gateKey: fromHex(invite.gateKey), x25519: fromHex(invite.x25519) },
      ...{ stateId: fromHex(invite.stateId), xwing: xwing === null ? undefined : fromHex(xwing) },
    };
    const read = decodeInvite(text);
    assert.ok(read.ok, name);
    assert.deepEqual(plainBytes(read.value), expected, name);
    const readPasted = decodeInvite(pasted);
    assert.ok(readPasted.ok, name);
    assert.deepEqual(plainBytes(readPasted.value), expected, name);
    if (name !== 'a field that may be skipped') assert.equal(encodeInvite(read.value), text);
  }
});

test('texts that are no invite are refused for their reason', () => {
  for (const { name, reason, text } of invites.invalid)
    assert.deepEqual(decodeInvite(text), { ok: false, reason }, name);
});

/** Secret bytes are equal to what they hold only as plain bytes. */
function plainBytes(invite: Invite): object {
  const plain = (value: unknown): unknown => (value instanceof Uint8Array ? Uint8Array.from(value) : value);
  return Object.fromEntries(Object.entries(invite).map(([name, value]) => [name, plain(value)]));
}

function contextFor(vector: ValidVector): ContextJson {
  const { keys } = valid;
  const service = { seconds: 30, maxSeconds: 7200, singleUse: false, observedSource: true, prefix4: 24, prefix6: 56 };
  const services = ['ssh', 'web', 'a-service-name-of-32-characters-'];
  return {
    now: vector.heard.now,
    from: vector.heard.from,
    pq: vector.suite === 2 ? 'required' : 'off',
    gateKeys: [keys.gateKey, keys.nextGateKey],
    stateId: keys.stateId,
    device: {
      ...{ id: keys.device.id, expires: null, revoked: null, services, from: null },
      ...{ maxSeconds: null, userExpires: null, userRevoked: null },
    },
    services: services.map((name) => ({ name, ...service })),
    invite: { id: keys.invite.id, expires: vector.heard.now + 1, usedBy: null },
    row: null,
    grants: services,
  };
}

function encHashOf({ enc }: ValidVector): Uint8Array {
  return sha256(fromHex(enc));
}

function receiptOf(json: ReceiptJson): Receipt {
  return {
    status: json.status,
    address: parseAddress(json.address) ?? new Uint8Array(0),
    end: json.end as UnixMicros,
    now: json.now as UnixMicros,
    era: json.era,
    stateId: fromHex(json.stateId),
    nextKey: json.nextKey === null ? undefined : fromHex(json.nextKey),
  };
}
