/**
 * Elements of the table's sets as nf_tables messages (linux/netfilter/nf_tables.h), written and read by hand. A key is the
 * concatenation of its fields, each padded to 4 bytes: `address | protocol | port` for grants, `address | remote port | protocol |
 * local port` for flows, `protocol | port` for protected endpoints; numbers big-endian. What a map's element leads to is laid out alike:
 * `address | port`.
 */
import { familyOf } from '@postern/protocol';
import { attributes, NLM_F, type MessageWriter } from '../system/netlink.ts';
import type { Endpoint, Flow, Source, Target } from './port.ts';
import { PROTOCOL } from './protocol-number.ts';
import { TABLE, type Family } from './table.ts';

/** Message types of nf_tables. */
export const NFT_MSG = {
  getTable: 1,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  getGeneration: 16,
  getObject: 19,
} as const;

/** Family inet, in every message to our table. */
export const NFPROTO_INET = 1;

const LIST = { table: 1, set: 2, elements: 3 } as const;
const ELEMENT = { key: 1, data: 2, flags: 3, timeout: 4, expiration: 5, userdata: 6, keyEnd: 10 } as const;
const INTERVAL_END = 1;
const LIST_ELEMENT = 1;
const DATA_VALUE = 1;
/** Type of a comment within userdata, which are type u8, length u8, value. */
const COMMENT = 0;

/** One element to write. */
export interface Element {
  readonly key: Uint8Array;
  /** Last key of an interval, included. */
  readonly keyEnd?: Uint8Array;
  /** What an element of a map leads to. */
  readonly data?: Uint8Array;
  /** Milliseconds; without it the element stays. */
  readonly timeout?: number;
  readonly comment?: string;
}

/** One element as the kernel tells it; the bytes are copies. */
export interface HeldElement {
  readonly key: Uint8Array;
  readonly keyEnd: Uint8Array | undefined;
  readonly data: Uint8Array | undefined;
  /** Milliseconds that remain; undefined when it stays. */
  readonly remaining: number | undefined;
  readonly comment: string | undefined;
}

function putPort(key: Uint8Array, at: number, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new RangeError(`port must be 0 to 65,535, not ${port}`);
  key[at] = port >>> 8;
  key[at + 1] = port & 0xff;
}

function addressSize(family: Family): number {
  return family === 4 ? 4 : 16;
}

function putAddress(key: Uint8Array, family: Family, address: Uint8Array): void {
  if (address.length !== 16) throw new RangeError(`an address is 16 bytes, not ${address.length}`);
  key.set(family === 4 ? address.subarray(12) : address);
}

/** Whether a source is one address. Throws RangeError for a prefix that its family cannot have. */
export function isSingle(source: Source): boolean {
  const full = source.family === 4 ? 32 : 128;
  if (!Number.isInteger(source.prefix) || source.prefix < 0 || source.prefix > full) {
    throw new RangeError(`prefix must be 0 to ${full}, not ${source.prefix}`);
  }
  return source.prefix === full;
}

/** Key of a grant: the source's address, or the first of its prefix, and the endpoint. 12 or 24 bytes. */
export function grantKey(source: Source, endpoint: Endpoint): Uint8Array {
  const size = addressSize(source.family);
  const key = new Uint8Array(size + 8);
  putAddress(key, source.family, source.address);
  maskHost(key, size, source.prefix, 0);
  key[size] = PROTOCOL[endpoint.protocol];
  putPort(key, size + 4, endpoint.port);
  return key;
}

/** The last key of a prefix's interval. */
export function grantKeyEnd(source: Source, endpoint: Endpoint): Uint8Array {
  const key = grantKey(source, endpoint);
  maskHost(key, addressSize(source.family), source.prefix, 0xff);
  return key;
}

/** Milliseconds for which a grant is held after its end. Throws RangeError where they are not whole, or negative. */
export function graceOf({ grace = 0 }: { readonly grace?: number | undefined }): number {
  if (!Number.isInteger(grace) || grace < 0) throw new RangeError(`grace must be whole milliseconds, not ${grace}`);
  return grace;
}

/** Sets the bits after `prefix` to those of `fill` (0 or 0xff). */
function maskHost(key: Uint8Array, size: number, prefix: number, fill: number): void {
  for (let i = prefix >>> 3; i < size; i++) {
    const host = i === prefix >>> 3 ? 0xff >>> (prefix & 7) : 0xff;
    key[i] = ((key[i] ?? 0) & ~host) | (fill & host);
  }
}

