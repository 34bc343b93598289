/**
 * HPKE (RFC 9180) in base mode for one message: KDF 0x0001 (HKDF-SHA256), AEAD 0x0003 (ChaCha20-Poly1305), KEM 0x0020
 * (DHKEM(X25519, HKDF-SHA256)) or 0x647a (X-Wing, which is a KEM for HPKE as it is).
 */
import { ascii, concat } from './bytes.ts';
import {
  aeadOpen,
  aeadSeal,
  hkdfExpand,
  hkdfExtract,
  importX25519Private,
  x25519,
  type X25519Private,
  x25519PublicOf,
} from './crypto.ts';
import type { Random } from './random.ts';

/** An encapsulated key for the receiver, and the 32-byte secret that it carries. */
export interface Encapsulated {
  readonly enc: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** HPKE's number of a KEM: 0x0020 = DHKEM(X25519, HKDF-SHA256), 0x647a = X-Wing. */
export type KemId = 0x0020 | 0x647a;

/** What the key schedule takes besides the shared secret; the same for every message to one key under one info. */
export interface Schedule {
  /** `"HPKE" ‖ kem ‖ kdf ‖ aead`, 10 bytes (section 5.1). */
  readonly suiteId: Uint8Array;
  /** `mode ‖ psk_id_hash ‖ info_hash`, 65 bytes (section 5.1). */
  readonly context: Uint8Array;
}

/** The keys of one message. A class: an object literal with a getter has a dictionary for its properties, which takes 900 bytes and outlives scavenges. */
export class Context {
  readonly suiteId: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly #schedule: Uint8Array;
  readonly #secret: Uint8Array;

  /** Of the key schedule's secret, section 5.1. */
  constructor({ suiteId, context }: Schedule, secret: Uint8Array) {
    this.suiteId = suiteId;
    this.key = labeledExpand(suiteId, secret, KEY, context, 32);
    this.nonce = labeledExpand(suiteId, secret, BASE_NONCE, context, 12);
    this.#schedule = context;
    this.#secret = secret;
  }

  /** Derived when it is asked for, each time anew. */
  get exporterSecret(): Uint8Array {
    return labeledExpand(this.suiteId, this.#secret, EXP, this.#schedule, 32);
  }
}

const EMPTY = new Uint8Array(0);
const VERSION = ascii('HPKE-v1');
const DHKEM_SUITE = concat(ascii('KEM'), Uint8Array.of(0x00, 0x20));
const MODE_BASE = Uint8Array.of(0);
const EAE_PRK = ascii('eae_prk');
const SHARED_SECRET = ascii('shared_secret');
const SECRET = ascii('secret');
const KEY = ascii('key');
const BASE_NONCE = ascii('base_nonce');
const EXP = ascii('exp');
const SEC = ascii('sec');

/** The {@link Schedule} of a KEM and an info string; make it once for each static key. */
export function schedule(kem: KemId, info: Uint8Array): Schedule {
  const suiteId = concat(ascii('HPKE'), Uint8Array.of(kem >>> 8, kem & 0xff, 0x00, 0x01, 0x00, 0x03));
  const pskIdHash = labeledExtract(suiteId, EMPTY, ascii('psk_id_hash'), EMPTY);
  const infoHash = labeledExtract(suiteId, EMPTY, ascii('info_hash'), info);
  return { suiteId, context: concat(MODE_BASE, pskIdHash, infoHash) };
}

/** KeySchedule of section 5.1 without a PSK. */
export function contextOf(schedule: Schedule, sharedSecret: Uint8Array): Context {
  return new Context(schedule, labeledExtract(schedule.suiteId, sharedSecret, SECRET, EMPTY));
}

/** Seals the one message of `context` (section 5.2, sequence number 0): 16 bytes longer than `plaintext`. */
export function seal(context: Context, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return aeadSeal(context.key, context.nonce, aad, plaintext);
}

/** Opens the one message of `context` (section 5.2, sequence number 0), or undefined if it is not from there. */
export function open(context: Context, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  return aeadOpen(context.key, context.nonce, aad, sealed);
}

/** Export of section 5.3: `size` bytes that only the two sides of `context` know. */
export function exportSecret(context: Context, label: Uint8Array, size: number): Uint8Array {
  return labeledExpand(context.suiteId, context.exporterSecret, SEC, label, size);
}

/**
 * Encap of DHKEM(X25519, HKDF-SHA256), section 4.1; `random` gives the 32 bytes of the ephemeral private key.
 *
 * @param publicKey 32 bytes
 * @throws RangeError if the public key is of small order
 */
export function dhKemEncapsulate(publicKey: Uint8Array, random: Random): Encapsulated {
  const ephemeral = importX25519Private(random(32));
  const secret = x25519(ephemeral, publicKey);
  if (secret === undefined) throw new RangeError('x25519 public key: of small order');
  const enc = x25519PublicOf(ephemeral);
  return { enc, sharedSecret: dhKemSecret(secret, enc, publicKey) };
}

/** Decap of DHKEM(X25519, HKDF-SHA256), section 4.1: 32 bytes, or undefined if `enc` is not 32 bytes or of small order. */
export function dhKemDecapsulate(
  privateKey: X25519Private,
  publicBytes: Uint8Array,
  enc: Uint8Array,
): Uint8Array | undefined {
  if (enc.length !== 32) return undefined;
  const secret = x25519(privateKey, enc);
  return secret === undefined ? undefined : dhKemSecret(secret, enc, publicBytes);
}

function dhKemSecret(secret: Uint8Array, enc: Uint8Array, publicBytes: Uint8Array): Uint8Array {
  const prk = labeledExtract(DHKEM_SUITE, EMPTY, EAE_PRK, secret);
  return labeledExpand(DHKEM_SUITE, prk, SHARED_SECRET, concat(enc, publicBytes), 32);
}

/** LabeledExtract of section 4. */
function labeledExtract(suiteId: Uint8Array, salt: Uint8Array, label: Uint8Array, input: Uint8Array): Uint8Array {
  return hkdfExtract(salt, VERSION, suiteId, label, input);
}

/** LabeledExpand of section 4. */
function labeledExpand(
  suiteId: Uint8Array,
  prk: Uint8Array,
  label: Uint8Array,
  info: Uint8Array,
  size: number,
): Uint8Array {
  return hkdfExpand(prk, size, Uint8Array.of(size >>> 8, size & 0xff), VERSION, suiteId, label, info);
}
