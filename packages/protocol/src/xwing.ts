import { ascii, concat, sized } from './bytes.ts';
import {
  importMlKemPublic,
  importMlKemSeed,
  importX25519Private,
  type MlKemPrivate,
  type MlKemPublic,
  mlKemDecapsulate,
  mlKemEncapsulate,
  mlKemPublicOf,
  sha3,
  shake256,
  x25519,
  type X25519Private,
  x25519PublicOf,
} from './crypto.ts';
import type { Encapsulated } from './hpke.ts';
import type { Random } from './random.ts';

/** Sizes of X-Wing's public key (ML-KEM-768 ‖ X25519) and ciphertext (the same order), in bytes. */
export const XWING = { publicKey: 1216, ciphertext: 1120, seed: 32 } as const;

const ML_KEM_PUBLIC = 1184;
const ML_KEM_CIPHERTEXT = 1088;
const LABEL = ascii('\\.//^\\');

/** An X-Wing public key (draft-connolly-cfrg-xwing-kem section 5.2). */
export interface XWingPublic {
  /** 1,216 bytes. */
  readonly bytes: Uint8Array;
  readonly mlKem: MlKemPublic;
  /** 32 bytes. */
  readonly x25519: Uint8Array;
}

/** An X-Wing private key, expanded from its seed. */
export interface XWingPrivate {
  readonly mlKem: MlKemPrivate;
  readonly x25519: X25519Private;
  /** The public key's 1,216 bytes. */
  readonly publicBytes: Uint8Array;
}

/** The X-Wing key of a 32-byte seed (section 5.2, expandDecapsulationKey). @throws RangeError on another size */
export function importXWingPrivate(seed: Uint8Array): XWingPrivate {
  const expanded = shake256(sized(seed, XWING.seed, 'x-wing seed'), 96);
  const mlKem = importMlKemSeed(expanded.subarray(0, 64));
  const x25519 = importX25519Private(expanded.subarray(64));
  return { mlKem, x25519, publicBytes: concat(mlKemPublicOf(mlKem), x25519PublicOf(x25519)) };
}

/** The X-Wing public key of 1,216 bytes. @throws RangeError on another size or if its ML-KEM half is not valid */
export function importXWingPublic(bytes: Uint8Array): XWingPublic {
  sized(bytes, XWING.publicKey, 'x-wing public key');
  return {
    bytes,
    mlKem: importMlKemPublic(bytes.subarray(0, ML_KEM_PUBLIC)),
    x25519: bytes.subarray(ML_KEM_PUBLIC),
  };
}

/**
 * X-Wing encapsulation (section 5.4). `random` gives the 32 bytes of the X25519 half; ML-KEM draws its own.
 *
 * @throws RangeError if the X25519 half of the public key is of small order
 */
export function xWingEncapsulate(publicKey: XWingPublic, random: Random): Encapsulated {
  const ephemeral = importX25519Private(random(32));
  const secret = x25519(ephemeral, publicKey.x25519);
  if (secret === undefined) throw new RangeError('x-wing public key: its x25519 half is of small order');
  const { ciphertext, sharedKey } = mlKemEncapsulate(publicKey.mlKem);
  const share = x25519PublicOf(ephemeral);
  return {
    enc: concat(ciphertext, share),
    sharedSecret: combine(sharedKey, secret, share, publicKey.bytes),
  };
}

/**
 * X-Wing decapsulation (section 5.5): 32 bytes, pseudorandom ones for a forged ciphertext; undefined if it is not 1,120
 * bytes or its X25519 half is of small order.
 */
export function xWingDecapsulate(privateKey: XWingPrivate, ciphertext: Uint8Array): Uint8Array | undefined {
  if (ciphertext.length !== XWING.ciphertext) return undefined;
  const share = ciphertext.subarray(ML_KEM_CIPHERTEXT);
  const secret = x25519(privateKey.x25519, share);
  if (secret === undefined) return undefined;
  const sharedKey = mlKemDecapsulate(privateKey.mlKem, ciphertext.subarray(0, ML_KEM_CIPHERTEXT));
  return sharedKey === undefined ? undefined : combine(sharedKey, secret, share, privateKey.publicBytes);
}

/** The combiner of section 5.3. */
function combine(mlKem: Uint8Array, x25519: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return sha3(mlKem, x25519, share, publicKey.subarray(ML_KEM_PUBLIC), LABEL);
}
