/** Writes recordings for the tests: packets, links around them, and files of both forms. */
import assert from 'node:assert/strict';
import { concat, parseAddress } from '@postern/protocol';

/** A packet of a file, as the tests write it. */
export interface Recorded {
  /** Unix microseconds. */
  readonly time: number;
  readonly bytes: Uint8Array;
  /** Bytes that it had; those of `bytes` if not given. */
  readonly length?: number;
}

/** How a file is written. */
export interface Form {
  readonly little: boolean;
  readonly nanos: boolean;
  readonly linkType: number;
}

function numbers(
  little: boolean,
  ...fields: readonly (readonly [size: 2 | 4 | 8, value: number | bigint])[]
): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, Number(value), little);
    else if (size === 4) view.setUint32(at, Number(value), little);
    else view.setBigInt64(at, BigInt(value), little);
    at += size;
  }
  return bytes;
}

/** A file of the classic form. */
export function pcap({ little, nanos, linkType }: Form, packets: readonly Recorded[]): Uint8Array {
  const magic = nanos ? 0xa1b23c4d : 0xa1b2c3d4;
  const head = numbers(little, [4, magic], [2, 2], [2, 4], [4, 0], [4, 0], [4, 262_144], [4, linkType]);
  const records = packets.flatMap(({ time, bytes, length = bytes.length }) => {
    const [seconds, micros] = [Math.floor(time / 1_000_000), time % 1_000_000];
    return [
      numbers(little, [4, seconds], [4, nanos ? micros * 1000 + 7 : micros], [4, bytes.length], [4, length]),
      bytes,
    ];
  });
  return new Uint8Array(Buffer.concat([head, ...records]));
}

/** A block of the newer form. */
export function block(little: boolean, type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const padded = concat(body, new Uint8Array((4 - (body.length % 4)) % 4));
  const length = numbers(little, [4, padded.length + 12]);
  return concat(numbers(little, [4, type]), length, padded, length);
}

/** The block that begins a section. */
export function section(little: boolean): Uint8Array {
  return block(little, 0x0a0d0d0a, numbers(little, [4, 0x1a2b3c4d], [2, 1], [2, 0], [8, -1n]));
}

/** How an interface counts time. */
export interface Counting {
  /** As in the option if_tsresol; undefined: it is left out. */
  readonly resolution?: number;
  /** Seconds that are to be added. */
  readonly offset?: bigint;
  /** Bytes of a packet that are recorded. */
  readonly most?: number;
}

/** The block that describes an interface. */
export function interfaceBlock(
  little: boolean,
  linkType: number,
  { resolution, offset, most = 0 }: Counting = {},
): Uint8Array {
  const options: Uint8Array[] = [];
  // One that is passed over, and not a multiple of four long.
  options.push(numbers(little, [2, 2], [2, 5]), Uint8Array.of(0x65, 0x74, 0x68, 0x30, 0x31, 0, 0, 0));
  if (resolution !== undefined) options.push(numbers(little, [2, 9], [2, 1]), Uint8Array.of(resolution, 0, 0, 0));
  if (offset !== undefined) options.push(numbers(little, [2, 14], [2, 8], [8, offset]));
  options.push(numbers(little, [2, 0], [2, 0]));
  return block(little, 1, numbers(little, [2, linkType], [2, 0], [4, most]), ...options);
}

/** A packet with its time, counted as its interface counts. */
export function enhanced(
  little: boolean,
  from: number,
  count: bigint,
  bytes: Uint8Array,
  length: number = bytes.length,
): Uint8Array {
  const time = [count >> 32n, count & 0xffff_ffffn] as const;
  const head = numbers(little, [4, from], [4, time[0]], [4, time[1]], [4, bytes.length], [4, length]);
  return block(little, 6, head, bytes, new Uint8Array((4 - (bytes.length % 4)) % 4));
}

/** A packet without a time. */
export function simple(little: boolean, bytes: Uint8Array, length: number = bytes.length): Uint8Array {
  return block(little, 3, numbers(little, [4, length]), bytes);
}

/** A file of the newer form with one interface that counts as most do. */
export function pcapng({ little, nanos, linkType }: Form, packets: readonly Recorded[]): Uint8Array {
  return concat(
    section(little),
    interfaceBlock(little, linkType, nanos ? { resolution: 9 } : {}),
    block(little, 5, new Uint8Array(8)),
    ...packets.map(({ time, bytes, length }) =>
      enhanced(little, 0, BigInt(time) * (nanos ? 1000n : 1n) + (nanos ? 7n : 0n), bytes, length),
    ),
  );
}

/** One end of a datagram: address and port. */
export type End = readonly [address: string, port: number];

/** An IP packet with a UDP datagram, without checksums. */
export function udp([from, fromPort]: End, [to, toPort]: End, payload: Uint8Array): Uint8Array {
  const [source, destination] = [from, to].map((text) => parseAddress(text) ?? assert.fail(text));
  assert.ok(source !== undefined && destination !== undefined);
  const length = payload.length + 8;
  const datagram = concat(numbers(false, [2, fromPort], [2, toPort], [2, length], [2, 0]), payload);
  if (from.includes(':')) {
    return concat(numbers(false, [4, 0x6000_0000], [2, length], [2, 0x1140]), source, destination, datagram);
  }
  const head = numbers(false, [2, 0x4500], [2, length + 20], [4, 0], [2, 0x4011], [2, 0]);
  return concat(head, source.subarray(12), destination.subarray(12), datagram);
}

/** What stands around an IP packet on each kind of link, by LINKTYPE_ number; the last one is Ethernet with two VLAN tags. */
export const LINKS: readonly (readonly [name: string, linkType: number, wrap: (ip: Uint8Array) => Uint8Array])[] = [
  ['Ethernet', 1, (ip) => concat(new Uint8Array(12), etherType(ip), ip)],
  ['raw IP', 101, (ip) => ip],
  ['raw IP by its old number', 12, (ip) => ip],
  ['Linux cooked', 113, (ip) => concat(new Uint8Array(14), etherType(ip), ip)],
  ['Linux cooked, version 2', 276, (ip) => concat(etherType(ip), new Uint8Array(18), ip)],
  ['loopback', 108, (ip) => concat(numbers(false, [4, isSix(ip) ? 24 : 2]), ip)],
  ['loopback in the order of its host', 0, (ip) => concat(numbers(true, [4, isSix(ip) ? 30 : 2]), ip)],
  ['PPP', 9, (ip) => concat(Uint8Array.of(0xff, 3), pppType(ip), ip)],
  [
    'PPP over Ethernet',
    1,
    (ip) => concat(new Uint8Array(12), Uint8Array.of(0x88, 0x64, 0x11, 0, 0, 1, 0, 0), pppType(ip), ip),
  ],
  ['a VLAN', 1, (ip) => concat(new Uint8Array(12), Uint8Array.of(0x81, 0, 0, 7), etherType(ip), ip)],
  [
    'a VLAN in another',
    1,
    (ip) => concat(new Uint8Array(12), Uint8Array.of(0x88, 0xa8, 0, 9, 0x81, 0, 0, 7), etherType(ip), ip),
  ],
];

function isSix(ip: Uint8Array): boolean {
  return (ip[0] ?? 0) >> 4 === 6;
}

function etherType(ip: Uint8Array): Uint8Array {
  return isSix(ip) ? Uint8Array.of(0x86, 0xdd) : Uint8Array.of(8, 0);
}

function pppType(ip: Uint8Array): Uint8Array {
  return Uint8Array.of(0, isSix(ip) ? 0x57 : 0x21);
}
