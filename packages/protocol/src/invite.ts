/**
 * Invites: everything that a new device needs, as one line of text to hand over once. `docs/protocol.md` has the field table.
 *
 * Text: "postern-invite-" version "-" base64url of (fields ‖ checksum 8), the checksum being the first 8 bytes of SHA-256 over the text's
 * head ("postern-invite-1-") and the fields. Each field: type u8 · length u16 · value, in ascending order of type; only addresses and
 * services repeat. Types from 128 on may be skipped by whoever does not know them; other unknown types mean a newer version.
 */
import { BASE64_URL, decodeBase64, encodeBase64 } from './base64.ts';
import { parseAddress } from './address.ts';
import type { ServiceName, UnixMicros } from './brand.ts';
import { ascii, concat, readU16, readU64, writeU16, writeU64 } from './bytes.ts';
import { sha256 } from './crypto.ts';
import { accept, refuse, type Result } from './result.ts';

/** What an invite says. */
export interface Invite {
  /** What the gate calls itself: 1 to 64 characters of [A-Za-z0-9._-], the first one a letter or digit. */
  readonly name: string;
  /** Seed of the one-time Ed25519 key that signs the enrolment, 32 bytes. */
  readonly seed: Uint8Array;
  /** Gate key, 32 bytes. */
  readonly gateKey: Uint8Array;
  /** The gate's X25519 public key, 32 bytes. */
  readonly x25519: Uint8Array;
  /** The gate's X-Wing public key, 1,216 bytes. */
  readonly xwing: Uint8Array | undefined;
  /** The gate's state id, 8 bytes. */
  readonly stateId: Uint8Array;
  /** Host names or addresses of the gate, 1 to 16, in the order in which to try them. */
  readonly addresses: readonly string[];
  /** UDP port of knocks. */
  readonly port: number;
  /** The invite counts until then. */
  readonly expires: UnixMicros;
  /** `required`: only suite 2 is heard. */
  readonly pq: 'required' | 'off';
  /** Services that the user may open, at most 64; the first is the default. */
  readonly services: readonly ServiceName[];
}

/** Why a text is no invite that can be used: it is something else, some of it is missing or changed, or this program is too old for it. */
export type InviteRefusal = 'not-an-invite' | 'damaged' | 'newer-version';

/** How the text of an invite begins. */
export const INVITE_PREFIX = 'postern-invite-';

const HEAD = `${INVITE_PREFIX}1-`;
const TEXT_MAX = 16_384;
const CHECKSUM = 8;
const ADDRESSES_MAX = 16;
const SERVICES_MAX = 64;

const FIELD = {
  name: 1,
  seed: 2,
  gateKey: 3,
  x25519: 4,
  xwing: 5,
  stateId: 6,
  address: 7,
  port: 8,
  expires: 9,
  pq: 10,
  service: 11,
} as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HOST = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*\.?$/;
const SERVICE = /^[a-z0-9-]{1,32}$/;
/** White space, and marks without width that mail programs and terminals put into long lines. */
const NOISE = /[\s\u00ad\u200b-\u200f\u2060\ufeff]+/g;

/** The text of an invite: one line without spaces. Throws RangeError when a value is not as {@link Invite} says. */
export function encodeInvite(invite: Invite): string {
  const parts: Uint8Array[] = [];
  const put = (type: number, value: Uint8Array): void => {
    const head = new Uint8Array(3);
    head[0] = type;
    writeU16(head, 1, value.length);
    parts.push(head, value);
  };
  mustBe(NAME.test(invite.name), 'name');
  mustBe(invite.seed.length === 32 && invite.gateKey.length === 32 && invite.x25519.length === 32, 'key size');
  mustBe(invite.xwing === undefined || invite.xwing.length === 1216, 'X-Wing key size');
  mustBe(invite.xwing !== undefined || invite.pq === 'off', 'X-Wing key missing');
  mustBe(invite.stateId.length === 8, 'state id size');
  mustBe(invite.addresses.length > 0 && invite.addresses.length <= ADDRESSES_MAX, 'number of addresses');
  mustBe(invite.addresses.every(isHost), 'address');
  mustBe(Number.isInteger(invite.port) && invite.port > 0 && invite.port < 65_536, 'port');
  mustBe(Number.isSafeInteger(invite.expires) && invite.expires >= 0, 'expiry');
  mustBe(
    invite.services.length <= SERVICES_MAX && invite.services.every((service) => SERVICE.test(service)),
    'service',
  );
  put(FIELD.name, ascii(invite.name));
  put(FIELD.seed, invite.seed);
  put(FIELD.gateKey, invite.gateKey);
  put(FIELD.x25519, invite.x25519);
  if (invite.xwing !== undefined) put(FIELD.xwing, invite.xwing);
  put(FIELD.stateId, invite.stateId);
  for (const address of invite.addresses) put(FIELD.address, ascii(address));
  const port = new Uint8Array(2);
  writeU16(port, 0, invite.port);
  put(FIELD.port, port);
  const expires = new Uint8Array(8);
  writeU64(expires, 0, invite.expires);
  put(FIELD.expires, expires);
  put(FIELD.pq, Uint8Array.of(invite.pq === 'required' ? 1 : 0));
  for (const service of invite.services) put(FIELD.service, ascii(service));
  const fields = concat(...parts);
  return HEAD + encodeBase64(concat(fields, checksum(fields)), BASE64_URL);
}

