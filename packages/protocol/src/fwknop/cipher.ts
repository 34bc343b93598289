/** How fwknop encrypts with a shared key: AES-256 under a key made by OpenSSL's old way of passwords, PKCS #7 in every mode. */
import { concat } from '../bytes.ts';
import { aes256, type AesMode, digestOf } from '../crypto.ts';

/**
 * Modes as fwknop's configuration spells them, in lower case. `legacy` is CBC under the first 16 bytes of the key only, filled up
 * with the digit 0.
 */
export const FWKNOP_MODES = ['ecb', 'cbc', 'cfb', 'ofb', 'ctr', 'legacy'] as const;

/** One of {@link FWKNOP_MODES}. */
export type FwknopMode = (typeof FWKNOP_MODES)[number];

/** Bytes of a salt. */
export const SALT_SIZE = 8;
/** Bytes of a block. */
export const BLOCK_SIZE = 16;

/** `plaintext`, padded and encrypted under a key of 1 to 32 bytes and a salt of 8. */
export function encrypt(mode: FwknopMode, key: Uint8Array, salt: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const padding = BLOCK_SIZE - (plaintext.length % BLOCK_SIZE);
  return run('encrypt', mode, key, salt, concat(plaintext, new Uint8Array(padding).fill(padding)));
}

/** The plaintext with its padding, or whatever comes out under a wrong key: `ciphertext`, whole blocks of it, always decrypts. */
export function decrypt(mode: FwknopMode, key: Uint8Array, salt: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return run('decrypt', mode, key, salt, ciphertext);
}

/** Bytes of PKCS #7 padding (RFC 5652, section 6.3) at the end of `padded`, 1 to 16; 0 if it has none. Looks at 16 bytes whatever they are. */
export function paddingOf(padded: Uint8Array): number {
  const last = padded.length - 1;
  const size = padded[last] ?? 0;
  let wrong = Number(size > BLOCK_SIZE);
  for (let i = 0; i < BLOCK_SIZE; i++) wrong |= Number(i < size) & Number(padded[last - i] !== size);
  return size & (wrong - 1);
}

/** @throws RangeError unless `key` has 1 to 32 bytes, which is what fwknop takes */
export function mustBeKey(key: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > 32) throw new RangeError(`fwknop key: 1 to 32 bytes expected, got ${key.length}`);
  return key;
}

function run(
  direction: 'encrypt' | 'decrypt',
  mode: FwknopMode,
  key: Uint8Array,
  salt: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const derived = derive(mode === 'legacy' ? legacyKey(key) : key, salt);
  const aesMode: AesMode = mode === 'legacy' ? 'cbc' : mode;
  return aes256(direction, aesMode, derived.subarray(0, 32), derived.subarray(32), data);
}

/** OpenSSL's EVP_BytesToKey with MD5 and one round: 32 bytes of key, 16 of iv. */
function derive(password: Uint8Array, salt: Uint8Array): Uint8Array {
  const first = digestOf('md5', concat(password, salt));
  const second = digestOf('md5', concat(first, password, salt));
  return concat(first, second, digestOf('md5', concat(second, password, salt)));
}

function legacyKey(key: Uint8Array): Uint8Array {
  const filled = new Uint8Array(16).fill(0x30);
  filled.set(key.subarray(0, 16));
  return filled;
}
