/**
 * The line between the sentry and the gate's GPG helper: a stream of frames of one fixed size in both directions, big-endian. Neither trusts the
 * other. Decoders are total: any bytes give a frame or undefined, and only what an encoder here makes is a frame. Decoded fields are copies.
 */
import { readU16, readU32, writeU16, writeU32 } from '@postern/protocol';
import { put, zero } from './field.ts';

/** Size of every frame, both ways, in bytes. */
export const GPG_FRAME = 1280;

/** The longest OpenPGP message: more than fits the 1,500 characters of the longest packet of fwknop 2.6.10. Bytes. */
export const MOST_CIPHERTEXT = 1200;

/** The longest text inside, in bytes. */
export const MOST_PLAINTEXT = 1100;

/** The most signatures of one message; fwknop's client makes one. */
export const MOST_SIGNATURES = 4;

/** What became of a request: `busy` was not tried; `time`: gpg was ended because it took too long. */
export const GPG_OUTCOMES = ['ok', 'refused', 'busy', 'time'] as const;

/** One of {@link GPG_OUTCOMES}. */
export type GpgOutcome = (typeof GPG_OUTCOMES)[number];

/** First byte of a frame. */
const TYPE = { decrypt: 1, answer: 2 } as const;

/** `decrypt` (sentry to helper): 0 type · 1 zero 1 · 2 credential u16 · 4 id u32, echoed · 8 length of the message u16 · 10 zero 2 · 12 message · zero. */
export const DECRYPT_FRAME = { type: 0, credential: 2, id: 4, length: 8, ciphertext: 12 } as const;

/**
 * `answer` (helper to sentry): 0 type · 1 outcome by index in GPG_OUTCOMES · 2 credential u16 · 4 id u32 · 8 length of the text u16 · 10 number of
 * signatures u8 · 11 zero 1 · 12 four signatures of 41 bytes: 1 if it verified, else 0 · fingerprint 20 of the key that signed (zero if unknown) · of its
 * primary key 20 (likewise) · 176 text · zero. Only `ok` has a text and signatures.
 */
export const ANSWER_FRAME = {
  type: 0,
  outcome: 1,
  credential: 2,
  id: 4,
  length: 8,
  count: 10,
  signatures: 12,
  plaintext: 176,
} as const;

/** Offsets within a signature of an `answer`, and its size. */
const SIGNATURE = { verified: 0, fingerprint: 1, primary: 21, size: 41 } as const;

/** A message to be decrypted. */
export interface GpgRequest {
  /** u32, echoed in the answer. */
  readonly id: number;
  /** u16: which keyring and passphrase. */
  readonly credential: number;
  /** Binary OpenPGP message, 1 to 1,200 bytes. */
  readonly ciphertext: Uint8Array;
}

/** A signature inside a message. */
export interface GpgSignature {
  /** By a key of the keyring, over this very text, and neither it nor the key has expired or was revoked. */
  readonly verified: boolean;
  /** Of the key that signed, often a subkey; 20 bytes. What a signature that did not verify says of itself is nothing but a claim. */
  readonly fingerprint: Uint8Array | undefined;
  /** Of its primary key; 20 bytes. */
  readonly primary: Uint8Array | undefined;
}

/** What was inside. */
export interface GpgResult {
  readonly outcome: GpgOutcome;
  /** 1 to 1,100 bytes where the outcome is `ok`, else none. */
  readonly plaintext: Uint8Array;
  /** At most 4. */
  readonly signatures: readonly GpgSignature[];
}

/** The answer to a request. */
export interface GpgAnswer extends GpgResult {
  /** The request's. */
  readonly id: number;
  /** The request's. */
  readonly credential: number;
}

/**
 * Writes a request into `into` (1,280 bytes, overwritten wholly) and returns it.
 * @throws RangeError when the message is empty or too long, or `into` has another size
 */
export function encodeGpgRequest(request: GpgRequest, into: Uint8Array = new Uint8Array(GPG_FRAME)): Uint8Array {
  const { id, credential, ciphertext } = request;
  start(into, TYPE.decrypt, credential, id);
  putCounted(into, DECRYPT_FRAME.ciphertext, ciphertext, MOST_CIPHERTEXT);
  return into;
}

/** Undefined when no sentry of ours sends that. */
export function decodeGpgRequest(frame: Uint8Array): GpgRequest | undefined {
  if (frame.length !== GPG_FRAME || frame[DECRYPT_FRAME.type] !== TYPE.decrypt) return undefined;
  if (frame[DECRYPT_FRAME.type + 1] !== 0) return undefined;
  if (!zero(frame, DECRYPT_FRAME.length + 2, DECRYPT_FRAME.ciphertext)) return undefined;
  const ciphertext = takeCounted(frame, DECRYPT_FRAME.ciphertext, MOST_CIPHERTEXT);
  if (ciphertext === undefined || ciphertext.length === 0) return undefined;
  return {
    id: readU32(frame, DECRYPT_FRAME.id),
    credential: readU16(frame, DECRYPT_FRAME.credential),
    ciphertext,
  };
}

