/** Base64 without padding (RFC 4648, sections 3.2, 4 and 5): one text for some bytes, and one value for a text. */
import { ascii } from './bytes.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** One of the alphabets: the codes of its 64 characters, and the value of each code below 128, or 64. */
interface Alphabet {
  readonly characters: Uint8Array;
  readonly values: Uint8Array;
}

/** With `+` and `/` (section 4). */
export const BASE64: Alphabet = alphabet('+/');
/** With `-` and `_` (section 5). */
export const BASE64_URL: Alphabet = alphabet('-_');

/** `bytes` in base64 without padding. */
export function encodeBase64(bytes: Uint8Array, alphabet: Alphabet): string {
  return String.fromCharCode(...encodeBase64Ascii(bytes, alphabet));
}

/** The same as ASCII: not made into a string, which takes longer than all the rest. */
export function encodeBase64Ascii(bytes: Uint8Array, { characters }: Alphabet): Uint8Array {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  for (let i = 0, at = 0; i < bytes.length; i += 3) {
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let shift = 18; shift >= 0 && at < text.length; shift -= 6) text[at++] = characters[(word >> shift) & 63] ?? 0;
  }
  return text;
}

/** The other way; undefined for other characters, padding, impossible lengths, and bits after the end that are not zero. */
export function decodeBase64(text: string, { values }: Alphabet): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let word = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const value = values[text.charCodeAt(i)] ?? 64;
    if (value === 64) return undefined;
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 0xff;
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}

function alphabet(last: string): Alphabet {
  const characters = ascii(LETTERS + last);
  const values = new Uint8Array(128).fill(64);
  for (const [value, code] of characters.entries()) values[code] = value;
  return { characters, values };
}
