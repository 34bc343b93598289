/** What can be seen of a packet without a key. */
import { ascii } from '../bytes.ts';
import { accept, refuse, type Result } from '../result.ts';
import type { FwknopRefusal } from './refusal.ts';

/** Sizes of a packet in bytes. */
export const FWKNOP_PACKET = {
  /** fwknopd looks at nothing shorter, */
  least: 140,
  /** and at nothing longer. */
  most: 1500,
  /** From here on a packet may be of gpg's. fwknopd then takes it for nothing else, unless its stanza runs commands. */
  gpg: 400,
} as const;

/** What every text under a shared key begins with, and every packet leaves out: the start of `Salted__` in base64. */
export const SALT_PREFIX: Uint8Array = ascii('U2FsdGVkX1');

/**
 * A cheap first look, as fwknopd 2.6.10 takes it: the length, the alphabet, and no salt prefix. Unlike fwknopd we refuse `=`, which
 * no sender leaves in, and take a long packet that begins with `hQ`, as one in 4,096 with a long command does by chance.
 */
export function fwknopShape(payload: Uint8Array): Result<void, FwknopRefusal> {
  if (payload.length < FWKNOP_PACKET.least || payload.length > FWKNOP_PACKET.most) return refuse('length');
  for (const byte of payload) if (IN_ALPHABET[byte] !== 1) return refuse('alphabet');
  return SALT_PREFIX.every((byte, i) => byte === payload[i]) ? refuse('salt-prefix') : accept(undefined);
}

const IN_ALPHABET = new Uint8Array(256);
for (const byte of ascii('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')) IN_ALPHABET[byte] = 1;