/**
 * Writes an answer into `into` (1,280 bytes, overwritten wholly) and returns it.
 * @throws RangeError when something is too long or a fingerprint has not 20 bytes, or when another outcome than `ok` has a text
 */
export function encodeGpgAnswer(answer: GpgAnswer, into: Uint8Array = new Uint8Array(GPG_FRAME)): Uint8Array {
  const { id, credential, outcome, plaintext, signatures } = answer;
  start(into, TYPE.answer, credential, id);
  into[ANSWER_FRAME.outcome] = GPG_OUTCOMES.indexOf(outcome);
  if (outcome !== 'ok') {
    if (plaintext.length + signatures.length > 0) throw new RangeError(`\`${outcome}\` tells no text and no signature`);
    return into;
  }
  if (signatures.length > MOST_SIGNATURES) throw new RangeError(`at most ${MOST_SIGNATURES} signatures fit a frame`);
  into[ANSWER_FRAME.count] = signatures.length;
  signatures.forEach(({ verified, fingerprint, primary }, index) => {
    const at = ANSWER_FRAME.signatures + SIGNATURE.size * index;
    if (verified && (fingerprint === undefined || primary === undefined))
      throw new RangeError('a signature that verified is of a key with a fingerprint');
    into[at + SIGNATURE.verified] = Number(verified);
    if (fingerprint !== undefined) put(into, at + SIGNATURE.fingerprint, fingerprint, 20);
    if (primary !== undefined) put(into, at + SIGNATURE.primary, primary, 20);
  });
  putCounted(into, ANSWER_FRAME.plaintext, plaintext, MOST_PLAINTEXT);
  return into;
}

/** Undefined when no helper of ours sends that. */
export function decodeGpgAnswer(frame: Uint8Array): GpgAnswer | undefined {
  if (frame.length !== GPG_FRAME || frame[ANSWER_FRAME.type] !== TYPE.answer) return undefined;
  const outcome = GPG_OUTCOMES[frame[ANSWER_FRAME.outcome] ?? 255];
  const count = frame[ANSWER_FRAME.count] ?? 0;
  if (outcome === undefined || count > MOST_SIGNATURES || frame[ANSWER_FRAME.count + 1] !== 0) return undefined;
  if (!zero(frame, ANSWER_FRAME.signatures + SIGNATURE.size * count, ANSWER_FRAME.plaintext)) return undefined;
  const plaintext = takeCounted(frame, ANSWER_FRAME.plaintext, MOST_PLAINTEXT);
  if (plaintext === undefined) return undefined;
  if (outcome === 'ok' ? plaintext.length === 0 : plaintext.length + count > 0) return undefined;
  const signatures: GpgSignature[] = [];
  for (let index = 0; index < count; index++) {
    const signature = decodeSignature(frame, ANSWER_FRAME.signatures + SIGNATURE.size * index);
    if (signature === undefined) return undefined;
    signatures.push(signature);
  }
  const [id, credential] = [readU32(frame, ANSWER_FRAME.id), readU16(frame, ANSWER_FRAME.credential)];
  return { id, credential, outcome, plaintext, signatures };
}

/** A signature that verified has both fingerprints: without one of them nobody could say whose it is. */
function decodeSignature(frame: Uint8Array, at: number): GpgSignature | undefined {
  const flag = frame[at + SIGNATURE.verified] ?? 255;
  if (flag > 1) return undefined;
  const fingerprint = fingerprintAt(frame, at + SIGNATURE.fingerprint);
  const primary = fingerprintAt(frame, at + SIGNATURE.primary);
  if (flag === 1 && (fingerprint === undefined || primary === undefined)) return undefined;
  return { verified: flag === 1, fingerprint, primary };
}

function fingerprintAt(frame: Uint8Array, at: number): Uint8Array | undefined {
  return zero(frame, at, at + 20) ? undefined : frame.slice(at, at + 20);
}

/** The fields that both frames have in the same places. */
function start(into: Uint8Array, type: number, credential: number, id: number): void {
  if (into.length !== GPG_FRAME) throw new RangeError(`a frame has ${GPG_FRAME} bytes, not ${into.length}`);
  into.fill(0);
  into[DECRYPT_FRAME.type] = type;
  writeU16(into, DECRYPT_FRAME.credential, credential);
  writeU32(into, DECRYPT_FRAME.id, id);
}

function putCounted(into: Uint8Array, offset: number, bytes: Uint8Array, most: number): void {
  if (bytes.length === 0 || bytes.length > most)
    throw new RangeError(`a message has 1 to ${most} bytes, not ${bytes.length}`);
  writeU16(into, DECRYPT_FRAME.length, bytes.length);
  into.set(bytes, offset);
}

function takeCounted(frame: Uint8Array, offset: number, most: number): Uint8Array | undefined {
  const length = readU16(frame, DECRYPT_FRAME.length);
  return length <= most && zero(frame, offset + length, GPG_FRAME) ? frame.slice(offset, offset + length) : undefined;
}
