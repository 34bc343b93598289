/** Everything that the protocol takes from `node:crypto`; no other file imports it. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { concat, sized } from './bytes.ts';
import type { Brand } from './brand.ts';

/** An X25519 private key. Prints and serialises as nothing. */
export interface X25519Private {
  readonly key: KeyObject;
  readonly agree: Agree;
}
/** Gives the 32-byte X25519 shared secret (RFC 7748 section 6.1) with a public key of 32 bytes, or undefined if it is all zero. */
export type Agree = (publicKey: Uint8Array) => Uint8Array | undefined;
/** An ML-KEM-768 decapsulation key. Prints and serialises as nothing. */
export type MlKemPrivate = Brand<KeyObject, 'MlKemPrivate'>;
/** An ML-KEM-768 encapsulation key. */
export type MlKemPublic = Brand<KeyObject, 'MlKemPublic'>;
/** An Ed25519 private key. Prints and serialises as nothing. */
export type Ed25519Private = Brand<KeyObject, 'Ed25519Private'>;
/** An Ed25519 public key. */
export type Ed25519Public = Brand<KeyObject, 'Ed25519Public'>;

/** A key of an HMAC, made ready once for many messages. Prints and serialises as nothing. */
export type HmacKey = Brand<KeyObject, 'HmacKey'>;

/**
 * A shorter way to OpenSSL, for what each packet takes: node:crypto makes objects of its own for every call, and touches so much memory that a packet
 * that comes after a rest waits for it.
 */
export interface Shortcuts {
  /** HMAC-SHA256 (RFC 2104) of `data` under a key of any length: 32 bytes. */
  readonly hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array;
  /** SHA-256 (FIPS 180-4): 32 bytes. */
  readonly sha256: (data: Uint8Array) => Uint8Array;
  /** `data` XOR the ChaCha20 stream (RFC 8439) of a key of 32 bytes, for an iv of 16: the block counter, little-endian, and the nonce. */
  readonly chacha20: (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array;
  /** What ChaCha20-Poly1305 (RFC 8439) sealed under a key of 32 bytes and a nonce of 12, its tag of 16 at the end; undefined if it is not from there. */
  readonly aeadOpen: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ) => Uint8Array | undefined;
  /** Makes an X25519 private key (RFC 7748) of 32 bytes ready for many public keys. */
  readonly x25519: (secret: Uint8Array) => Agree;
}

let shortcuts: Shortcuts | undefined;

/** From now on these are taken, in this process; undefined: node:crypto alone. Private keys that were imported before stay as they are. */
export function takeShortcuts(ways: Shortcuts | undefined): void {
  shortcuts = ways;
}

/** A hash function by its name here; only for formats of others is one of them MD5 or SHA-1. */
export type HashName = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'sha3-256' | 'sha3-512';
/** A mode of AES-256 (FIPS 197, SP 800-38A); `cfb` feeds back whole blocks, `ctr` counts in all 128 bits. */
export type AesMode = 'ecb' | 'cbc' | 'cfb' | 'ofb' | 'ctr';

/** A key of a hash table in memory, 8 bytes. It shows in nothing that leaves the process, so it is not passed in. */
export function freshHashKey(): Uint8Array {
  return plain(randomBytes(8));
}

/** The hash `name` of `data` (RFC 1321, FIPS 180-4, FIPS 202): 16, 20, 32, 48 or 64 bytes. */
export function digestOf(name: HashName, data: Uint8Array): Uint8Array {
  return plain(hash(name, data, 'buffer'));
}

/** The key of an HMAC, of any length but none. */
export function importHmacKey(key: Uint8Array): HmacKey {
  if (key.length === 0) throw new RangeError('hmac key: 1 byte or more expected');
  return keyObject(key) as HmacKey;
}

/** HMAC (RFC 2104) of `data` with the hash `name`, as long as that hash. */
export function hmac(name: HashName, key: HmacKey, data: Uint8Array): Uint8Array {
  return plain(createHmac(name, key).update(data).digest());
}

/**
 * `data` encrypted or decrypted by AES-256 under a 32-byte key and a 16-byte iv (not used by `ecb`), without padding. Never fails for
 * what is in `data`.
 *
 * @throws RangeError on another size of key or iv, or if `data` is no whole number of 16-byte blocks
 */
export function aes256(
  direction: 'encrypt' | 'decrypt',
  mode: AesMode,
  key: Uint8Array,
  iv: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  if (data.length % 16 !== 0) throw new RangeError('aes-256: whole blocks of 16 bytes expected');
  sized(key, 32, 'aes-256 key');
  sized(iv, 16, 'aes-256 iv');
  const make = direction === 'encrypt' ? createCipheriv : createDecipheriv;
  const cipher = make(`aes-256-${mode}`, keyObject(key), mode === 'ecb' ? null : iv);
  cipher.setAutoPadding(false);
  return plain(cipher.update(data));
}

