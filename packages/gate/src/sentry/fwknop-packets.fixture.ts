/** For tests: credentials and packets of fwknop's format. */
import { randomBytes } from 'node:crypto';
import { parseAddress } from '@postern/protocol';
import {
  sealFwknop,
  type FwknopCredential,
  type FwknopDigest,
  type FwknopMessage,
  type FwknopMode,
} from '@postern/protocol/fwknop';
import type { CredentialFrame, CredentialPiece, MappedPrefix } from '../line/fwknop-codec.ts';
import type { FwknopWay } from './fwknop-forwarder.ts';

/** A credential with a shared key. */
export type Shared = Extract<FwknopCredential, { kind: 'symmetric' }>;

/** The credential of that number: each has keys of its own. */
export function credential(number: number, over: Partial<Shared> = {}): Shared {
  const key = new Uint8Array(32).fill(number % 251);
  key[0] = number >> 8;
  key[1] = number & 255;
  return { kind: 'symmetric', mode: 'cbc', key, hmac: { digest: 'sha256', key: Uint8Array.of(1, ...key) }, ...over };
}

/** A piece of a table. */
export function piece(from: FwknopCredential, sources?: readonly MappedPrefix[], unrationed = false): CredentialPiece {
  return { credential: from, sources, unrationed };
}

/** The frames of a table. */
export function table(serial: number, pieces: readonly CredentialPiece[]): CredentialFrame[] {
  const head = { type: 'credential', serial, pieces: pieces.length } as const;
  if (pieces.length === 0) return [{ ...head, index: 0, piece: undefined }];
  return pieces.map((it, index) => ({ ...head, index, piece: it }));
}

/** A request for one port. */
export const REQUEST: FwknopMessage = {
  kind: 'access',
  random: '0123456789012345',
  user: 'ada',
  time: 1_800_000_000,
  version: '3.0.0',
  source: undefined,
  ports: [{ protocol: 'tcp', port: 22 }],
  timeout: 0,
};

/** A packet, another one each time. */
export function sealed(by: Shared, message: FwknopMessage = REQUEST, digest: FwknopDigest = 'sha256'): Uint8Array {
  const { mode, key, hmac } = by;
  const salt = new Uint8Array(randomBytes(8));
  return sealFwknop({ message, digest, mode, key, salt, ...(hmac === undefined ? {} : { hmac }) });
}

/** A packet that has the form and was made by nobody. */
export function junk(size = 204): Uint8Array {
  return new Uint8Array(Buffer.from(randomBytes(size).toString('base64').slice(0, size), 'latin1'));
}

/** Junk that has the form of a ciphertext of whole blocks, and of an HMAC behind it, as well: what somebody sends who knows the format. */
export function shapedJunk(hmac: Shared['hmac'], blocks = 8): Uint8Array {
  // The last four bits of `Salted__`, and two of the salt; 3 bytes are 4 characters.
  const size = Math.ceil((8 * (16 + 16 * blocks)) / 6) - 10;
  // Of SHA-256.
  const text = junk(size + (hmac === undefined ? 0 : 43));
  text[0] = '8'.charCodeAt(0);
  if ((16 + 16 * blocks) % 3 !== 0) text[size - 1] = 'A'.charCodeAt(0);
  if (hmac !== undefined) text[size + 42] = 'A'.charCodeAt(0);
  return text;
}

/** From an address, by UDP, to the gate's. */
export function from(text: string, to?: string): FwknopWay {
  const own = text.includes(':') ? '2001:db8:ffff::1' : '198.51.100.1';
  const [source, destination] = [parseAddress(text), parseAddress(to ?? own)];
  if (source === undefined || destination === undefined) throw new TypeError(`${text} is no address`);
  return { family: text.includes(':') ? 6 : 4, transport: 17, source, destination };
}

/** Every mode. */
export const MODES: readonly FwknopMode[] = ['ecb', 'cbc', 'cfb', 'ofb', 'ctr', 'legacy'];
