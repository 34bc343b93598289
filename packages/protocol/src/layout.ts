/**
 * Sizes and offsets of native SPA version 1, in bytes; all integers big-endian, all ranges half-open. The field tables are in
 * `docs/protocol.md`.
 */

/** HPKE suite by its number on the wire: 1 = DHKEM(X25519, HKDF-SHA256), 2 = X-Wing. */
export type Suite = 1 | 2;

/** Total size of a short packet (suite 1). */
export const SHORT_PACKET = 352;
/** Total size of a long packet (suite 2; suite 1 with larger keys, later). */
export const LONG_PACKET = 1372;

/** Offsets and sizes within a packet. */
export const PACKET = {
  nonce: 0,
  nonceSize: 8,
  tag: 8,
  tagSize: 4,
  suite: 12,
  enc: 13,
  macSize: 16,
  sealTagSize: 16,
} as const;

/** Size of the encapsulated key by suite. */
export const ENC_SIZE = { 1: 32, 2: 1120 } as const;

/** Offsets and sizes within the plaintext ("statement"). */
export const STATEMENT = {
  kind: 0,
  flags: 1,
  device: 2,
  era: 18,
  time: 22,
  stateId: 30,
  requestId: 38,
  audience: 46,
  sourceType: 62,
  prefixLength: 63,
  address: 64,
  seconds: 80,
  service: 84,
  keyType: 116,
  signatureLength: 117,
  /** End of what the signature covers. */
  signed: 119,
  signature: 119,
  /** End of the signature; what follows is zero. */
  end: 183,
} as const;

/** Offsets and sizes within a receipt. */
export const RECEIPT = {
  nonceSize: 12,
  size: 128,
  /** Plaintext offsets, counted from the start of the plaintext. */
  status: 0,
  address: 1,
  end: 17,
  now: 25,
  era: 33,
  stateId: 37,
  nextKey: 45,
  padding: 77,
  plaintext: 100,
} as const;