/** SHA-256 (FIPS 180-4) of all `parts` in a row: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const data = joined(parts);
  return shortcuts?.sha256(data) ?? plain(hash('sha256', data, 'buffer'));
}

/** SHA3-256 (FIPS 202) of all `parts` in a row: 32 bytes. */
export function sha3(...parts: readonly Uint8Array[]): Uint8Array {
  return plain(hash('sha3-256', joined(parts), 'buffer'));
}

/** The first `size` bytes of SHAKE256 (FIPS 202) of `data`. */
export function shake256(data: Uint8Array, size: number): Uint8Array {
  return plain(hash('shake256', data, { outputLength: size, outputEncoding: 'buffer' }));
}

/** HMAC-SHA256 (RFC 2104) of all `parts` in a row: 32 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const data = joined(parts);
  return shortcuts?.hmacSha256(key, data) ?? plain(createHmac('sha256', keyObject(key)).update(data).digest());
}

/** HKDF-SHA256-Extract (RFC 5869 section 2.2): a pseudorandom key of 32 bytes. */
export function hkdfExtract(salt: Uint8Array, ...inputs: readonly Uint8Array[]): Uint8Array {
  return hmacSha256(salt, ...inputs);
}

/**
 * HKDF-SHA256-Expand (RFC 5869 section 2.3): `size` bytes.
 *
 * @throws RangeError if `size` is not in [1, 8160]
 */
export function hkdfExpand(prk: Uint8Array, size: number, ...info: readonly Uint8Array[]): Uint8Array {
  if (!Number.isInteger(size) || size < 1 || size > 255 * 32) throw new RangeError('hkdf: 1 to 8160 bytes expected');
  const output = new Uint8Array(size);
  let block: Uint8Array = new Uint8Array(0);
  for (let counter = 1, offset = 0; offset < size; counter++, offset += 32) {
    block = hmacSha256(prk, block, ...info, Uint8Array.of(counter));
    output.set(block.subarray(0, size - offset), offset);
  }
  return output;
}

/** Whether `a` and `b` are the same bytes; takes the same time wherever they differ. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `data` XOR the ChaCha20 stream (RFC 8439 section 2.4) of a 32-byte key and a 12-byte nonce, from block `counter` 0. */
export function chacha20(key: Uint8Array, nonce: Uint8Array, data: Uint8Array): Uint8Array {
  const iv = new Uint8Array(16);
  iv.set(sized(nonce, 12, 'chacha20 nonce'), 4);
  sized(key, 32, 'chacha20 key');
  return shortcuts?.chacha20(key, iv, data) ?? plain(createCipheriv('chacha20', keyObject(key), iv).update(data));
}

/** ChaCha20-Poly1305 (RFC 8439 section 2.8) under a 32-byte key and a 12-byte nonce: ciphertext, then the 16-byte tag. */
export function aeadSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', keyObject(key), nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + 16);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

/** What {@link aeadSeal} sealed, or undefined if key, nonce, `aad` or any byte of `sealed` is another. */
export function aeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < 16) return undefined;
  if (shortcuts !== undefined)
    return shortcuts.aeadOpen(sized(key, 32, 'aead key'), sized(nonce, 12, 'aead nonce'), aad, sealed);
  const size = sealed.length - 16;
  const decipher = createDecipheriv('chacha20-poly1305', keyObject(key), nonce, { authTagLength: 16 });
  decipher.setAAD(aad, { plaintextLength: size });
  decipher.setAuthTag(sealed.subarray(size));
  const plaintext = decipher.update(sealed.subarray(0, size));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain(plaintext);
}

/** The X25519 private key (RFC 7748) of 32 bytes. @throws RangeError on another size */
export function importX25519Private(secret: Uint8Array): X25519Private {
  const key = rawPrivate(sized(secret, 32, 'x25519 private key'), 'x25519', 'raw-private');
  return { key, agree: shortcuts?.x25519(secret) ?? agreeBy(key) };
}

/** The 32 bytes of the public key that belongs to `secret`. */
export function x25519PublicOf({ key }: X25519Private): Uint8Array {
  return exportPublic(key);
}

/** The 32-byte X25519 shared secret with a public key, or undefined if it is all zero. @throws RangeError on a public key of another size */
export function x25519({ agree }: X25519Private, publicKey: Uint8Array): Uint8Array | undefined {
  return agree(sized(publicKey, 32, 'x25519 public key'));
}

