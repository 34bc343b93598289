import type { DeviceId, RequestId, ServiceName, UnixMicros } from './brand.ts';
import {
  ascii,
  copyOf,
  fromHex,
  isZero,
  readU16,
  readU32,
  readU64,
  sized,
  toHex,
  writeU16,
  writeU32,
  writeU64,
} from './bytes.ts';
import { STATEMENT } from './layout.ts';
import type { Refusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

/** What a request asks for; on the wire 1 to 5 in this order. */
export const KINDS = ['open', 'extend', 'close', 'whoami', 'enrol'] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/**
 * Where the request says that it comes from: `observed` leaves it to the gate; else one address, or a prefix whose host bits are
 * zero, of IPv4 (1 to 32 bits, address as ::ffff:a.b.c.d) or IPv6 (1 to 128 bits).
 */
export type StatedSource =
  { readonly type: 'observed' } | { readonly type: 4 | 6; readonly prefix: number; readonly address: Uint8Array };

/** The signed content of one packet. */
export interface Statement {
  readonly kind: Kind;
  /** The grant shall admit one connection only; with kind `open` only. */
  readonly singleUse: boolean;
  /** The device that signs; with kind `enrol` the id of the invite's key. */
  readonly device: DeviceId;
  /** The device's era, a u32. */
  readonly era: number;
  readonly time: UnixMicros;
  /** The gate's state id that the device learned last, 8 bytes. */
  readonly stateId: Uint8Array;
  readonly requestId: RequestId;
  /** First 16 bytes of SHA-256 of the gate's static key. */
  readonly audience: Uint8Array;
  readonly source: StatedSource;
  /** With `open` and `extend` how long the grant shall live, 0 = the service's own; else 0. */
  readonly seconds: number;
  /** With `open`, `extend` and `close`; else undefined. */
  readonly service: ServiceName | undefined;
  /** With `enrol` the new device's Ed25519 public key, 32 bytes; else undefined. */
  readonly newDevice: Uint8Array | undefined;
}

const ED25519 = 1;
const SIGNATURE_SIZE = STATEMENT.end - STATEMENT.signature;
const SERVICE_NAME = /^[a-z0-9-]{1,32}$/;

/** Whether `text` can name a service: 1 to 32 characters of [a-z0-9-]. */
export function isServiceName(text: string): text is ServiceName {
  return SERVICE_NAME.test(text);
}

/**
 * The 119 bytes of a statement that are signed.
 *
 * @throws RangeError or TypeError if the statement is none that {@link decodeStatement} accepts: a bug of the caller
 */
export function encodeStatement(statement: Statement): Uint8Array {
  const bytes = new Uint8Array(STATEMENT.signed);
  bytes[STATEMENT.kind] = KINDS.indexOf(statement.kind) + 1;
  bytes[STATEMENT.flags] = statement.singleUse ? 1 : 0;
  bytes.set(sized(fromHex(statement.device), 16, 'device id'), STATEMENT.device);
  writeU32(bytes, STATEMENT.era, statement.era);
  writeU64(bytes, STATEMENT.time, statement.time);
  bytes.set(sized(statement.stateId, 8, 'state id'), STATEMENT.stateId);
  bytes.set(sized(fromHex(statement.requestId), 8, 'request id'), STATEMENT.requestId);
  bytes.set(sized(statement.audience, 16, 'audience'), STATEMENT.audience);
  if (statement.source.type !== 'observed') {
    bytes[STATEMENT.sourceType] = statement.source.type;
    const { prefix } = statement.source;
    if (!Number.isInteger(prefix) || prefix < 1 || prefix > 128)
      throw new RangeError('a prefix of 1 to 128 bits expected');
    bytes[STATEMENT.prefixLength] = prefix;
    bytes.set(sized(statement.source.address, 16, 'source address'), STATEMENT.address);
  }
  writeU32(bytes, STATEMENT.seconds, statement.seconds);
  bytes.set(serviceField(statement), STATEMENT.service);
  bytes[STATEMENT.keyType] = ED25519;
  writeU16(bytes, STATEMENT.signatureLength, SIGNATURE_SIZE);
  const reason = checkForm(bytes);
  if (reason !== undefined) throw new RangeError(`no such statement: ${reason}`);
  return bytes;
}

/**
 * The statement at the start of a plaintext, or the reason why its bytes are not the one way to write one. Total: any bytes give
 * an answer. Only what {@link encodeStatement} writes is accepted, followed by a signature and zeros.
 *
 * @param plaintext 183 bytes or more; fewer are refused as `length`
 */
export function decodeStatement(plaintext: Uint8Array): Result<Statement, Refusal> {
  if (plaintext.length < STATEMENT.end) return refuse('length');
  const reason = checkForm(plaintext);
  if (reason !== undefined) return refuse(reason);
  const time = readU64(plaintext, STATEMENT.time);
  const kind = KINDS[(plaintext[STATEMENT.kind] ?? 0) - 1];
  if (kind === undefined) return refuse('kind');
  if (time === undefined) return refuse('time-range');
  return accept({
    kind,
    singleUse: plaintext[STATEMENT.flags] === 1,
    device: toHex(plaintext.subarray(STATEMENT.device, STATEMENT.era)) as DeviceId,
    era: readU32(plaintext, STATEMENT.era),
    time: time as UnixMicros,
    stateId: copyOf(plaintext, STATEMENT.stateId, STATEMENT.requestId),
    requestId: toHex(plaintext.subarray(STATEMENT.requestId, STATEMENT.audience)) as RequestId,
    audience: copyOf(plaintext, STATEMENT.audience, STATEMENT.sourceType),
    source: sourceOf(plaintext),
    seconds: readU32(plaintext, STATEMENT.seconds),
    service: namesService(kind) ? serviceOf(plaintext) : undefined,
    newDevice: kind === 'enrol' ? copyOf(plaintext, STATEMENT.service, STATEMENT.keyType) : undefined,
  });
}

function namesService(kind: Kind): boolean {
  return kind === 'open' || kind === 'extend' || kind === 'close';
}

function grants(kind: Kind): boolean {
  return kind === 'open' || kind === 'extend';
}

/** The first reason, in the order of the closed list, why `bytes` are not canonical; of what follows the signed part only what is there. */
function checkForm(bytes: Uint8Array): Refusal | undefined {
  const kind = KINDS[(bytes[STATEMENT.kind] ?? 0) - 1];
  if (kind === undefined) return 'kind';
  if ((bytes[STATEMENT.flags] ?? 0) > (kind === 'open' ? 1 : 0)) return 'flags';
  const sourceType = bytes[STATEMENT.sourceType] ?? 0;
  if (sourceType !== 0 && !(grants(kind) && (sourceType === 4 || sourceType === 6))) return 'source-type';
  if (!isSourceCanonical(bytes, sourceType)) return 'source-form';
  if (namesService(kind) && !isServiceCanonical(bytes)) return 'service-name';
  if (bytes[STATEMENT.keyType] !== ED25519) return 'key-type';
  if (readU16(bytes, STATEMENT.signatureLength) !== SIGNATURE_SIZE) return 'signature-length';
  if (!grants(kind) && !isZero(bytes, STATEMENT.seconds, STATEMENT.service)) return 'padding';
  if (kind === 'whoami' && !isZero(bytes, STATEMENT.service, STATEMENT.keyType)) return 'padding';
  if (!isZero(bytes, STATEMENT.end)) return 'padding';
  return undefined;
}

function isSourceCanonical(bytes: Uint8Array, sourceType: number): boolean {
  const prefix = bytes[STATEMENT.prefixLength] ?? 0;
  if (sourceType === 0) return prefix === 0 && isZero(bytes, STATEMENT.address, STATEMENT.seconds);
  const mapped =
    isZero(bytes, STATEMENT.address, STATEMENT.address + 10) && readU16(bytes, STATEMENT.address + 10) === 0xffff;
  if (mapped !== (sourceType === 4)) return false;
  if (prefix < 1 || prefix > (sourceType === 4 ? 32 : 128)) return false;
  const bits = sourceType === 4 ? prefix + 96 : prefix;
  const partial = STATEMENT.address + (bits >>> 3);
  if (bits === 128) return true;
  return ((bytes[partial] ?? 0) & (0xff >>> (bits & 7))) === 0 && isZero(bytes, partial + 1, STATEMENT.seconds);
}

function isServiceCanonical(bytes: Uint8Array): boolean {
  let length = 0;
  while (length < 32 && isNameByte(bytes[STATEMENT.service + length] ?? 0)) length++;
  return length > 0 && isZero(bytes, STATEMENT.service + length, STATEMENT.keyType);
}

function isNameByte(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
}

function sourceOf(bytes: Uint8Array): StatedSource {
  const type = bytes[STATEMENT.sourceType];
  if (type !== 4 && type !== 6) return { type: 'observed' };
  const address = copyOf(bytes, STATEMENT.address, STATEMENT.seconds);
  return { type, prefix: bytes[STATEMENT.prefixLength] ?? 0, address };
}

function serviceOf(bytes: Uint8Array): ServiceName {
  const field = bytes.subarray(STATEMENT.service, STATEMENT.keyType);
  const end = field.indexOf(0);
  const name = String.fromCharCode(...field.subarray(0, end < 0 ? field.length : end));
  return name as ServiceName;
}

function serviceField({ kind, service, newDevice }: Statement): Uint8Array {
  if (namesService(kind) !== (service !== undefined)) throw new TypeError(`${kind}: a service's name does not fit`);
  if ((kind === 'enrol') !== (newDevice !== undefined)) throw new TypeError(`${kind}: a new device does not fit`);
  if (newDevice !== undefined) return sized(newDevice, 32, 'new device');
  if (service === undefined) return new Uint8Array(0);
  if (!isServiceName(service)) throw new RangeError('a service is 1 to 32 characters of a-z, 0-9 and -');
  return ascii(service);
}
