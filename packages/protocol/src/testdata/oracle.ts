/**
 * For tests and vectors only: native SPA version 1 written a second time, straight from `docs/protocol.md`, with the @noble
 * libraries and numbers instead of our own code and constants. The vectors are made here, so that our code never checks itself.
 */
import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { slowHalfSipHash24 } from './slow-halfsiphash.ts';

export interface OracleKeys {
  prk: Uint8Array;
  tag: Uint8Array;
  mask: Uint8Array;
  mac: Uint8Array;
}

export interface OracleKem {
  enc: Uint8Array;
  sharedSecret: Uint8Array;
}

export interface OracleHpke {
  info: Uint8Array;
  key: Uint8Array;
  baseNonce: Uint8Array;
  exporterSecret: Uint8Array;
}

export function integer(size: number, value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let rest = BigInt(value), i = size - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

export function epochKeys(gateKey: Uint8Array, epoch: number): OracleKeys {
  const prk = extract(sha256, gateKey, utf8ToBytes('postern-spa-v1'));
  const key = (name: string, size: number): Uint8Array =>
    expand(sha256, prk, concatBytes(utf8ToBytes(name), integer(4, epoch)), size);
  return { prk, tag: key('tag', 8), mask: key('mask', 32), mac: key('mac', 32) };
}

export function staticPublic(suite: 1 | 2, secret: Uint8Array): Uint8Array {
  return suite === 1 ? x25519.getPublicKey(secret) : xwing.getPublicKey(secret);
}

/** `ephemeral`: an X25519 private key of 32 bytes, or X-Wing's encapsulation seed of 64 (ML-KEM's message, X25519 private key). */
export function encapsulate(suite: 1 | 2, publicKey: Uint8Array, ephemeral: Uint8Array): OracleKem {
  if (suite === 2) {
    const { cipherText, sharedSecret } = xwing.encapsulate(publicKey, ephemeral);
    return { enc: cipherText, sharedSecret };
  }
  const kem = concatBytes(utf8ToBytes('KEM'), integer(2, 0x20));
  const enc = x25519.getPublicKey(ephemeral);
  const prk = labeledExtract(kem, new Uint8Array(0), 'eae_prk', x25519.getSharedSecret(ephemeral, publicKey));
  return { enc, sharedSecret: labeledExpand(kem, prk, 'shared_secret', concatBytes(enc, publicKey), 32) };
}

export function hpke(suite: 1 | 2, audience: Uint8Array, sharedSecret: Uint8Array): OracleHpke {
  const info = concatBytes(utf8ToBytes('postern-spa-v1'), integer(1, suite), audience);
  const id = suiteId(suite);
  const empty = new Uint8Array(0);
  const context = concatBytes(
    integer(1, 0),
    labeledExtract(id, empty, 'psk_id_hash', empty),
    labeledExtract(id, empty, 'info_hash', info),
  );
  const secret = labeledExtract(id, sharedSecret, 'secret', empty);
  return {
    info,
    key: labeledExpand(id, secret, 'key', context, 32),
    baseNonce: labeledExpand(id, secret, 'base_nonce', context, 12),
    exporterSecret: labeledExpand(id, secret, 'exp', context, 32),
  };
}

export function receiptKey(suite: 1 | 2, { exporterSecret }: OracleHpke): Uint8Array {
  return labeledExpand(suiteId(suite), exporterSecret, 'sec', utf8ToBytes('postern-receipt-v1'), 32);
}

export function knockKey(suite: 1 | 2, { exporterSecret }: OracleHpke): Uint8Array {
  return labeledExpand(suiteId(suite), exporterSecret, 'sec', utf8ToBytes('postern-knock-v1'), 32);
}

export function signedMessage(
  suite: 1 | 2,
  publicKey: Uint8Array,
  enc: Uint8Array,
  nonce: Uint8Array,
  signedPart: Uint8Array,
): Uint8Array {
  const head = concatBytes(utf8ToBytes('postern-spa-v1\0'), integer(1, suite));
  return concatBytes(head, sha256(publicKey), sha256(enc), nonce, signedPart.subarray(0, 119));
}

export function signature(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return ed25519.sign(message, seed);
}

/** Statement, signature, zeros: 275 bytes in suite 1, 207 in suite 2. */
export function plaintext(suite: 1 | 2, signedPart: Uint8Array, sig: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(suite === 1 ? 275 : 207);
  bytes.set(signedPart, 0);
  bytes.set(sig, 119);
  return bytes;
}

export function tag(keys: OracleKeys, nonce: Uint8Array): Uint8Array {
  return integer(4, slowHalfSipHash24(keys.tag, nonce)).reverse();
}

export function sealed(context: OracleHpke, aad: Uint8Array, text: Uint8Array): Uint8Array {
  return chacha20poly1305(context.key, context.baseNonce, aad).encrypt(text);
}

/** The packet of a nonce and a body (suite ‖ enc ‖ sealed) that is not masked yet. */
export function pack(keys: OracleKeys, nonce: Uint8Array, body: Uint8Array): Uint8Array {
  const masked = chacha20(keys.mask, concatBytes(new Uint8Array(4), nonce), body);
  return remac(keys, concatBytes(nonce, tag(keys, nonce), masked, new Uint8Array(16)));
}

/** The packet with a mac that fits the rest of it. */
export function remac(keys: OracleKeys, packet: Uint8Array): Uint8Array {
  const body = packet.subarray(0, packet.length - 16);
  return concatBytes(body, hmac(sha256, keys.mac, body).subarray(0, 16));
}

export function receipt(key: Uint8Array, nonce: Uint8Array, mac: Uint8Array, text: Uint8Array): Uint8Array {
  return concatBytes(nonce, chacha20poly1305(key, nonce, mac).encrypt(text));
}

function suiteId(suite: 1 | 2): Uint8Array {
  return concatBytes(utf8ToBytes('HPKE'), integer(2, suite === 1 ? 0x0020 : 0x647a), integer(2, 1), integer(2, 3));
}

function labeledExtract(id: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Uint8Array {
  return extract(sha256, concatBytes(utf8ToBytes('HPKE-v1'), id, utf8ToBytes(label), input), salt);
}

function labeledExpand(id: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, size: number): Uint8Array {
  return expand(sha256, prk, concatBytes(integer(2, size), utf8ToBytes('HPKE-v1'), id, utf8ToBytes(label), info), size);
}
