/** What is inside a ciphertext under a shared key. */
import { ascii } from '../bytes.ts';
import { accept, refuse, type Result } from '../result.ts';
import { decrypt, type FwknopMode, paddingOf } from './cipher.ts';
import { decodeFwknopFields, type FwknopDecoded } from './decode.ts';
import { findDigest } from './digest.ts';
import type { FwknopRefusal } from './refusal.ts';

/**
 * Decrypts and reads a ciphertext of whole blocks. Where there was no HMAC a stranger may send one changed ciphertext after the other,
 * and would read what somebody else sent if he could tell bad padding from a bad digest (Vaudenay, EUROCRYPT 2002). So every ciphertext
 * of one size takes the same way to the end: all of it is decrypted, all digests are computed and compared, fields are read (those of a
 * stand-in, where the digest is bad), and only then is the verdict looked at.
 */
export function unseal(
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
