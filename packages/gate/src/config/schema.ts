/** What posternd.toml and the files of users.d may say. `docs/reference/configuration.md` says what it means. */
import { importVerifier, parseAddress, parsePrefix } from '@postern/protocol';
import { TomlDate } from 'smol-toml';
import * as v from 'valibot';
import { doorKeys, doorsSchema, type DoorTable } from './door-schema.ts';
import { fwknopKeys, fwknopSchema, type FwknopTable } from './fwknop/schema.ts';
import { text, whole } from './schema-parts.ts';
import { FORWARD_FORM } from './forward.ts';
import { ALLOW_FORM, isInterface, parseAllowed, TRUST_FORM } from './allow.ts';
import { ENDPOINT } from './endpoint.ts';

/** The knock port when none is set: fwknop's, so that nobody learns from the port alone which of the two is there. */
export const DEFAULT_PORT = 62_201;
/** Seconds of a grant when a service sets none. */
export const DEFAULT_SECONDS = 30;
/** The most seconds that a service may set: a day. */
export const MAX_SECONDS = 86_400;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HOST = /^(?=.{1,253}$)[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?$/;
const SERVICE = /^[a-z0-9-]{1,32}$/;
const SYSTEM_USER = /^(?!root$)[a-z_][a-z0-9_-]{0,31}$/;
const KEY = /^[A-Za-z0-9+/]{43}=$/;

/** What a device's public key must be, for messages. */
export const KEY_FORM = 'an Ed25519 public key in base64 (44 characters) is expected';

/** Whether `name` can be a user's: it is a file name in users.d without `.toml`. */
export function isUserName(name: string): boolean {
  return NAME.test(name);
}

/** What a user's name may be, for messages. */
export const USER_NAME_FORM =
  'a user name is 1 to 64 letters, digits, dots, underscores or hyphens, the first a letter or digit';

/** Whether `text` can be an address or host name of a gate. */
export function isHost(text: string): boolean {
  return HOST.test(text) || parseAddress(text) !== undefined;
}

/** Whether `name` can be a service's. */
export function isServiceName(name: string): boolean {
  return SERVICE.test(name);
}

const flag = v.boolean('true or false (without quotes) is expected');
const path = text('an absolute path is expected', /^\/[^\0]*$/);
const seconds = whole(1, MAX_SECONDS);
const ISO = 'a date and time with its zone, such as 2027-01-31T18:00:00Z (without quotes), is expected';
const time = v.pipe(
  v.instance(TomlDate, ISO),
  v.check((value) => value.isDateTime() && !value.isLocal() && value.getTime() >= 0, ISO),
);

const gate = {
  name: v.optional(text('a name of 1 to 64 letters, digits, dots, underscores or hyphens is expected', NAME)),
  port: v.optional(whole(1, 65_535)),
  addresses: v.optional(
    v.pipe(
      v.array(
        text('a host name or an address is expected', (value) => HOST.test(value) || parseAddress(value) !== undefined),
        'a list of host names or addresses is expected',
      ),
      v.maxLength(16, 'at most 16 addresses are expected'),
    ),
  ),
  capture: v.optional(v.picklist(['packet', 'dgram'], '"packet" or "dgram" is expected')),
  pq: v.optional(v.picklist(['off', 'required'], '"off" or "required" is expected')),
  sentry_user: v.optional(text('the name of a system user other than root is expected', SYSTEM_USER)),
  state: v.optional(path),
  socket: v.optional(
    v.pipe(
      path,
      v.check((value) => Buffer.byteLength(value) <= 107, 'a path of at most 107 bytes is expected for a socket'),
    ),
  ),
  dark: v.optional(flag),
  allow: v.optional(
    v.pipe(
      v.array(
        text(ALLOW_FORM, (value) => parseAllowed(value) !== undefined),
        'a list of what everybody may reach, such as ["tcp/80"], is expected',
      ),
      v.maxLength(256, 'at most 256 entries are expected'),
    ),
  ),
  trust: v.optional(
    v.pipe(
      v.array(text(TRUST_FORM, isInterface), 'a list of network interfaces, such as ["wg0"], is expected'),
      v.maxLength(64, 'at most 64 interfaces are expected'),
    ),
  ),
};

const service = {
  ports: v.pipe(
    v.array(
      text('a port such as "tcp/22" or "udp/51820" (1 to 65535, each port by itself) is expected', ENDPOINT),
      'a list of ports, such as ["tcp/22"], is expected',
    ),
    v.minLength(1, 'at least one port, such as ["tcp/22"], is expected'),
    v.maxLength(64, 'at most 64 ports are expected'),
  ),
  seconds: v.optional(seconds),
  max_seconds: v.optional(seconds),
  single_use: v.optional(flag),
  observed_source: v.optional(flag),
  prefix4: v.optional(whole(8, 32)),
  prefix6: v.optional(whole(16, 128)),
  forward: v.optional(v.union([v.string(), v.array(v.string())], FORWARD_FORM)),
  masquerade: v.optional(flag),
  protect: v.optional(flag),
  keyed: v.optional(flag),
};

const device = {
  id: v.optional(text('the first 32 hexadecimal digits of SHA-256 of the key are expected', /^[0-9a-f]{32}$/)),
  name: text('a name of 1 to 64 letters, digits, dots, underscores or hyphens is expected', NAME),
  ed25519: v.string(KEY_FORM),
  enrolled: v.optional(time),
  expires: v.optional(time),
  revoked: v.optional(time),
};

const user = {
  services: v.array(
    text('the name of a service is expected', SERVICE),
    'a list of service names, such as ["ssh"], is expected',
  ),
  from: v.optional(
    v.pipe(
      v.array(
        text(
          'an address or a block without bits after its prefix, such as "203.0.113.0/24", is expected',
          (value) => parsePrefix(value) !== undefined,
        ),
        'a list of addresses or blocks is expected',
      ),
      v.minLength(1, 'at least one block is expected (leave `from` out to allow every source)'),
    ),
  ),
  max_seconds: v.optional(seconds),
  expires: v.optional(time),
  revoked: v.optional(time),
  devices: v.optional(
    v.array(v.strictObject(device, 'a device is expected to be a table'), 'devices are expected as [[devices]] tables'),
  ),
};

/** Decodes a device's public key as users.d writes it; undefined if it is not canonical base64 of a sound Ed25519 key. */
export function decodeKey(base64: string): Uint8Array | undefined {
  if (!KEY.test(base64)) return undefined;
  const bytes = new Uint8Array(Buffer.from(base64, 'base64'));
  return encodeKey(bytes) === base64 && importVerifier(bytes) !== undefined ? bytes : undefined;
}

/** A device's public key as users.d writes it. */
export function encodeKey(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString('base64');
}

/** A service as posternd.toml writes it. */
export interface ServiceTable {
  readonly ports: readonly string[];
  readonly seconds?: number | undefined;
  readonly max_seconds?: number | undefined;
  readonly single_use?: boolean | undefined;
  readonly observed_source?: boolean | undefined;
  readonly prefix4?: number | undefined;
  readonly prefix6?: number | undefined;
  readonly forward?: string | readonly string[] | undefined;
  readonly masquerade?: boolean | undefined;
  readonly protect?: boolean | undefined;
  readonly keyed?: boolean | undefined;
}

/** posternd.toml as it is written. */
export interface GateFile {
  readonly gate?:
    | {
        readonly name?: string | undefined;
        readonly port?: number | undefined;
        readonly addresses?: readonly string[] | undefined;
        readonly capture?: 'packet' | 'dgram' | undefined;
        readonly pq?: 'off' | 'required' | undefined;
        readonly sentry_user?: string | undefined;
        readonly state?: string | undefined;
        readonly socket?: string | undefined;
        readonly dark?: boolean | undefined;
        readonly allow?: readonly string[] | undefined;
        readonly trust?: readonly string[] | undefined;
      }
    | undefined;
  readonly services?: Readonly<Record<string, ServiceTable>> | undefined;
  readonly doors?: Readonly<Record<string, DoorTable>> | undefined;
  readonly fwknop?: FwknopTable | undefined;
}

/** A device as a file of users.d writes it. */
export interface DeviceTable {
  readonly id?: string | undefined;
  readonly name: string;
  readonly ed25519: string;
  readonly enrolled?: Date | undefined;
  readonly expires?: Date | undefined;
  readonly revoked?: Date | undefined;
}

/** A file of users.d as it is written. */
export interface UserFile {
  readonly services: readonly string[];
  readonly from?: readonly string[] | undefined;
  readonly max_seconds?: number | undefined;
  readonly expires?: Date | undefined;
  readonly revoked?: Date | undefined;
  readonly devices?: readonly DeviceTable[] | undefined;
}

/** Schema of posternd.toml. */
export const gateFileSchema: v.GenericSchema<unknown, GateFile> = v.strictObject({
  gate: v.optional(v.strictObject(gate, 'a table, [gate], is expected')),
  services: v.optional(
    v.record(
      text('a service name of 1 to 32 characters of a-z, 0-9 and hyphen is expected', SERVICE),
      v.strictObject(service, 'a table, such as [services.ssh], is expected'),
      'tables, such as [services.ssh], are expected',
    ),
  ),
  doors: v.optional(doorsSchema),
  fwknop: v.optional(fwknopSchema),
});

/** Schema of one file of users.d. */
export const userFileSchema: v.GenericSchema<unknown, UserFile> = v.strictObject(user);

/** The keys that may stand in the table at `path` of posternd.toml. */
export function gateFileKeys(path: readonly unknown[]): readonly string[] {
  if (path.length === 0) return ['gate', 'services', 'doors', 'fwknop'];
  if (path[0] === 'doors') return doorKeys(path.length > 2);
  if (path[0] === 'fwknop') return fwknopKeys(path);
  return path[0] === 'gate' ? Object.keys(gate) : Object.keys(service);
}

/** The keys that may stand in the table at `path` of a file of users.d. */
export function userFileKeys(path: readonly unknown[]): readonly string[] {
  return Object.keys(path.length === 0 ? user : device);
}
