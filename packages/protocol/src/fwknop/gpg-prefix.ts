/**
 * The two characters that fwknop's client takes off an OpenPGP message (RFC 9580) in base64.
 *
 * fwknopd puts back `hQ`: the header of a public-key encrypted session key whose length takes two bytes, as RSA and ElGamal keys make
 * it. Those of elliptic curves are shorter and have another header (`hF`), so fwknop cannot read them. What is missing is 12 bits: the
 * first byte and half of the second. We put back what makes the packets of the message end where the message ends, as fwknop's own
 * prefix does for all that its server can read.
 */
import { BASE64, decodeBase64, encodeBase64 } from '../base64.ts';
import { readU32 } from '../bytes.ts';

/** What fwknopd puts back: a packet in the old form (RFC 9580, section 4.2.2), its length, below 4,096, in two bytes. */
const FWKNOP = 'hQ';
/** The others: the old form with one byte of length, and the new one (section 4.2.1), by what is missing of the second byte. */
const OTHERS: readonly string[] = Array.from({ length: 16 }, (_, half) => [
  prefix(0x84, half),
  prefix(0xc1, half),
]).flat();

/** Most prefixes that are given for one text. */
export const MOST_PREFIXES = 2;

/**
 * The prefixes that make `body`, the text that was sent without its HMAC, a whole OpenPGP message; `hQ` where none does. Total.
 *
 * A short key packet looks the same behind its first byte in the old form and in the new, and means the same: there are two prefixes
 * then, and only an HMAC can tell which one it was made with. Who has none takes the first. Of several lengths the shortest is tried
 * first, as longer ones skip packets that are there.
 */
export function gpgPrefixes(body: string): readonly string[] {
  const bytes = decodeBase64(`AA${body}`, BASE64);
  const second = bytes?.[1];
  if (bytes === undefined || second === undefined) return [FWKNOP];
  const found: string[] = [];
  for (const candidate of [FWKNOP, ...OTHERS]) {
    const [first = 0, half = 0] = decodeBase64(`${candidate}A`, BASE64) ?? [];
    bytes[0] = first;
    bytes[1] = half | (second & 0x0f);
    if (isEncrypted(bytes)) found.push(candidate);
    if (found.length === MOST_PREFIXES) break;
  }
  return found.length === 0 ? [FWKNOP] : found;
}

function prefix(first: number, half: number): string {
  return encodeBase64(Uint8Array.of(first, half << 4), BASE64).slice(0, 2);
}

/** Versions of packets with a session key, by their tag (sections 5.1 and 5.3). */
const KEYS: ReadonlyMap<number, readonly number[]> = new Map([
  [1, [3, 6]],
  [3, [4, 5, 6]],
]);
/** Tags of encrypted data: with integrity (section 5.13), and as GnuPG does it for newer keys. */
const DATA: readonly number[] = [18, 20];
/** Shorter no packet with a session key is: a version, a key's number and some ciphertext. */
const LEAST_KEY = 12;

/** Whether `bytes` are session keys and then encrypted data up to the end, by their headers. */
function isEncrypted(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length;) {
    const header = headerAt(bytes, at);
    if (header === undefined) return false;
    const { tag, body, end } = header;
    if (DATA.includes(tag)) return at > 0 && end === bytes.length;
    if (end - body < LEAST_KEY || KEYS.get(tag)?.includes(bytes[body] ?? 0) !== true) return false;
    at = end;
  }
  return false;
}

/** What a packet is, where its body begins, and where it ends. */
interface Header {
  readonly tag: number;
  readonly body: number;
  readonly end: number;
}

/** The header of the packet at `at`; undefined if that packet goes beyond the end of `bytes`. */
function headerAt(bytes: Uint8Array, at: number): Header | undefined {
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return undefined;
  const found = (first & 0x40) === 0 ? oldForm(bytes, at, first) : newForm(bytes, at, first & 0x3f);
  return found !== undefined && found.end <= bytes.length ? found : undefined;
}

function oldForm(bytes: Uint8Array, at: number, first: number): Header | undefined {
  const tag = (first >> 2) & 15;
  const kind = first & 3;
  // Of no length, up to wherever the end is: nothing can be told by it.
  if (kind === 3) return undefined;
  const body = at + 1 + (1 << kind);
  let length = 0;
  for (let i = at + 1; i < body; i++) length = length * 256 + (bytes[i] ?? 0);
  return { tag, body, end: body + length };
}

function newForm(bytes: Uint8Array, at: number, tag: number): Header | undefined {
  let next = at + 1;
  let body: number | undefined;
  while (next < bytes.length) {
    const octet = bytes[next] ?? 0;
    const size = octet < 192 ? 1 : octet === 255 ? 5 : octet < 224 ? 2 : 1;
    let length = octet;
    if (size === 2) length = ((octet - 192) << 8) + (bytes[next + 1] ?? 0) + 192;
    if (size === 5) length = readU32(bytes, next + 1);
    body ??= next + size;
    // Data whose length its writer did not know comes in parts.
    const partial = octet >= 224 && octet < 255;
    if (partial) length = 2 ** (octet & 31);
    next += size + length;
    if (!partial) return { tag, body, end: next };
  }
  return undefined;
}