/**
 * Reads an invite as a person pasted it: white space around and line breaks inside do not matter. Total. Every size is bounded
 * before anything is allocated, and every text is checked, so that no name or address in it can do harm in a terminal or a path.
 */
export function decodeInvite(text: string): Result<Invite, InviteRefusal> {
  if (text.length > TEXT_MAX) return refuse('not-an-invite');
  const line = text.replace(NOISE, '');
  const version = /^postern-invite-([0-9]{1,9})-/.exec(line)?.[1];
  if (version === undefined) return refuse('not-an-invite');
  if (Number(version) > 1) return refuse('newer-version');
  const bytes = line.startsWith(HEAD) ? decodeBase64(line.slice(HEAD.length), BASE64_URL) : undefined;
  if (bytes === undefined || bytes.length < CHECKSUM) return refuse('damaged');
  const fields = bytes.subarray(0, bytes.length - CHECKSUM);
  const expected = checksum(fields);
  // No secret: the checksum finds slips of the hand, the invite's keys prove themselves.
  if (!bytes.subarray(fields.length).every((byte, i) => byte === expected[i])) return refuse('damaged');
  return readFields(fields);
}

function readFields(bytes: Uint8Array): Result<Invite, InviteRefusal> {
  const single = new Map<number, Uint8Array>();
  const addresses: string[] = [];
  const services: ServiceName[] = [];
  let before = 0;
  for (let at = 0; at < bytes.length;) {
    if (at + 3 > bytes.length) return refuse('damaged');
    const type = bytes[at] ?? 0;
    const end = at + 3 + readU16(bytes, at + 1);
    if (end > bytes.length) return refuse('damaged');
    const value = bytes.subarray(at + 3, end);
    const repeats = type === FIELD.address || type === FIELD.service;
    if (type < before || (type === before && !repeats)) return refuse('damaged');
    if (type === FIELD.address) addresses.push(String.fromCharCode(...value.subarray(0, 256)));
    else if (type === FIELD.service) services.push(String.fromCharCode(...value.subarray(0, 64)) as ServiceName);
    else if (type <= FIELD.service) single.set(type, value);
    else if (type < 128) return refuse('newer-version');
    if (addresses.length > ADDRESSES_MAX || services.length > SERVICES_MAX) return refuse('damaged');
    before = type;
    at = end;
  }
  const take = (type: number, size: number): Uint8Array | undefined => {
    const value = single.get(type);
    return value?.length === size ? Uint8Array.from(value) : undefined;
  };
  const name = String.fromCharCode(...(single.get(FIELD.name)?.subarray(0, 65) ?? []));
  const seed = take(FIELD.seed, 32);
  const gateKey = take(FIELD.gateKey, 32);
  const x25519 = take(FIELD.x25519, 32);
  const xwing = take(FIELD.xwing, 1216);
  const stateId = take(FIELD.stateId, 8);
  const portBytes = take(FIELD.port, 2);
  const expiresBytes = take(FIELD.expires, 8);
  const pqByte = take(FIELD.pq, 1)?.[0];
  if (seed === undefined || gateKey === undefined || x25519 === undefined || stateId === undefined)
    return refuse('damaged');
  if (portBytes === undefined || expiresBytes === undefined || pqByte === undefined) return refuse('damaged');
  if ((single.has(FIELD.xwing) || pqByte === 1) && xwing === undefined) return refuse('damaged');
  const port = readU16(portBytes, 0);
  const expires = readU64(expiresBytes, 0);
  if (port === 0 || expires === undefined) return refuse('damaged');
  if (pqByte > 1) return refuse('newer-version');
  if (!NAME.test(name) || addresses.length === 0 || !addresses.every(isHost)) return refuse('damaged');
  if (!services.every((service) => SERVICE.test(service))) return refuse('damaged');
  const pq = pqByte === 1 ? 'required' : 'off';
  return accept({
    ...{ name, seed, gateKey, x25519, xwing, stateId },
    ...{ addresses, port, expires: expires as UnixMicros, pq, services },
  });
}

function mustBe(valid: boolean, what: string): asserts valid {
  if (!valid) throw new RangeError(`invite: ${what} is not valid`);
}

function isHost(text: string): boolean {
  return HOST.test(text) || parseAddress(text) !== undefined;
}

function checksum(fields: Uint8Array): Uint8Array {
  return sha256(ascii(HEAD), fields).subarray(0, CHECKSUM);
}
