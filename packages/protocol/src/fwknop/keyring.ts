/** The keys of a server, tried on a packet one after the other: nothing in it says whose it is. */
import { BASE64, decodeBase64, encodeBase64 } from '../base64.ts';
import { ascii, concat, copyOf, readU32 } from '../bytes.ts';
import { equal, hmac, type HmacKey, importHmacKey, sha256 } from '../crypto.ts';
import { accept, refuse, type Result } from '../result.ts';
import { BLOCK_SIZE, decrypt, type FwknopMode, mustBeKey, paddingOf, SALT_SIZE } from './cipher.ts';
import { decodeFwknopFields, type FwknopDecoded } from './decode.ts';
import { digestCharacters, findDigest, type FwknopDigest, hashOf } from './digest.ts';
import { gpgPrefix } from './gpg-prefix.ts';
import { HmacTrial, type TrialKey, trialKey } from './hmac-trial.ts';
import type { FwknopMessage } from './message.ts';
import type { FwknopRefusal } from './refusal.ts';
import { type FwknopHmac, mustBeHmac, SALTED } from './seal.ts';
import { FWKNOP_PACKET, fwknopShape, SALT_PREFIX } from './shape.ts';

/** What a packet is opened with. Without an HMAC anybody may change what others sent: only for those who asked for it. */
export type FwknopCredential =
  | {
      readonly kind: 'symmetric';
      /** 1 to 32 bytes. */
      readonly key: Uint8Array;
      readonly mode: FwknopMode;
      readonly hmac: FwknopHmac | undefined;
    }
  | { readonly kind: 'gpg'; readonly hmac: FwknopHmac | undefined };

/** What was in a packet, and which credential opened it, by its index. */
export type FwknopOpened =
  | {
      readonly kind: 'message';
      readonly credential: number;
      readonly message: FwknopMessage;
      /** Of the digest inside. */
      readonly digest: FwknopDigest;
      /** SHA-256 of salt and ciphertext: 32 bytes, the same for every text that decodes to the same. */
      readonly replayId: Uint8Array;
    }
  | {
      /** Only the HMAC was looked at; without one, anybody may have sent it. */
      readonly kind: 'gpg';
      readonly credential: number;
      /** The binary OpenPGP message. */
      readonly ciphertext: Uint8Array;
      /** SHA-256 of it. */
      readonly replayId: Uint8Array;
    };

/** Which credentials are tried. */
export interface FwknopOpenOptions {
  /** Index of the one to try before all others. */
  readonly first?: number;
  /** Whether the credential with an index may be tried; all may if this is left out. */
  readonly allowed?: (index: number) => boolean;
}

/** The HMAC of a credential, ready. Secret. */
type Authenticator =
  | { readonly digest: 'sha256'; readonly key: TrialKey }
  | { readonly digest: Exclude<FwknopDigest, 'sha256'>; readonly key: HmacKey };

interface Entry {
  readonly credential: FwknopCredential;
  readonly authenticator: Authenticator | undefined;
}

/** Opens packets. Prints as nothing of its keys. */
export class FwknopKeyring {
  readonly #entries: readonly Entry[];
  readonly #trials: Readonly<Record<FwknopCredential['kind'], HmacTrial>> = {
    symmetric: new HmacTrial(LONGEST_TEXT),
    gpg: new HmacTrial(LONGEST_TEXT),
  };

  /** @throws RangeError for a key of a size that fwknop does not know */
  constructor(credentials: readonly FwknopCredential[]) {
    this.#entries = credentials.map((credential) => {
      if (credential.kind === 'symmetric') mustBeKey(credential.key);
      return { credential, authenticator: credential.hmac && authenticatorOf(credential.hmac) };
    });
  }

  /**
   * Tries the credentials in their order. The HMAC is over the text, so it is looked at before anything is decoded or decrypted. Total.
   *
   * @returns the first that opens the packet; otherwise why it is no packet, why the first whose HMAC verified does not open it, or
   * `no-key`
   */
  open(payload: Uint8Array, { first, allowed }: FwknopOpenOptions = {}): Result<FwknopOpened, FwknopRefusal> {
    const shape = fwknopShape(payload);
    if (!shape.ok) return shape;
    const packet = new Packet(payload, this.#trials);
    let refused: FwknopRefusal = 'no-key';
    const attempt = (index: number): Result<FwknopOpened, FwknopRefusal> | undefined => {
      const entry = this.#entries[index];
      if (entry === undefined || allowed?.(index) === false) return undefined;
      const opened = openWith(packet, entry, index);
      if (!opened.ok && refused === 'no-key') refused = opened.reason;
      return opened;
    };
    const early = first === undefined ? undefined : attempt(first);
    if (early?.ok === true) return early;
    for (let index = 0; index < this.#entries.length; index++) {
      const opened = index === first ? undefined : attempt(index);
      if (opened?.ok === true) return opened;
    }
    return refuse(refused);
  }
}

const LONGEST_TEXT = FWKNOP_PACKET.most + SALT_PREFIX.length;

/** A packet that is tried: what several credentials need of it is made once, and only when one needs it. */
class Packet {
  readonly #payload: Uint8Array;
  readonly #trials: Readonly<Record<FwknopCredential['kind'], HmacTrial>>;
  readonly #texts = new Map<string, Uint8Array>();
  readonly #decoded = new Map<string, Uint8Array | undefined>();
  readonly #loaded = new Set<FwknopCredential['kind']>();
  #mac: Int32Array | undefined;

