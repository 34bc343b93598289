/** For tests and vectors only: packets that a gate accepts, one of each form and kind in each suite, with all that lies behind them. */
import { concatBytes } from '@noble/hashes/utils.js';
import { fromHex, toHex } from '../bytes.ts';
import * as oracle from './oracle.ts';
import type { ReceiptJson, StatementJson, ValidFile, ValidVector } from './vector-files.ts';
import { addressBytes, epochAt, makeWorld, NOW, SECOND, signedPart, type World } from './world.ts';

interface Case {
  name: string;
  changes?: Partial<StatementJson>;
  signer?: 'device' | 'invite';
  gateKey?: 'gateKey' | 'nextGateKey';
  heard?: { now: number; from: string };
  receipt?: Partial<Pick<ReceiptJson, 'status' | 'end' | 'now' | 'era' | 'nextKey'>>;
}

const EPOCH_START = epochAt(NOW) * 8192 * SECOND;
const LATEST = Number.MAX_SAFE_INTEGER;

function cases(world: World): Case[] {
  const { invite, newDevice, nextGateKey } = world.json;
  const observed = { type: 'observed' } as const;
  const sameRequest = toHex(world.random(8));
  return [
    {
      name: 'open, from one IPv4 address',
      changes: { requestId: sameRequest },
      receipt: { end: NOW + 30 * SECOND },
    },
    {
      name: 'open, the retry of the last: the same request id in a new packet',
      changes: { requestId: sameRequest, time: NOW + SECOND },
      receipt: { end: NOW + 30 * SECOND },
    },
    {
      name: 'open, from one IPv6 address',
      changes: { source: { type: 6, prefix: 128, address: '2001:db8::7' } },
      heard: { now: NOW, from: '2001:db8::7' },
      receipt: { end: NOW + 30 * SECOND, nextKey: nextGateKey },
    },
    {
      name: 'open, from an IPv4 prefix',
      changes: { source: { type: 4, prefix: 26, address: '192.0.2.64' } },
      heard: { now: NOW, from: '192.0.2.100' },
      receipt: { end: NOW + 30 * SECOND },
    },
    {
      name: 'open, from an IPv6 prefix',
      changes: { source: { type: 6, prefix: 57, address: '2001:db8:0:80::' } },
      heard: { now: NOW, from: '2001:db8:0:ff::1' },
      receipt: { end: NOW + 30 * SECOND },
    },
    {
      name: 'open, source to be observed',
      changes: { source: observed, service: 'web' },
      receipt: { end: NOW + 30 * SECOND },
    },
    { name: 'open, one connection only', changes: { singleUse: true }, receipt: { end: NOW + 30 * SECOND } },
    {
      name: 'open, for an hour, of a service with the longest name',
      changes: { seconds: 3600, service: 'a-service-name-of-32-characters-' },
      receipt: { end: NOW + 3600 * SECOND },
    },
    { name: 'extend', changes: { kind: 'extend', seconds: 60 }, receipt: { end: NOW + 60 * SECOND } },
    {
      name: 'extend, source to be observed',
      changes: { kind: 'extend', source: observed, service: 'web' },
      receipt: { status: 'not-permitted' },
    },
    { name: 'close', changes: { kind: 'close', source: observed }, receipt: { status: 'clock' } },
    { name: 'whoami', changes: { kind: 'whoami', source: observed, service: null } },
    {
      name: 'enrol',
      changes: {
        kind: 'enrol',
        source: observed,
        service: null,
        device: invite.id,
        newDevice: newDevice.publicKey,
        era: 0,
      },
      signer: 'invite',
      receipt: { era: 0 },
    },
    {
      name: 'open, at the first microsecond of an epoch, heard in the one before',
      changes: { time: EPOCH_START },
      heard: { now: EPOCH_START - SECOND, from: '192.0.2.7' },
      receipt: { status: 'failed', now: EPOCH_START - SECOND },
    },
    {
      name: 'whoami, under the next gate key',
      changes: { kind: 'whoami', source: observed, service: null },
      gateKey: 'nextGateKey',
    },
    {
      name: 'open, the largest numbers that there are',
      changes: { era: 0xffff_ffff, time: LATEST, requestId: 'f'.repeat(16), seconds: 0xffff_ffff },
      heard: { now: LATEST, from: '192.0.2.7' },
      receipt: { status: 'resync', now: LATEST, era: 0xffff_ffff },
    },
  ];
}

