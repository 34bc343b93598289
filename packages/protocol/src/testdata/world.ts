/** For tests and vectors only: one gate, one device, one invite, and how the oracle seals for them. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { parseAddress } from '../address.ts';
import { fromHex, toHex } from '../bytes.ts';
import type { Random } from '../random.ts';
import * as oracle from './oracle.ts';
import { seeded } from './seeded.ts';
import type { KeysJson, SignerJson, StatementJson, StaticJson } from './vector-files.ts';

/** 2027-01-15T08:00:00Z in Unix microseconds: when most vectors happen. */
export const NOW = 1_800_000_000_000_000;
export const SECOND = 1_000_000;

/** Everything that sealing one packet made on the way. */
export interface Sealed {
  epoch: number;
  nonce: Uint8Array;
  ephemeral: Uint8Array;
  keys: oracle.OracleKeys;
  enc: Uint8Array;
  sharedSecret: Uint8Array;
  context: oracle.OracleHpke;
  aad: Uint8Array;
  signedMessage: Uint8Array;
  signature: Uint8Array;
  plaintext: Uint8Array;
  sealed: Uint8Array;
  packet: Uint8Array;
  receiptKey: Uint8Array;
}

/** What a packet is sealed from; the last four are how an invalid one differs from what its other parts say. */
export interface SealOptions {
  suite: 1 | 2;
  /** The statement's 119 bytes. */
  signedPart: Uint8Array;
  epoch: number;
  gateKey?: 'gateKey' | 'nextGateKey';
  signerSeed?: string;
  /** Static public key sealed to. */
  publicKey?: Uint8Array;
  /** Changes what is signed. */
  message?: (message: Uint8Array) => Uint8Array;
  /** Changes the plaintext after the signature was put in. */
  plaintext?: (plaintext: Uint8Array) => Uint8Array;
  /** Changes the body (suite ‖ enc ‖ sealed) before it is masked. */
  body?: (body: Uint8Array) => Uint8Array;
  /** Changes HPKE's associated data. */
  aad?: (aad: Uint8Array) => Uint8Array;
}

/** The gate and its friends, from one seed. */
export interface World {
  readonly json: KeysJson;
  readonly random: Random;
  seal(options: SealOptions): Sealed;
  /** A statement of the device to `suite`'s static key: `open` of `ssh` from 192.0.2.7 at {@link NOW}, but for `changes`. */
  statement(suite: 1 | 2, changes?: Partial<StatementJson>): StatementJson;
}

export function makeWorld(seed: string): World {
  const random = seeded(seed);
  const json: KeysJson = {
    gateKey: toHex(random(32)),
    nextGateKey: toHex(random(32)),
    x25519: staticOf(1, random(32)),
    xwing: staticOf(2, random(32)),
    stateId: toHex(random(8)),
    device: signerOf(random(32)),
    invite: signerOf(random(32)),
    newDevice: signerOf(random(32)),
  };
  const staticJson = (suite: 1 | 2): StaticJson => (suite === 1 ? json.x25519 : json.xwing);
  return {
    json,
    random,
    seal: (options) => seal(json, staticJson(options.suite), random, options),
    statement: (suite, changes = {}) => ({
      kind: 'open',
      singleUse: false,
      device: json.device.id,
      era: 3,
      time: NOW,
      stateId: json.stateId,
      requestId: toHex(random(8)),
      audience: staticJson(suite).audience,
      source: { type: 4, prefix: 32, address: '192.0.2.7' },
      seconds: 0,
      service: 'ssh',
      newDevice: null,
      ...changes,
    }),
  };
}

/** The epoch of a sender whose clock shows `time` (Unix microseconds). */
export function epochAt(time: number): number {
  return Math.floor(time / (8192 * SECOND));
}

/** A statement's 119 bytes, field by field as in `docs/protocol.md`. */
export function signedPart(statement: StatementJson): Uint8Array {
  const { source } = statement;
  const kinds = ['open', 'extend', 'close', 'whoami', 'enrol'];
  const service = new Uint8Array(32);
  if (statement.newDevice !== null) service.set(fromHex(statement.newDevice));
  else service.set(utf8ToBytes(statement.service ?? ''));
  return concatBytes(
    oracle.integer(1, kinds.indexOf(statement.kind) + 1),
    oracle.integer(1, statement.singleUse ? 1 : 0),
    fromHex(statement.device),
    oracle.integer(4, statement.era),
    oracle.integer(8, statement.time),
    fromHex(statement.stateId),
    fromHex(statement.requestId),
    fromHex(statement.audience),
    oracle.integer(1, source.type === 'observed' ? 0 : source.type),
    oracle.integer(1, source.type === 'observed' ? 0 : source.prefix),
    source.type === 'observed' ? new Uint8Array(16) : addressBytes(source.address),
    oracle.integer(4, statement.seconds),
    service,
    oracle.integer(1, 1),
    oracle.integer(2, 64),
  );
}

export function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new TypeError(`not an address: ${text}`);
  return address;
}

function seal(json: KeysJson, gate: StaticJson, random: Random, options: SealOptions): Sealed {
  const { suite, epoch } = options;
  const same = (bytes: Uint8Array): Uint8Array => bytes;
  const keys = oracle.epochKeys(fromHex(json[options.gateKey ?? 'gateKey']), epoch);
  const nonce = random(8);
  const ephemeral = random(suite === 1 ? 32 : 64);
  const publicKey = options.publicKey ?? fromHex(gate.public);
  const { enc, sharedSecret } = oracle.encapsulate(suite, publicKey, ephemeral);
  const message = oracle.signedMessage(suite, publicKey, enc, nonce, options.signedPart);
  const signedMessage = (options.message ?? same)(message);
  const signature = oracle.signature(fromHex(options.signerSeed ?? json.device.seed), signedMessage);
  const plaintext = (options.plaintext ?? same)(oracle.plaintext(suite, options.signedPart, signature));
  const context = oracle.hpke(suite, sha256(publicKey).subarray(0, 16), sharedSecret);
  const aad = concatBytes(nonce, oracle.tag(keys, nonce));
  const sealed = oracle.sealed(context, (options.aad ?? same)(aad), plaintext);
  const body = (options.body ?? same)(concatBytes(oracle.integer(1, suite), enc, sealed));
  return {
    ...{ epoch, nonce, ephemeral, keys, enc, sharedSecret, context, aad, signedMessage, signature, plaintext, sealed },
    packet: oracle.pack(keys, nonce, body),
    receiptKey: oracle.receiptKey(suite, context),
  };
}

function staticOf(suite: 1 | 2, secret: Uint8Array): StaticJson {
  const publicKey = oracle.staticPublic(suite, secret);
  const hash = toHex(sha256(publicKey));
  return { secret: toHex(secret), public: toHex(publicKey), hash, audience: hash.slice(0, 32) };
}

function signerOf(seed: Uint8Array): SignerJson {
  const publicKey = ed25519.getPublicKey(seed);
  return { seed: toHex(seed), publicKey: toHex(publicKey), id: toHex(sha256(publicKey)).slice(0, 32) };
}