  constructor(payload: Uint8Array, trials: Readonly<Record<FwknopCredential['kind'], HmacTrial>>) {
    this.#payload = payload;
    this.#trials = trials;
  }

  get size(): number {
    return this.#payload.length;
  }

  /** The base64 text with what the sender left out, without the HMAC of `macSize` characters. */
  text(kind: FwknopCredential['kind'], macSize: number): Uint8Array {
    return made(this.#texts, `${kind} ${macSize}`, () => {
      const body = this.#payload.subarray(0, this.#payload.length - macSize);
      return concat(kind === 'symmetric' ? SALT_PREFIX : ascii(gpgPrefix(latin1(body))), body);
    });
  }

  /** The bytes of that text; undefined if it is not what an encoder writes. */
  decoded(kind: FwknopCredential['kind'], macSize: number): Uint8Array | undefined {
    return made(this.#decoded, `${kind} ${macSize}`, () => decodeBase64(latin1(this.text(kind, macSize)), BASE64));
  }

  /** Whether the HMAC at the end is the one that `authenticator` makes of the text. */
  verifies(kind: FwknopCredential['kind'], { digest, key }: Authenticator): boolean {
    const macSize = digestCharacters(digest);
    if (digest === 'sha256') {
      const trial = this.#trials[kind];
      if (!this.#loaded.has(kind)) trial.load(this.text(kind, macSize));
      this.#loaded.add(kind);
      this.#mac ??= macWords(this.#payload.subarray(-macSize));
      return trial.matches(key, this.#mac);
    }
    const mac = encodeBase64(hmac(hashOf(digest), key, this.text(kind, macSize)), BASE64);
    return equal(ascii(mac), this.#payload.subarray(-macSize));
  }
}

function openWith(
  packet: Packet,
  { credential, authenticator }: Entry,
  index: number,
): Result<FwknopOpened, FwknopRefusal> {
  const { kind } = credential;
  if (kind === 'gpg' && packet.size < FWKNOP_PACKET.gpg) return refuse('no-key');
  if (authenticator !== undefined && !packet.verifies(kind, authenticator)) return refuse('no-key');
  const macSize = authenticator === undefined ? 0 : digestCharacters(authenticator.digest);
  const bytes = packet.decoded(kind, macSize);
  const opened = bytes === undefined ? refuse('base64') : openBytes(bytes, credential, index);
  // Who did not authenticate learns nothing of how far it came.
  return opened.ok || authenticator !== undefined ? opened : refuse('no-key');
}

function openBytes(
  bytes: Uint8Array,
  credential: FwknopCredential,
  index: number,
): Result<FwknopOpened, FwknopRefusal> {
  if (credential.kind === 'gpg') {
    return accept({ kind: 'gpg', credential: index, ciphertext: copyOf(bytes), replayId: sha256(bytes) });
  }
  const body = bytes.length - SALTED.length - SALT_SIZE;
  // Whether it has this form anybody sees who sees the packet.
  if (body <= 0 || body % BLOCK_SIZE !== 0 || !SALTED.every((byte, i) => byte === bytes[i]))
    return refuse('ciphertext');
  const sealed = bytes.subarray(SALTED.length);
  const opened = decrypted(credential.mode, credential.key, sealed.subarray(0, SALT_SIZE), sealed.subarray(SALT_SIZE));
  return opened.ok ? accept({ kind: 'message', credential: index, ...opened.value, replayId: sha256(sealed) }) : opened;
}

/**
 * Decrypts and reads. Where there was no HMAC a stranger may send one changed ciphertext after the other, and would read what somebody
 * else sent if he could tell bad padding from a bad digest (Vaudenay, EUROCRYPT 2002). So every ciphertext of one size takes the same
 * way to the end: all of it is decrypted, all digests are computed and compared, fields are read (those of a message of ours, where
 * the digest is bad), and only then is the verdict looked at.
 */
function decrypted(
  mode: FwknopMode,
  key: Uint8Array,
  salt: Uint8Array,
  ciphertext: Uint8Array,
): Result<FwknopDecoded, FwknopRefusal> {
  const padded = decrypt(mode, key, salt, ciphertext);
  const padding = paddingOf(padded);
  const { colon, digest } = findDigest(padded, padded.length - padding);
  const good = padding !== 0 && digest !== undefined;
  const message = decodeFwknopFields(good ? padded.subarray(0, colon) : STAND_IN);
  if (padding === 0) return refuse('padding');
  if (digest === undefined) return refuse('digest');
  return message.ok ? accept({ message: message.value, digest }) : message;
}

const STAND_IN = ascii('0000000000000000:YWxpY2U:1700000000:3.0.0:1:MTI3LjAuMC4yLHRjcC8yMg');

function authenticatorOf(authentication: FwknopHmac): Authenticator {
  const { digest, key } = mustBeHmac(authentication);
  return digest === 'sha256' ? { digest, key: trialKey(key) } : { digest, key: importHmacKey(key) };
}

/** The 8 words of an HMAC-SHA256 in base64; none if it is not what an encoder writes, which no HMAC equals. */
function macWords(text: Uint8Array): Int32Array {
  const bytes = decodeBase64(latin1(text), BASE64);
  return bytes === undefined ? new Int32Array(0) : Int32Array.from({ length: 8 }, (_, i) => readU32(bytes, 4 * i));
}

function made<T>(cache: Map<string, T>, name: string, make: () => T): T {
  if (!cache.has(name)) cache.set(name, make());
  return cache.get(name) as T;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