function agreeBy(privateKey: KeyObject): Agree {
  return (publicKey) => {
    try {
      return plain(diffieHellman({ privateKey, publicKey: rawPublic(publicKey, 'x25519') }));
    } catch {
      return undefined;
    }
  };
}

/** The ML-KEM-768 key pair (FIPS 203 section 7.1) of the 64-byte seed d ‖ z. @throws RangeError on another size */
export function importMlKemSeed(seed: Uint8Array): MlKemPrivate {
  return rawPrivate(sized(seed, 64, 'ml-kem-768 seed'), 'ml-kem-768', 'raw-seed') as MlKemPrivate;
}

/** The ML-KEM-768 encapsulation key of 1,184 bytes. @throws RangeError on another size or if FIPS 203's modulus check fails */
export function importMlKemPublic(bytes: Uint8Array): MlKemPublic {
  sized(bytes, 1184, 'ml-kem-768 public key');
  try {
    return rawPublic(bytes, 'ml-kem-768') as MlKemPublic;
  } catch (cause) {
    throw new RangeError('ml-kem-768 public key: not a valid encapsulation key', { cause });
  }
}

/** The 1,184 bytes of the encapsulation key that belongs to `secret`. */
export function mlKemPublicOf(secret: MlKemPrivate): Uint8Array {
  return exportPublic(secret);
}

/** ML-KEM-768 encapsulation (FIPS 203 section 7.2): 1,088 and 32 bytes, with randomness that OpenSSL draws itself. */
export function mlKemEncapsulate(publicKey: MlKemPublic): { ciphertext: Uint8Array; sharedKey: Uint8Array } {
  const { ciphertext, sharedKey } = encapsulate(publicKey);
  return { ciphertext: plain(ciphertext), sharedKey: plain(sharedKey) };
}

/** ML-KEM-768 decapsulation (FIPS 203 section 7.3): 32 bytes, pseudorandom ones for a wrong ciphertext; undefined if it is not 1,088 long. */
export function mlKemDecapsulate(privateKey: MlKemPrivate, ciphertext: Uint8Array): Uint8Array | undefined {
  return ciphertext.length === 1088 ? plain(decapsulate(privateKey, ciphertext)) : undefined;
}

/** The Ed25519 private key (RFC 8032) of a 32-byte seed. @throws RangeError on another size */
export function importEd25519Seed(seed: Uint8Array): Ed25519Private {
  return rawPrivate(sized(seed, 32, 'ed25519 seed'), 'ed25519', 'raw-private') as Ed25519Private;
}

/** The Ed25519 public key (RFC 8032) of 32 bytes; whether they are a point shows when it verifies. @throws RangeError on another size */
export function importEd25519Public(bytes: Uint8Array): Ed25519Public {
  return rawPublic(sized(bytes, 32, 'ed25519 public key'), 'ed25519') as Ed25519Public;
}

/** The 32 bytes of the public key that belongs to `secret`. */
export function ed25519PublicOf(secret: Ed25519Private): Uint8Array {
  return exportPublic(secret);
}

/** The 64-byte Ed25519 signature (RFC 8032 section 5.1.6) of `message`. */
export function ed25519Sign(secret: Ed25519Private, message: Uint8Array): Uint8Array {
  return plain(sign(null, message, secret));
}

/** Whether `signature` is one of `message` by the key (RFC 8032 section 5.1.7). */
export function ed25519Verify(publicKey: Ed25519Public, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, publicKey, signature);
  } catch {
    return false;
  }
}

/** One call with the parts joined here is cheaper than one call into OpenSSL for each. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : concat(...parts);
}

/** A key object for `key`: node takes 2 µs for a cipher or a mac under one, and 14 µs under the bare bytes. */
function keyObject(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

function rawPrivate(key: Uint8Array, asymmetricKeyType: string, format: 'raw-private' | 'raw-seed'): KeyObject {
  return createPrivateKey({ key: Buffer.from(key), format, asymmetricKeyType } as Parameters<
    typeof createPrivateKey
  >[0]);
}

function rawPublic(key: Uint8Array, asymmetricKeyType: string): KeyObject {
  return createPublicKey({ key: Buffer.from(key), format: 'raw-public', asymmetricKeyType } as Parameters<
    typeof createPublicKey
  >[0]);
}

function exportPublic(secret: KeyObject): Uint8Array {
  return plain(createPublicKey(secret).export({ format: 'raw-public' }));
}

/** The same bytes as no Buffer: whose `slice` would share memory, and which compares unequal to a Uint8Array in tests. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
