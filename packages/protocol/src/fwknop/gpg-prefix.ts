/**
 * The two characters that fwknop's client takes off an OpenPGP message (RFC 9580) in base64.
 *
 * fwknopd puts back `hQ`: the header of a public-key encrypted session key whose length takes two bytes, as RSA and ElGamal keys make
 * it. Those of elliptic curves are shorter and have another header (`hF`), so fwknop cannot read them. What is missing is 12 bits: the
 * first byte and half of the second. We put back what makes the packets of the message end where the message ends.
 */
import { BASE64, decodeBase64, encodeBase64 } from '../base64.ts';

const HEX = 16;
/** First bytes of such a packet: old form with two bytes of length or with one, and the new form (sections 4.2.1 and 4.2.2). */
const FIRST = [0x85, 0x84, 0xc1] as const;
/** In the order in which they are tried: fwknop's own first. No prefix is there twice. */
const PREFIXES: readonly string[] = FIRST.flatMap((first) =>
  Array.from({ length: HEX }, (_, half) => encodeBase64(Uint8Array.of(first, half << 4), BASE64).slice(0, 2)),
);

/** The prefix that makes `body`, the text that was sent without its HMAC, a whole OpenPGP message; `hQ` where none does. Total. */
export function gpgPrefix(body: string): string {
  const bytes = decodeBase64(`AA${body}`, BASE64);
  const second = bytes?.[1];
  if (bytes === undefined || second === undefined) return 'hQ';
  for (const prefix of PREFIXES) {
    const [first = 0, half = 0] = decodeBase64(`${prefix}A`, BASE64) ?? [];
    bytes[0] = first;
    bytes[1] = half | (second & 0x0f);
    if (isEncrypted(bytes)) return prefix;
  }
  return 'hQ';
}

const TAG = { publicKeySession: 1, symmetricSession: 3, encrypted: 9, marker: 10, sealed: 18, aead: 20, padding: 21 };

/** Whether `bytes` are session keys and then encrypted data up to the end, by their headers. */
function isEncrypted(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    const header = headerAt(bytes, at);
    if (header === undefined) return false;
    const { tag, body, end } = header;
    if (tag === TAG.publicKeySession) {
      const version = bytes[body];
      if (end - body < 12 || (version !== 3 && version !== 6)) return false;
    } else if (tag === TAG.sealed || tag === TAG.encrypted || tag === TAG.aead) {
      return at > 0 && end === bytes.length;
    } else if (tag !== TAG.symmetricSession && tag !== TAG.marker && tag !== TAG.padding) {
      return false;
    }
    at = end;
  }
  return false;
}

/** Tag of the packet at `at`, where its body begins, and where it ends; undefined if that is beyond the end of `bytes`. */
function headerAt(bytes: Uint8Array, at: number): { tag: number; body: number; end: number } | undefined {
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return undefined;
  const found = (first & 0x40) === 0 ? oldForm(bytes, at, first) : newForm(bytes, at, first & 0x3f);
  return found !== undefined && found.end <= bytes.length ? found : undefined;
}

function oldForm(bytes: Uint8Array, at: number, first: number): { tag: number; body: number; end: number } {
  const tag = (first >> 2) & 15;
  const kind = first & 3;
  if (kind === 3) return { tag, body: at + 1, end: bytes.length };
  const body = at + 1 + (1 << kind);
  let length = 0;
  for (let i = at + 1; i < body; i++) length = length * 256 + (bytes[i] ?? 0);
  return { tag, body, end: body + length };
}

function newForm(bytes: Uint8Array, at: number, tag: number): { tag: number; body: number; end: number } | undefined {
  let next = at + 1;
  let body: number | undefined;
  while (next < bytes.length) {
    const octet = bytes[next] ?? 0;
    const size = octet < 192 ? 1 : octet === 255 ? 5 : octet < 224 ? 2 : 1;
    let length = octet;
    if (size === 2) length = ((octet - 192) << 8) + (bytes[next + 1] ?? 0) + 192;
    if (size === 5) length = new DataView(bytes.buffer).getUint32(Math.min(next + 1, bytes.length - 4));
    body ??= next + size;
    // Data whose length its writer did not know comes in parts.
    const partial = octet >= 224 && octet < 255;
    if (partial) length = 2 ** (octet & 31);
    next += size + length;
    if (!partial) return { tag, body, end: next };
  }
  return undefined;
}
