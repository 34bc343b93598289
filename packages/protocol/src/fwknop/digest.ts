/** fwknop's seven hash functions: of the message's digest, which a server tells by its length, and of the HMAC, which it must know. */
import { BASE64, encodeBase64, encodeBase64Ascii } from '../base64.ts';
import { digestOf, type HashName } from '../crypto.ts';

/** As fwknop's configuration spells them. Its number for one is the index here plus 1. */
export const FWKNOP_DIGESTS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'] as const;

/** One of {@link FWKNOP_DIGESTS}. */
export type FwknopDigest = (typeof FWKNOP_DIGESTS)[number];

/** What fwknop's hashes are: OpenSSL's name, bytes of a block, bytes beside the message in its last block less one. */
const HASHES: Readonly<Record<FwknopDigest, { hash: HashName; block: number; tail: number; characters: number }>> = {
  md5: { hash: 'md5', block: 64, tail: 8, characters: 22 },
  sha1: { hash: 'sha1', block: 64, tail: 8, characters: 27 },
  sha256: { hash: 'sha256', block: 64, tail: 8, characters: 43 },
  sha384: { hash: 'sha384', block: 128, tail: 16, characters: 64 },
  sha512: { hash: 'sha512', block: 128, tail: 16, characters: 86 },
  sha3_256: { hash: 'sha3-256', block: 136, tail: 0, characters: 43 },
  sha3_512: { hash: 'sha3-512', block: 72, tail: 0, characters: 86 },
};

/** The name under which {@link digestOf} knows a hash. */
export function hashOf(digest: FwknopDigest): HashName {
  return HASHES[digest].hash;
}

/** Characters of a digest or HMAC in base64 without padding: 22 to 86. */
export function digestCharacters(digest: FwknopDigest): number {
  return HASHES[digest].characters;
}

/** The digest of `bytes` in base64 without padding. */
export function digestText(digest: FwknopDigest, bytes: Uint8Array): string {
  return encodeBase64(digestOf(HASHES[digest].hash, bytes), BASE64);
}

/** Characters of the longest digest. */
const LONGEST = 86;

/** Longest text whose digest is looked for. */
export const MOST_TEXT = 1500;
const COLON = 0x3a;
const FILLER = new Uint8Array(MOST_TEXT + 2 * 136);

/**
 * Where the last colon of `text` is, and of which kind the digest is that stands between it and `end`: undefined if of none. For any
 * bytes of one length it does the same work, because a text may be what a stranger's bytes decrypt to: how long it takes must tell
 * nothing of them. At most {@link MOST_TEXT} bytes.
 */
export function findDigest(text: Uint8Array, end: number): { colon: number; digest: FwknopDigest | undefined } {
  let colon = 0;
  for (let i = 0; i < text.length; i++) {
    const here = -Number(text[i] === COLON);
    colon = (i & here) | (colon & ~here);
  }
  // With room behind it, so that no comparison leaves the array: that would take a way of its own through the engine.
  const roomy = new Uint8Array(text.length + 1 + LONGEST);
  roomy.set(text);
  let digest: FwknopDigest | undefined;
  for (const kind of FWKNOP_DIGESTS) {
    const expected = encodeBase64Ascii(evenDigest(kind, text, colon), BASE64);
    let differs = (colon + 1 + expected.length) ^ end;
    for (let i = 0; i < expected.length; i++) differs |= (expected[i] ?? 0) ^ (roomy[colon + 1 + i] ?? 0);
    if (differs === 0) digest = kind;
  }
  return { colon, digest };
}

/** The digest of the first `size` bytes of `text`; as many blocks are hashed as for any other `size`, the rest from a filler. */
function evenDigest(kind: FwknopDigest, text: Uint8Array, size: number): Uint8Array {
  const { hash, block, tail } = HASHES[kind];
  const blocks = (bytes: number): number => Math.floor((bytes + tail) / block) + 1;
  const rest = blocks(text.length) + 1 - blocks(size);
  digestOf(hash, FILLER.subarray(0, (rest - 1) * block));
  return digestOf(hash, text.subarray(0, size));
}
