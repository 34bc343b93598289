/** New keys, in the texts that fwknop and its apps read. */
import type { FwknopDigest } from '@postern/protocol/fwknop';
import type { Random } from '@postern/protocol';

/** A pair of keys. */
export interface NewKeys {
  readonly key: Uint8Array;
  readonly hmac: Uint8Array;
}

/** Bytes of an HMAC key, unless said otherwise: what fwknop makes, and for SHA-3, for which it makes none, its block. */
const HMAC_KEY_SIZES: Readonly<Record<FwknopDigest, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 64,
  sha384: 128,
  sha512: 128,
  sha3_256: 128,
  sha3_512: 72,
};

/** Makes a key of `size` bytes (32 by default) and an HMAC key of `hmacSize` (by its digest). */
export function newKeys(
  random: Random,
  digest: FwknopDigest,
  size: number | undefined,
  hmacSize: number | undefined,
): NewKeys {
  return { key: random(size ?? 32), hmac: random(hmacSize ?? HMAC_KEY_SIZES[digest]) };
}

/** The lines that fwknop's `--key-gen` prints. */
export function formatKeys({ key, hmac }: NewKeys): string {
  return `KEY_BASE64: ${base64(key)}\nHMAC_KEY_BASE64: ${base64(hmac)}`;
}

/** Bytes in base64 with padding, as it stands in configurations. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
