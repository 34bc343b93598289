/** The newer form of recordings, as Wireshark writes it (draft-ietf-opsawg-pcapng): blocks, in sections that each have a byte order. */
import type { UnixMicros } from '@postern/protocol';
import type { ByteSource } from './byte-source.ts';
import { MOST_PACKET, timeOf, type Capture, type CaptureProblem, type CapturedPacket } from './capture.ts';

/** The same in both byte orders. */
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

/** Type and length of a block; the length stands at its end, too. */
const HEAD = 8;
const TAIL = 4;

const BYTE_ORDER = 0x1a2b3c4d;
const MAJOR = 1;

/** Offsets within the bodies of blocks, and sizes of what is always there. */
const SECTION_BODY = { order: 0, major: 4, size: 16 } as const;
const INTERFACE_BODY = { linkType: 0, most: 4, size: 8 } as const;
const SIMPLE_BODY = { length: 0, size: 4 } as const;
const ENHANCED_BODY = { interface: 0, high: 4, low: 8, captured: 12, length: 16, size: 20 } as const;

/** Options of an interface: how its times count, and what is added to them in seconds. */
const OPTION = { end: 0, resolution: 9, offset: 14, head: 4 } as const;

/** Bytes of a block that is looked at: a packet with its options. */
const MOST_BLOCK = MOST_PACKET + 65_536;
/** Interfaces of one section. */
const MOST_INTERFACES = 65_536;

interface Interface {
  readonly linkType: number;
  /** Bytes of a packet that are recorded; 0: all. */
  readonly most: number;
  /** Units of a time in one second. */
  readonly units: bigint;
  /** Seconds that are added. */
  readonly offset: bigint;
}

/** Numbers in the byte order of a section. */
interface Order {
  readonly u16: (bytes: Buffer, at: number) => number;
  readonly u32: (bytes: Buffer, at: number) => number;
  readonly i64: (bytes: Buffer, at: number) => bigint;
}

const LITTLE: Order = {
  u16: (bytes, at) => bytes.readUInt16LE(at),
  u32: (bytes, at) => bytes.readUInt32LE(at),
  i64: (bytes, at) => bytes.readBigInt64LE(at),
};
const BIG: Order = {
  u16: (bytes, at) => bytes.readUInt16BE(at),
  u32: (bytes, at) => bytes.readUInt32BE(at),
  i64: (bytes, at) => bytes.readBigInt64BE(at),
};

/** Whether a file that begins with this number, read big-endian, is one. */
export function isPcapng(magic: number): boolean {
  return magic === SECTION;
}

/** Reads a file of which {@link isPcapng} said so: sections of either byte order, with their interfaces and packets; other blocks are passed over. Total. */
export function* readPcapng(source: ByteSource): Capture {
  let order = LITTLE;
  let interfaces: Interface[] = [];
  while (!source.ended) {
    const { offset } = source;
    const problem = (reason: CaptureProblem['reason']): CaptureProblem => ({ reason, offset });
    const begin = source.peek(HEAD + TAIL);
    if (begin === undefined) return problem('truncated');
    const isSection = begin.readUInt32BE(0) === SECTION;
    if (isSection) {
      const found = [LITTLE, BIG].find((it) => it.u32(begin, HEAD + SECTION_BODY.order) === BYTE_ORDER);
      if (found === undefined) return problem('block');
      [order, interfaces] = [found, []];
    }
    const type = order.u32(begin, 0);
    const length = order.u32(begin, 4);
    if (length % 4 !== 0 || length < HEAD + TAIL) return problem('block');
    const looked = isSection || type === INTERFACE || type === SIMPLE_PACKET || type === ENHANCED_PACKET;
    if (!looked) {
      if (!source.skip(length - TAIL)) return problem('truncated');
      const tail = source.take(TAIL);
      if (tail === undefined) return problem('truncated');
      if (order.u32(tail, 0) !== length) return problem('block');
      continue;
    }
    if (length > MOST_BLOCK) return problem('size');
    const block = source.take(length);
    if (block === undefined) return problem('truncated');
    if (order.u32(block, length - TAIL) !== length) return problem('block');
    const body = block.subarray(HEAD, length - TAIL);
    if (isSection) {
      if (body.length < SECTION_BODY.size) return problem('block');
      if (order.u16(body, SECTION_BODY.major) !== MAJOR) return problem('version');
    } else if (type === INTERFACE) {
      if (body.length < INTERFACE_BODY.size) return problem('block');
      if (interfaces.length === MOST_INTERFACES) return problem('size');
      interfaces.push(interfaceOf(body, order));
    } else {
      const packet =
        type === SIMPLE_PACKET ? simplePacket(body, order, interfaces) : enhancedPacket(body, order, interfaces);
      if (typeof packet === 'string') return problem(packet);
      yield packet;
    }
  }
  return undefined;
}

function interfaceOf(body: Buffer, order: Order): Interface {
  const found: { units: bigint; offset: bigint } = { units: 1_000_000n, offset: 0n };
  for (let at: number = INTERFACE_BODY.size; at + OPTION.head <= body.length;) {
    const [code, length] = [order.u16(body, at), order.u16(body, at + 2)];
    at += OPTION.head;
    if (code === OPTION.end || at + length > body.length) break;
    if (code === OPTION.resolution && length === 1) found.units = unitsOf(body[at] ?? 0);
    if (code === OPTION.offset && length === 8) found.offset = order.i64(body, at);
    at += Math.ceil(length / 4) * 4;
  }
  const linkType = order.u16(body, INTERFACE_BODY.linkType);
  return { ...found, linkType, most: order.u32(body, INTERFACE_BODY.most) };
}

/** A negative power of ten or, with the highest bit, of two. */
function unitsOf(resolution: number): bigint {
  return (resolution & 0x80) === 0 ? 10n ** BigInt(resolution) : 1n << BigInt(resolution & 0x7f);
}

/** A packet of the first interface, of which nobody says when it was seen. */
function simplePacket(
  body: Buffer,
  order: Order,
  [first]: readonly Interface[],
): CapturedPacket | 'block' | 'interface' {
  if (body.length < SIMPLE_BODY.size) return 'block';
  if (first === undefined) return 'interface';
  const length = order.u32(body, SIMPLE_BODY.length);
  const captured = first.most === 0 ? length : Math.min(length, first.most);
  const bytes = body.subarray(SIMPLE_BODY.size, SIMPLE_BODY.size + captured);
  return bytes.length < captured ? 'block' : { time: undefined, linkType: first.linkType, bytes, length };
}

function enhancedPacket(
  body: Buffer,
  order: Order,
  interfaces: readonly Interface[],
): CapturedPacket | 'block' | 'interface' {
  if (body.length < ENHANCED_BODY.size) return 'block';
  const from = interfaces[order.u32(body, ENHANCED_BODY.interface)];
  if (from === undefined) return 'interface';
  const captured = order.u32(body, ENHANCED_BODY.captured);
  const bytes = body.subarray(ENHANCED_BODY.size, ENHANCED_BODY.size + captured);
  if (bytes.length < captured) return 'block';
  const [high, low] = [order.u32(body, ENHANCED_BODY.high), order.u32(body, ENHANCED_BODY.low)];
  const time = microsOf((BigInt(high) << 32n) | BigInt(low), from);
  return { time, linkType: from.linkType, bytes, length: order.u32(body, ENHANCED_BODY.length) };
}

function microsOf(count: bigint, { units, offset }: Interface): UnixMicros | undefined {
  return timeOf(Number((count * 1_000_000n) / units + offset * 1_000_000n));
}