/** Key of a protected endpoint, 8 bytes. */
export function endpointKey(endpoint: Endpoint): Uint8Array {
  const key = new Uint8Array(8);
  key[0] = PROTOCOL[endpoint.protocol];
  putPort(key, 4, endpoint.port);
  return key;
}

/** Key of a live connection, 16 or 28 bytes. */
export function flowKey(flow: Flow): Uint8Array {
  const size = addressSize(flow.family);
  const key = new Uint8Array(size + 12);
  putAddress(key, flow.family, flow.remoteAddress);
  putPort(key, size, flow.remotePort);
  key[size + 4] = PROTOCOL[flow.protocol];
  putPort(key, size + 8, flow.localPort);
  return key;
}

/** What the element of a forwarded grant leads to, 8 or 20 bytes. Throws RangeError for a target of the other family. */
export function targetData(family: Family, target: Target): Uint8Array {
  if (familyOf(target.address) !== family) throw new RangeError(`the target of a grant for IPv${family} is of it, too`);
  const size = addressSize(family);
  const data = new Uint8Array(size + 4);
  putAddress(data, family, target.address);
  putPort(data, size, target.port);
  return data;
}

/** Address and port that an element leads to; undefined when it is none of ours. */
export function readTarget(family: Family, data: Uint8Array): { address: Uint8Array; port: number } | undefined {
  const size = addressSize(family);
  if (data.length !== size + 4) return undefined;
  return { address: readAddress(family, data), port: ((data[size] ?? 0) << 8) | (data[size + 1] ?? 0) };
}

/** Key of a target that sees this host's address in place of the source's, 12 or 24 bytes. */
export function maskedKey(family: Family, protocol: Endpoint['protocol'], target: Target): Uint8Array {
  return grantKey(
    { family, address: target.address, prefix: family === 4 ? 32 : 128 },
    { protocol, port: target.port },
  );
}

/** Endpoint at an offset of a key; undefined when it is neither TCP nor UDP. */
export function endpointAt(key: Uint8Array, at: number): Endpoint | undefined {
  const protocol = key[at] === PROTOCOL.tcp ? 'tcp' : key[at] === PROTOCOL.udp ? 'udp' : undefined;
  return protocol === undefined ? undefined : { protocol, port: ((key[at + 4] ?? 0) << 8) | (key[at + 5] ?? 0) };
}

/** Source and endpoint of a grant's element; undefined when it is none of ours. */
export function readGrant(family: Family, element: HeldElement): { source: Source; endpoint: Endpoint } | undefined {
  const { key, keyEnd } = element;
  const size = addressSize(family);
  const endpoint = key.length === size + 8 ? endpointAt(key, size) : undefined;
  if (endpoint === undefined) return undefined;
  const address = readAddress(family, key);
  return {
    source: { family, address, prefix: keyEnd === undefined ? size * 8 : commonBits(key, keyEnd, size) },
    endpoint,
  };
}

function readAddress(family: Family, bytes: Uint8Array): Uint8Array {
  const size = addressSize(family);
  const address = new Uint8Array(16);
  if (family === 4) address.fill(0xff, 10, 12);
  address.set(bytes.subarray(0, size), 16 - size);
  return address;
}

function commonBits(a: Uint8Array, b: Uint8Array, size: number): number {
  for (let i = 0; i < size; i++) {
    const differing = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (differing !== 0) return i * 8 + Math.clz32(differing) - 24;
  }
  return size * 8;
}

/** Writes a message that adds elements to a set: no more than 1,000 of them. Returns its sequence number. */
export function writeAdd(writer: MessageWriter, set: string, elements: readonly Element[], exclusive = false): number {
  const flags = exclusive ? NLM_F.create | NLM_F.excl : NLM_F.create;
  return writeElements(writer, NFT_MSG.newElement, flags, set, elements);
}

/** Writes a message that deletes elements from a set. Returns its sequence number. */
export function writeDelete(writer: MessageWriter, set: string, elements: readonly Element[]): number {
  const keys = elements.map(({ key, keyEnd }) => (keyEnd === undefined ? { key } : { key, keyEnd }));
  return writeElements(writer, NFT_MSG.deleteElement, 0, set, keys);
}

