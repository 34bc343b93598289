/** The other way of `encode.ts`, for any bytes. */
import { familyOf, parseAddress } from '../address.ts';
import { BASE64, decodeBase64 } from '../base64.ts';
import { isZero } from '../bytes.ts';
import { accept, refuse, type Result } from '../result.ts';
import { type FwknopDigest, findDigest, MOST_TEXT } from './digest.ts';
import { HOST, isPort, isSeconds, isText, RANDOM, USER, VERSION } from './field.ts';
import { FWKNOP_LIMITS, type FwknopMessage, type FwknopPort } from './message.ts';
import type { FwknopRefusal } from './refusal.ts';

/** A message and of which kind its digest was. */
export interface FwknopDecoded {
  readonly message: FwknopMessage;
  readonly digest: FwknopDigest;
}

/** Reads what {@link fwknopPlaintext} writes; for what gpg decrypted. Total. */
export function decodeFwknopPlaintext(text: Uint8Array): Result<FwknopDecoded, FwknopRefusal> {
  if (text.length > MOST_TEXT) return refuse('length');
  const { colon, digest } = findDigest(text, text.length);
  if (digest === undefined) return refuse('digest');
  const message = decodeFwknopFields(text.subarray(0, colon));
  return message.ok ? accept({ message: message.value, digest }) : message;
}

/** Reads the fields before the digest, at most 1,500 bytes. Total. */
export function decodeFwknopFields(text: Uint8Array): Result<FwknopMessage, FwknopRefusal> {
  const [random = '', user64, timeText = '', version = '', type = '', message64, ...more] = latin1(text).split(':');
  if (message64 === undefined) return refuse('fields');
  if (!RANDOM.test(random)) return refuse('random');
  const user = fieldText(user64, 64);
  if (user === undefined || !USER.test(user)) return refuse('user');
  const time = wholeNumber(timeText, 0xffff_ffff);
  if (time === undefined) return refuse('time');
  if (!VERSION.test(version)) return refuse('version');
  if (!/^[0-6]$/.test(type)) return refuse('type');
  const shape = SHAPES[Number(type)] ?? SHAPES[0];
  const said = fieldText(message64, 340);
  const comma = said?.indexOf(',') ?? -1;
  if (said === undefined || comma < 0 || comma === said.length - 1) return refuse('message');
  const source = parseAddress(said.slice(0, comma));
  if (source === undefined || isZero(source)) return refuse('address');
  const asked = said.slice(comma + 1);

  const rest = [...more];
  const nat = shape.nat ? natOf(rest.shift()) : undefined;
  if (shape.nat && nat === undefined) return refuse('nat');
  const timeout = shape.timeout ? wholeNumber(rest.pop() ?? '', FWKNOP_LIMITS.timeout) : 0;
  if (timeout === undefined) return refuse('timeout');
  const [auth64, ...left] = rest;
  if (left.length > 0) return refuse('fields');
  const serverAuth = auth64 === undefined ? undefined : fieldText(auth64, 256);
  if (auth64 !== undefined && serverAuth === undefined) return refuse('server-auth');

  const common = {
    ...{ random, user, time, version },
    source: familyOf(source) === 4 && isZero(source, 12) ? undefined : source,
    ...(serverAuth === undefined ? {} : { serverAuth }),
  };
  if (shape.kind === 'command') return accept({ ...common, kind: 'command', command: asked });
  const ports = portsOf(asked);
  if (ports === undefined) return refuse('ports');
  if (shape.kind === 'access') return accept({ ...common, kind: 'access', ports, timeout });
  if (nat === undefined) return refuse('nat');
  return accept({ ...common, kind: shape.kind, ports, nat, timeout });
}

/** Which fields a message has, by the number of its type. */
const SHAPES = [
  { kind: 'command', nat: false, timeout: false },
  { kind: 'access', nat: false, timeout: false },
  { kind: 'nat-access', nat: true, timeout: false },
  { kind: 'access', nat: false, timeout: true },
  { kind: 'nat-access', nat: true, timeout: true },
  { kind: 'local-nat-access', nat: true, timeout: false },
  { kind: 'local-nat-access', nat: true, timeout: true },
] as const;

/** Whole numbers as fwknop prints them, without leading zeros. */
function wholeNumber(text: string, most: number): number | undefined {
  const value = /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : -1;
  return isSeconds(value, most) ? value : undefined;
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A field in base64 of at most `most` characters as text; undefined if it is empty, or no text. */
function fieldText(base64: string | undefined, most: number): string | undefined {
  if (base64 === undefined || base64.length > most) return undefined;
  const bytes = decodeBase64(base64, BASE64);
  const text = bytes === undefined ? '' : UTF8.decode(bytes);
  return isText(text) ? text : undefined;
}

function portsOf(text: string): readonly FwknopPort[] | undefined {
  const ports: FwknopPort[] = [];
  for (const part of text.split(',')) {
    // Case and leading zeros are as somebody typed them at fwknop's client, which passes them on.
    const match = /^(tcp|udp)\/([0-9]{1,5})$/i.exec(part);
    const port = Number(match?.[2]);
    if (match === null || !isPort(port)) return undefined;
    ports.push({ protocol: match[1]?.toLowerCase() === 'tcp' ? 'tcp' : 'udp', port });
  }
  return ports;
}

function natOf(base64: string | undefined): { host: string; port: number } | undefined {
  const [host = '', digits = '', ...more] = fieldText(base64, 256)?.split(',') ?? [];
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  return more.length === 0 && HOST.test(host) && isPort(port) ? { host, port } : undefined;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