export function makeValid(): ValidFile {
  const world = makeWorld('postern spa-v1 valid vectors');
  const vectors: ValidVector[] = [];
  for (const suite of [1, 2] as const) {
    for (const one of cases(world)) vectors.push(vectorOf(world, suite, one));
  }
  return { about: ABOUT, keys: world.json, vectors };
}

function vectorOf(world: World, suite: 1 | 2, one: Case): ValidVector {
  const statement = world.statement(suite, one.changes);
  const { json } = world;
  const gateKey = one.gateKey ?? 'gateKey';
  const signer = one.signer ?? 'device';
  const epoch = epochAt(statement.time);
  const made = world.seal({ suite, signedPart: signedPart(statement), epoch, gateKey, signerSeed: json[signer].seed });
  const heard = one.heard ?? { now: NOW, from: '192.0.2.7' };
  const mac = made.packet.subarray(made.packet.length - 16);
  return {
    name: `suite ${suite}: ${one.name}`,
    ...{ suite, gateKey, signer, epoch, nonce: toHex(made.nonce), ephemeral: toHex(made.ephemeral), statement, heard },
    prk: toHex(made.keys.prk),
    tagKey: toHex(made.keys.tag),
    maskKey: toHex(made.keys.mask),
    macKey: toHex(made.keys.mac),
    tag: toHex(oracle.tag(made.keys, made.nonce)),
    enc: toHex(made.enc),
    sharedSecret: toHex(made.sharedSecret),
    info: toHex(made.context.info),
    hpkeKey: toHex(made.context.key),
    hpkeNonce: toHex(made.context.baseNonce),
    exporterSecret: toHex(made.context.exporterSecret),
    aad: toHex(made.aad),
    signedMessage: toHex(made.signedMessage),
    signature: toHex(made.signature),
    plaintext: toHex(made.plaintext),
    sealed: toHex(made.sealed),
    packet: toHex(made.packet),
    mac: toHex(mac),
    receiptKey: toHex(made.receiptKey),
    knockKey: statement.kind === 'enrol' ? toHex(oracle.knockKey(suite, made.context)) : null,
    receipt: receiptOf(world, made.receiptKey, mac, {
      address: heard.from,
      stateId: json.stateId,
      era: statement.era,
      ...one.receipt,
    }),
  };
}

function receiptOf(
  world: World,
  key: Uint8Array,
  mac: Uint8Array,
  given: Partial<ReceiptJson> & Pick<ReceiptJson, 'address' | 'stateId' | 'era'>,
): ReceiptJson {
  const said = { status: 'ok' as const, end: 0, now: NOW, nextKey: null, ...given };
  const text = receiptPlaintext(said);
  const nonce = world.random(12);
  return { ...said, nonce: toHex(nonce), plaintext: toHex(text), bytes: toHex(oracle.receipt(key, nonce, mac, text)) };
}

/** A receipt's 100 bytes, field by field as in `docs/protocol.md`. */
export function receiptPlaintext(
  receipt: Pick<ReceiptJson, 'status' | 'address' | 'end' | 'now' | 'era' | 'stateId' | 'nextKey'>,
): Uint8Array {
  const statuses = ['ok', 'clock', 'resync', 'not-permitted', 'failed'];
  return concatBytes(
    oracle.integer(1, statuses.indexOf(receipt.status)),
    addressBytes(receipt.address),
    oracle.integer(8, receipt.end),
    oracle.integer(8, receipt.now),
    oracle.integer(4, receipt.era),
    fromHex(receipt.stateId),
    receipt.nextKey === null ? new Uint8Array(32) : fromHex(receipt.nextKey),
    new Uint8Array(23),
  );
}

const ABOUT =
  'Native SPA version 1: packets that a gate accepts, with every value on the way from the keys to the receipt. Byte strings are ' +
  'hexadecimal, times Unix microseconds. The receipts show each status in turn. Not made with the code that they test: packages/protocol/src/testdata/make-vectors.ts. ' +
  'The keys are public: never use them.';
