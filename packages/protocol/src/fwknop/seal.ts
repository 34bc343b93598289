/** A packet as fwknop sends it. */
import { BASE64, encodeBase64Ascii } from '../base64.ts';
import { ascii, concat, sized } from '../bytes.ts';
import { hmac, importHmacKey } from '../crypto.ts';
import { encrypt, type FwknopMode, mustBeKey, SALT_SIZE } from './cipher.ts';
import { type FwknopDigest, hashOf } from './digest.ts';
import { fwknopPlaintext } from './encode.ts';
import type { FwknopMessage } from './message.ts';
import { FWKNOP_PACKET, SALT_PREFIX } from './shape.ts';

/** How a packet is authenticated. */
export interface FwknopHmac {
  readonly digest: FwknopDigest;
  /** 1 to 136 bytes; fwknop's configuration takes 128. */
  readonly key: Uint8Array;
}

/** What a packet under a shared key is made of. */
export interface FwknopSealInput {
  readonly message: FwknopMessage;
  /** Of the digest inside. */
  readonly digest: FwknopDigest;
  readonly mode: FwknopMode;
  /** 1 to 32 bytes. */
  readonly key: Uint8Array;
  readonly hmac?: FwknopHmac;
  /** 8 random bytes. */
  readonly salt: Uint8Array;
}

/** `Salted__`, which OpenSSL puts before salt and ciphertext. */
export const SALTED: Uint8Array = ascii('Salted__');

/**
 * The bytes to send: ASCII, 140 to 1,500 of them. fwknopd 2.6.10 takes 400 or more only for a stanza that runs commands.
 *
 * @throws RangeError for a message that no server would take, sizes of key or salt, or a packet that is too short or too long
 */
export function sealFwknop({ message, digest, mode, key, hmac, salt }: FwknopSealInput): Uint8Array {
  sized(salt, SALT_SIZE, 'fwknop salt');
  const ciphertext = encrypt(mode, mustBeKey(key), salt, ascii(fwknopPlaintext(message, digest)));
  return packet(concat(SALTED, salt, ciphertext), SALT_PREFIX.length, hmac);
}

/**
 * The bytes to send for a binary OpenPGP message: ASCII, 140 to 1,500 of them. The first 2 characters of the base64 are left out, as
 * fwknop's client does whatever they are; its server puts `hQ` in their place, which is right for RSA and ElGamal keys only.
 *
 * @throws RangeError if the packet is too short or too long
 */
export function fwknopGpgPacket(openpgp: Uint8Array, hmac?: FwknopHmac): Uint8Array {
  return packet(openpgp, 2, hmac);
}

/** @throws RangeError unless the key has 1 to 136 bytes */
export function mustBeHmac(hmac: FwknopHmac): FwknopHmac {
  const { length } = hmac.key;
  if (length < 1 || length > 136) throw new RangeError(`fwknop hmac key: 1 to 136 bytes expected, got ${length}`);
  return hmac;
}

/** The HMAC covers the whole text; its first `left` characters are not sent. */
function packet(bytes: Uint8Array, left: number, authentication: FwknopHmac | undefined): Uint8Array {
  const text = encodeBase64Ascii(bytes, BASE64);
  const mac = authentication === undefined ? new Uint8Array(0) : macText(authentication, text);
  const sent = concat(text.subarray(left), mac);
  const { least, most } = FWKNOP_PACKET;
  if (sent.length < least || sent.length > most) {
    throw new RangeError(`fwknop packet: ${least} to ${most} bytes expected, got ${sent.length}`);
  }
  return sent;
}

function macText(authentication: FwknopHmac, text: Uint8Array): Uint8Array {
  const { digest, key } = mustBeHmac(authentication);
  return encodeBase64Ascii(hmac(hashOf(digest), importHmacKey(key), text), BASE64);
}
