/**
 * A host's file behind a passphrase: JSON with what may be read by everybody who has the file, and the file's own text sealed with
 * ChaCha20-Poly1305 (RFC 8439) under a key that Argon2id (RFC 9106) makes of the passphrase. The readable part is authenticated too.
 */
import { argon2Sync, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Random, secret, type SecretBytes, toHex } from '@postern/protocol';

/** Version of the format of a file behind a passphrase. */
export const LOCKED_FORMAT = 2;

/** What Argon2id costs: the second choice of RFC 9106, section 4. */
export const COST: Cost = { memory: 65_536, passes: 3, lanes: 4 };
/** What a file may ask for at most: one that was tampered with shall not use up the machine. */
const MOST: Cost = { memory: 4_194_304, passes: 64, lanes: 64 };

const SALT_SIZE = 16;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;
const CIPHER = 'chacha20-poly1305';

/** Cost of Argon2id: memory in KiB, passes over it, lanes. */
export interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

/** What makes a key of a passphrase. */
export interface Derivation {
  readonly cost: Cost;
  /** 16 bytes. */
  readonly salt: Uint8Array;
}

/** A derivation with its key: 32 bytes, held for the time of one command. */
export interface Lock extends Derivation {
  readonly key: SecretBytes;
}

/** A sealed text as it stands in a file: base64. */
export interface Sealed {
  /** `argon2id`. */
  readonly kdf: string;
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: string;
  readonly nonce: string;
  readonly box: string;
}

/** The lock that a passphrase makes with this derivation. Takes a tenth of a second and 64 MiB with {@link COST}. */
export function deriveLock(passphrase: string, { cost, salt }: Derivation): Lock {
  const key = argon2Sync('argon2id', {
    // One passphrase, however the keyboard composes its letters.
    message: Buffer.from(passphrase.normalize('NFC'), 'utf8'),
    nonce: salt,
    ...{ memory: cost.memory, passes: cost.passes, parallelism: cost.lanes, tagLength: 32 },
  });
  return { cost, salt, key: secret(key) };
}

/** A new lock for a passphrase. */
export function newLock(passphrase: string, random: Random): Lock {
  return deriveLock(passphrase, { cost: COST, salt: random(SALT_SIZE) });
}

/** Seals `text`, bound to `readable`. */
export function sealText(text: string, readable: string, lock: Lock, random: Random = randomBytes): Sealed {
  const nonce = random(NONCE_SIZE);
  const cipher = createCipheriv(CIPHER, lock.key, nonce, { authTagLength: TAG_SIZE });
  const plain = Buffer.from(text, 'utf8');
  cipher.setAAD(Buffer.from(readable, 'utf8'), { plaintextLength: plain.length });
  const box = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  plain.fill(0);
  const { memory, passes, lanes } = lock.cost;
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return {
    ...{ kdf: 'argon2id', memory, passes, lanes },
    ...{ salt: base64(lock.salt), nonce: base64(nonce), box: base64(box) },
  };
}

/** The text that {@link sealText} sealed, or undefined if the key is another, or a byte of what it made or of `readable`. */
export function openText({ nonce, box }: Sealed, readable: string, lock: Lock): string | undefined {
  const sealed = Buffer.from(box, 'base64');
  const iv = Buffer.from(nonce, 'base64');
  if (sealed.length < TAG_SIZE || iv.length !== NONCE_SIZE) return undefined;
  const size = sealed.length - TAG_SIZE;
  const decipher = createDecipheriv(CIPHER, lock.key, iv, { authTagLength: TAG_SIZE });
  decipher.setAAD(Buffer.from(readable, 'utf8'), { plaintextLength: size });
  decipher.setAuthTag(sealed.subarray(size));
  const plain = decipher.update(sealed.subarray(0, size));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain.toString('utf8');
}

/** How the key of a sealed text is made, or what is wrong with it. */
export function derivationOf(sealed: Sealed): Derivation | string {
  if (sealed.kdf !== 'argon2id') return 'kdf: "argon2id" expected';
  for (const name of ['memory', 'passes', 'lanes'] as const) {
    const value: unknown = sealed[name];
    const least = name === 'memory' ? 8 : 1;
    if (!Number.isSafeInteger(value) || sealed[name] < least || sealed[name] > MOST[name])
      return `${name}: an integer from ${least} to ${MOST[name]} expected`;
  }
  if (sealed.memory < 8 * sealed.lanes) return 'memory: at least 8 for each lane expected';
  for (const name of ['salt', 'nonce', 'box'] as const)
    if (typeof sealed[name] !== 'string') return `${name}: base64 expected`;
  const salt = new Uint8Array(Buffer.from(sealed.salt, 'base64'));
  if (salt.length !== SALT_SIZE) return `salt: ${SALT_SIZE} bytes expected`;
  const { memory, passes, lanes } = sealed;
  return { cost: { memory, passes, lanes }, salt };
}

/** Whether two derivations make the same key of a passphrase. */
export function sameDerivation(a: Derivation, b: Derivation): boolean {
  const text = ({ cost, salt }: Derivation): string => `${cost.memory} ${cost.passes} ${cost.lanes} ${toHex(salt)}`;
  return text(a) === text(b);
}
