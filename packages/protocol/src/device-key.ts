import type { DeviceId } from './brand.ts';
import { copyOf, sized, toHex } from './bytes.ts';
import {
  type Ed25519Public,
  ed25519PublicOf,
  ed25519Sign,
  ed25519Verify,
  importEd25519Public,
  importEd25519Seed,
  sha256,
} from './crypto.ts';

/** What signs as a device; the private key stays inside. */
export interface Signer {
  /** The device's Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The 64-byte Ed25519 signature of `message`. */
  sign(message: Uint8Array): Uint8Array;
}

/** What verifies one device's signatures. Only {@link importVerifier} makes one. */
export interface Verifier {
  readonly device: DeviceId;
  /** Whether `signature` is the device's over `message`. */
  verifies(message: Uint8Array, signature: Uint8Array): boolean;
}

/** The signer of a 32-byte Ed25519 seed (RFC 8032's private key). @throws RangeError on another size */
export function importSigner(seed: Uint8Array): Signer {
  const secret = importEd25519Seed(seed);
  return { publicKey: ed25519PublicOf(secret), sign: (message) => ed25519Sign(secret, message) };
}

/**
 * The verifier of a raw Ed25519 public key, or undefined if it is not 32 bytes, not a canonical encoding, or of small order
 * (anyone can sign for such a key). Cheap: the key object is made by the first verification and kept.
 */
export function importVerifier(publicKey: Uint8Array): Verifier | undefined {
  if (!isSound(publicKey)) return undefined;
  const bytes = copyOf(publicKey);
  let key: Ed25519Public | undefined;
  return {
    device: deviceIdOf(bytes),
    verifies: (message, signature) => ed25519Verify((key ??= importEd25519Public(bytes)), message, signature),
  };
}

/** The first 16 bytes of SHA-256 of a device's 32-byte public key. @throws RangeError on another size */
export function deviceIdOf(publicKey: Uint8Array): DeviceId {
  return toHex(sha256(sized(publicKey, 32, 'ed25519 public key')).subarray(0, 16)) as DeviceId;
}

/** The y coordinates, little-endian, of all points whose order divides 8; p - 1 is among them, so larger ones are not canonical. */
const SMALL_ORDER: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

function isSound(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false;
  const y = copyOf(publicKey);
  y[31] = (y[31] ?? 0) & 0x7f;
  // The field's prime is ed ff … ff 7f: nothing else with these 31 bytes on top is below it but those from 00 to ec.
  const topped = y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff);
  if (topped && (y[0] ?? 0) >= 0xed) return false;
  return !SMALL_ORDER.includes(toHex(y));
}
