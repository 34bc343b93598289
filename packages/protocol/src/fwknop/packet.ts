/** A packet that keys are tried on: what several of them need of it is made once, and only when one needs it. */
import { BASE64, decodeBase64 } from '../base64.ts';
import { ascii, concat, readU32 } from '../bytes.ts';
import { equal, hmac, type HmacKey, importHmacKey } from '../crypto.ts';
import { BLOCK_SIZE } from './cipher.ts';
import { digestCharacters, type FwknopDigest, hashOf } from './digest.ts';
import { gpgPrefixes, MOST_PREFIXES } from './gpg-prefix.ts';
import { HmacTrial, type TrialKey, trialKey } from './hmac-trial.ts';
import { HmacTrials } from './hmac-trials.ts';
import { type FwknopHmac, mustBeHmac } from './seal.ts';
import { FWKNOP_PACKET, SALT_PREFIX } from './shape.ts';

/** How a packet is encrypted. */
export type PacketKind = 'symmetric' | 'gpg';

/** An HMAC and its key, ready. Secret. */
export type Authenticator =
  | { readonly digest: 'sha256'; readonly key: TrialKey }
  | { readonly digest: Exclude<FwknopDigest, 'sha256'>; readonly key: HmacKey };

/** Makes an HMAC ready. @throws RangeError unless the key has 1 to 136 bytes */
export function authenticatorOf(authentication: FwknopHmac): Authenticator {
  const { digest, key } = mustBeHmac(authentication);
  return digest === 'sha256' ? { digest, key: trialKey(key) } : { digest, key: importHmacKey(key) };
}

/** Fewer keys than that are tried one after the other. */
const LEAST_TOGETHER = 4;

/**
 * Makes the HMAC-SHA256 keys among `authenticators` ready to be tried together, by their index.
 *
 * @returns undefined if there are too few, or the engine cannot do it
 */
export function trialsTogether(authenticators: readonly (Authenticator | undefined)[]): HmacTrials | undefined {
  const keys = authenticators.map((it) => (it?.digest === 'sha256' ? it.key : undefined));
  if (keys.filter((key) => key !== undefined).length < LEAST_TOGETHER) return undefined;
  return HmacTrials.of(keys, LONGEST_TEXT);
}

/** Memory for the trials of one packet after the other: of its text under a shared key, and of each that gpg's may be. */
export class Trials {
  readonly symmetric: readonly HmacTrial[] = [new HmacTrial(LONGEST_TEXT)];
  readonly gpg: readonly HmacTrial[] = Array.from({ length: MOST_PREFIXES }, () => new HmacTrial(LONGEST_TEXT));
}

/** The text of a packet as its sender may have had it: with what was left out, without the HMAC. */
export class Reading {
  /** ASCII. */
  readonly text: Uint8Array;
  #bytes: Uint8Array | undefined | 'not yet' = 'not yet';
  #trial: HmacTrial | undefined;

  constructor(prefix: Uint8Array, body: Uint8Array) {
    this.text = concat(prefix, body);
  }

