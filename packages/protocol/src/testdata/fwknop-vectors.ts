/** For tests only: the file `vectors/fwknop.json`. */
import { ascii, fromHex } from '../bytes.ts';
import { parseAddress } from '../address.ts';
import type { FwknopCredential } from '../fwknop/keyring.ts';
import type { FwknopMessage } from '../fwknop/message.ts';
import type { FwknopMode } from '../fwknop/cipher.ts';
import type { FwknopDigest } from '../fwknop/digest.ts';
import type { FwknopHmac, FwknopSealInput } from '../fwknop/seal.ts';
import { readVectors } from './read-vectors.ts';

interface HmacJson {
  readonly digest: FwknopDigest;
  readonly key: string;
}

export interface FieldsJson {
  readonly random: string;
  readonly user: string;
  readonly time: number;
  readonly version: string;
  readonly type: number;
  readonly message: string;
  readonly nat: string | null;
  readonly serverAuth: string | null;
  readonly timeout: number;
}

export interface FwknopVector {
  readonly name: string;
  readonly mode: FwknopMode;
  readonly key: string;
  readonly hmac: HmacJson | null;
  readonly digest: FwknopDigest;
  readonly salt: string;
  readonly fields: FieldsJson;
  readonly encoded: string;
  readonly packet: string;
}

export interface FwknopVerdict {
  readonly name: string;
  readonly description: string;
  readonly packet: string;
  readonly withHmac: boolean;
  readonly accepted: boolean;
  readonly code?: number;
  readonly fields?: FieldsJson;
}

export interface FwknopGpgVector {
  readonly name: string;
  readonly algorithm: string;
  readonly stripped: string;
  readonly hmac: HmacJson | null;
  readonly acceptedByFwknopd: boolean;
  readonly packet: string;
  readonly plaintext: string;
}

interface FwknopFile {
  readonly client: readonly FwknopVector[];
  readonly deterministic: { readonly vectors: readonly FwknopVector[] };
  readonly longCommand: { readonly vectors: readonly FwknopVector[] };
  readonly verdicts: { readonly key: string; readonly hmac: HmacJson; readonly vectors: readonly FwknopVerdict[] };
  readonly gpg: { readonly vectors: readonly FwknopGpgVector[]; readonly keys: Readonly<Record<string, string>> };
  readonly refusedByClient: readonly { readonly name: string; readonly description: string; readonly says: string }[];
  readonly fwknopd: {
    readonly verdicts: readonly {
      readonly test: string;
      readonly verdict: string;
      readonly ports?: number;
      readonly plaintext?: number;
      readonly packet?: number;
    }[];
  };
  readonly http: { readonly packet: string; readonly request: string };
}

export const fwknopVectors = readVectors('fwknop.json') as FwknopFile;

export function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

export function hmacOf(json: HmacJson | null): FwknopHmac | undefined {
  return json === null ? undefined : { digest: json.digest, key: bytesOf(json.key) };
}

export function sealInputOf({ fields, digest, mode, key, hmac, salt }: FwknopVector): FwknopSealInput {
  const authentication = hmacOf(hmac);
  return {
    ...{ message: messageOf(fields), digest, mode, key: bytesOf(key), salt: fromHex(salt) },
    ...(authentication === undefined ? {} : { hmac: authentication }),
  };
}

export function credentialOf({ key, mode, hmac }: Pick<FwknopVector, 'key' | 'mode' | 'hmac'>): FwknopCredential {
  return { kind: 'symmetric', key: bytesOf(key), mode, hmac: hmacOf(hmac) };
}

/** A message from fwknop's own fields, by code that shares nothing with the decoder. */
export function messageOf(json: FieldsJson): FwknopMessage {
  const { random, user, time, version, type, timeout, serverAuth } = json;
  const [, address = '', asked = ''] = /^([^,]*),(.*)$/s.exec(json.message) ?? [];
  const source = address === '0.0.0.0' ? undefined : parseAddress(address);
  const common = { random, user, time, version, source, ...(serverAuth === null ? {} : { serverAuth }) };
  if (type === 0) return { ...common, kind: 'command', command: asked };
  const ports = asked.split(',').map((text) => {
    const [protocol, port] = text.split('/');
    return { protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const), port: Number(port) };
  });
  if (json.nat === null) return { ...common, kind: 'access', ports, timeout };
  const [host = '', port] = json.nat.split(',');
  const kind = type === 2 || type === 4 ? 'nat-access' : 'local-nat-access';
  return { ...common, kind, ports, nat: { host, port: Number(port) }, timeout };
}

export function packetOf({ packet }: { readonly packet: string }): Uint8Array {
  // A few of the vectors hold characters that are no base64; all are one byte each.
  return ascii(packet);
}