/** Writes a question for one element, or with none for all of a set. Returns its sequence number. */
export function writeGet(writer: MessageWriter, set: string, element?: Element): number {
  if (element !== undefined) return writeElements(writer, NFT_MSG.getElement, NLM_F.ack, set, [element]);
  const sequence = writer.begin(NFT_MSG.getElement, NLM_F.dump, NFPROTO_INET);
  writer.text(LIST.table, TABLE);
  writer.text(LIST.set, set);
  writer.end();
  return sequence;
}

function writeElements(
  writer: MessageWriter,
  type: number,
  flags: number,
  set: string,
  elements: readonly Element[],
): number {
  const sequence = writer.begin(type, flags, NFPROTO_INET);
  writer.text(LIST.table, TABLE);
  writer.text(LIST.set, set);
  const list = writer.beginNest(LIST.elements);
  for (const element of elements) writeElement(writer, element);
  writer.endNest(list);
  writer.end();
  return sequence;
}

function writeElement(writer: MessageWriter, element: Element): void {
  const nest = writer.beginNest(LIST_ELEMENT);
  writeKey(writer, ELEMENT.key, element.key);
  if (element.keyEnd !== undefined) writeKey(writer, ELEMENT.keyEnd, element.keyEnd);
  if (element.data !== undefined) writeKey(writer, ELEMENT.data, element.data);
  if (element.timeout !== undefined) writer.u64(ELEMENT.timeout, element.timeout);
  if (element.comment !== undefined) writer.data(ELEMENT.userdata, userdata(element.comment));
  writer.endNest(nest);
}

function writeKey(writer: MessageWriter, type: number, key: Uint8Array): void {
  const nest = writer.beginNest(type);
  writer.data(DATA_VALUE, key);
  writer.endNest(nest);
}

/** A comment in the form that nft shows. Throws RangeError for one that is not 1 to 128 printable ASCII characters. */
function userdata(comment: string): Uint8Array {
  if (!/^[\x20-\x7e]{1,128}$/.test(comment)) throw new RangeError('a comment is 1 to 128 printable ASCII characters');
  const bytes = new Uint8Array(comment.length + 3);
  bytes[0] = COMMENT;
  bytes[1] = comment.length + 1;
  for (let i = 0; i < comment.length; i++) bytes[i + 2] = comment.charCodeAt(i);
  return bytes;
}

/** Reads the comment out of userdata, of an element or a table; undefined when there is none. */
export function readComment(bytes: Uint8Array): string | undefined {
  for (let at = 0; at + 2 <= bytes.length;) {
    const size = bytes[at + 1] ?? 0;
    if (bytes[at] === COMMENT)
      return Buffer.from(bytes.subarray(at + 2, at + 2 + size))
        .toString('latin1')
        .replace(/\0.*$/s, '');
    at += 2 + size;
  }
  return undefined;
}

/** Reads the elements of an answer's message, whose attributes lie between two offsets. Total: what is malformed is left out. */
export function readElements(buffer: Buffer, start: number, end: number): HeldElement[] {
  return attributes(buffer, start, end)
    .filter(({ type }) => type === LIST.elements)
    .flatMap((list) => attributes(buffer, list.start, list.end))
    .map((element) => readElement(buffer, element.start, element.end))
    .filter((element) => element !== undefined);
}

function readElement(buffer: Buffer, start: number, end: number): HeldElement | undefined {
  let key: Uint8Array | undefined;
  let keyEnd: Uint8Array | undefined;
  let data: Uint8Array | undefined;
  let remaining: number | undefined;
  let comment: string | undefined;
  for (const { type, start: from, end: to } of attributes(buffer, start, end)) {
    if (type === ELEMENT.flags && to - from >= 4 && (buffer.readUInt32BE(from) & INTERVAL_END) !== 0) return undefined;
    if (type === ELEMENT.key) key = readValue(buffer, from, to);
    if (type === ELEMENT.keyEnd) keyEnd = readValue(buffer, from, to);
    if (type === ELEMENT.data) data = readValue(buffer, from, to);
    if (type === ELEMENT.expiration && to - from >= 8) remaining = Number(buffer.readBigUInt64BE(from));
    if (type === ELEMENT.userdata) comment = readComment(buffer.subarray(from, to));
  }
  return key === undefined ? undefined : { key, keyEnd, data, remaining, comment };
}

function readValue(buffer: Buffer, start: number, end: number): Uint8Array | undefined {
  const value = attributes(buffer, start, end).find(({ type }) => type === DATA_VALUE);
  return value === undefined ? undefined : Uint8Array.from(buffer.subarray(value.start, value.end));
}