  /** What the text stands for; undefined if it is not what an encoder writes. */
  get bytes(): Uint8Array | undefined {
    if (this.#bytes === 'not yet') this.#bytes = decodeBase64(latin1(this.text), BASE64);
    return this.#bytes;
  }

  /** `memory` with the text in it. */
  trial(memory: HmacTrial): HmacTrial {
    if (this.#trial === undefined) memory.load(this.text);
    return (this.#trial ??= memory);
  }
}

/** A payload whose shape was looked at. */
export class Packet {
  readonly #payload: Uint8Array;
  readonly #trials: Trials;
  readonly #readings: Readonly<Record<PacketKind, Map<number, readonly Reading[]>>> = {
    symmetric: new Map(),
    gpg: new Map(),
  };
  readonly #macs = new Map<number, Uint8Array | undefined>();
  #words: Int32Array | undefined;

  constructor(payload: Uint8Array, trials: Trials) {
    this.#payload = payload;
    this.#trials = trials;
  }

  /** What the packet reads as without any HMAC; undefined if it cannot be of that kind. */
  plain(kind: PacketKind): Reading | undefined {
    return this.#fits(kind, 0) ? this.#read(kind, 0)[0] : undefined;
  }

  /** What the packet reads as if the HMAC at its end is that of `authenticator`; undefined if it is not. Nothing is decoded for it. */
  verified(kind: PacketKind, { digest, key }: Authenticator): Reading | undefined {
    const size = digestCharacters(digest);
    if (!this.#fits(kind, size)) return undefined;
    for (const [i, reading] of this.#read(kind, size).entries()) {
      if (digest === 'sha256') {
        const memory = this.#trials[kind][i];
        if (memory !== undefined && reading.trial(memory).matches(key, this.#macWords())) return reading;
      } else {
        const mac = this.#mac(size);
        if (mac !== undefined && equal(hmac(hashOf(digest), key, reading.text), mac)) return reading;
      }
    }
    return undefined;
  }

  /** Those of `selected` that may be verified by an HMAC-SHA256 of theirs; all others are not. One alone is not looked at. */
  hopeful(kind: PacketKind, keys: HmacTrials, selected: readonly number[]): readonly number[] {
    if (selected.length < 2) return selected;
    const size = digestCharacters('sha256');
    if (!this.#fits(kind, size)) return [];
    return this.#read(kind, size).flatMap((reading, i) => {
      const memory = this.#trials[kind][i];
      return memory === undefined ? [] : keys.matching(reading.trial(memory), this.#macWords(), selected);
    });
  }

  /** Whether the packet can be of a kind, with an HMAC of `macSize` characters: what anybody sees of it without a key. */
  #fits(kind: PacketKind, macSize: number): boolean {
    if (kind === 'gpg') return this.#payload.length >= FWKNOP_PACKET.gpg;
    const size = this.#payload.length - macSize + SALT_PREFIX.length;
    const bytes = Math.floor((size * 3) / 4);
    // The first character ends `Salted__` with four bits that are set.
    return size % 4 !== 1 && bytes >= 2 * BLOCK_SIZE && bytes % BLOCK_SIZE === 0 && SALT_START.has(this.#payload[0]);
  }

  #read(kind: PacketKind, macSize: number): readonly Reading[] {
    return made(this.#readings[kind], macSize, () => {
      const body = this.#payload.subarray(0, this.#payload.length - macSize);
      if (kind === 'symmetric') return [new Reading(SALT_PREFIX, body)];
      return gpgPrefixes(latin1(body)).map((prefix) => new Reading(ascii(prefix), body));
    });
  }

  /** The HMAC-SHA256 that came. */
  #macWords(): Int32Array {
    return (this.#words ??= wordsOf(this.#mac(digestCharacters('sha256'))));
  }

  /** The HMAC that came; undefined if it is not what an encoder writes, which no HMAC equals. */
  #mac(size: number): Uint8Array | undefined {
    return made(this.#macs, size, () => decodeBase64(latin1(this.#payload.subarray(-size)), BASE64));
  }
}

/** Characters 8, 9, + and /. */
const SALT_START: ReadonlySet<number | undefined> = new Set(ascii('89+/'));
const LONGEST_TEXT = FWKNOP_PACKET.most + SALT_PREFIX.length;

/** The 8 big-endian words of an HMAC-SHA256; none for none. */
function wordsOf(mac: Uint8Array | undefined): Int32Array {
  return mac === undefined ? new Int32Array(0) : Int32Array.from({ length: 8 }, (_, i) => readU32(mac, 4 * i));
}

function made<T>(cache: Map<number, T>, size: number, make: () => T): T {
  if (!cache.has(size)) cache.set(size, make());
  return cache.get(size) as T;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
