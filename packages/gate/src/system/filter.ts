/**
 * The kernel's part of the work: a classic BPF program that lets through only what has the form of a knock and, where it fits, the
 * tag of a live gate key. A stranger's packet costs the kernel well under a microsecond and never wakes the sentry.
 */
import { LONG_PACKET, PACKET, SHORT_PACKET } from '@postern/protocol';
import { Assembler } from './assembler.ts';
import { fwknopDatagram } from './fwknop-filter.ts';

/**
 * What offset 0 of the packet is: an IPv4 or IPv6 header (AF_PACKET with SOCK_DGRAM), or the UDP header (a UDP socket, for which the
 * kernel has checked the rest and put fragments together).
 */
export type Layer = 'ip4' | 'ip6' | 'udp';

/** What a filter looks for. */
export interface Knock {
  readonly layer: Layer;
  /** UDP port of knocks. */
  readonly port: number;
  /** Up to 4 tag keys of 8 bytes, any of which may match; none leaves the tag to the sentry. */
  readonly tagKeys: readonly Uint8Array[];
  /** On a UDP socket also what has the form of fwknop's packets, which come to the same port. */
  readonly fwknop?: boolean | undefined;
}

/** The most tag keys: two gate keys in two epochs. Four fit the kernel's 4,096 instructions. */
export const MOST_TAG_KEYS = 4;

const UDP_HEADER = 8;
const PACKET_HOST = 0;
/** Offsets from here on are not in the packet but about it (linux/filter.h: SKF_AD_OFF, SKF_AD_PKTTYPE). */
const ANCILLARY = -0x1000;
const PKTTYPE = 4;
/** What the kernel keeps of a packet that is let through: all of it. */
const WHOLE = 0xffff_ffff;

/** Where the fields of the IP headers are; the IP length counts `uncounted` bytes less than the whole packet has. */
const IP = {
  ip4: { size: 20, version: 0x45, versionMask: 0xff, protocol: 9, length: 2, uncounted: 0, fragment: 6 },
  ip6: { size: 40, version: 0x60, versionMask: 0xf0, protocol: 6, length: 4, uncounted: 40, fragment: undefined },
} as const;

/** Memory words: the state of HalfSipHash, a scratch word, and what was read from the packet. */
const M = { v0: 0, v1: 1, v2: 2, v3: 3, scratch: 4, nonce0: 5, nonce1: 6, tag: 7 } as const;

/** Nothing at all passes. */
export function dropAllFilter(): Uint8Array {
  return new Assembler().do('ret', 0).bytes();
}

/**
 * Only knocks pass: to this host, IPv4 without options or IPv6 without extension headers, unfragmented, UDP to `port`, with a payload of
 * 352 or 1,372 bytes by every length field, and with the tag of one of `tagKeys`. The form is what `sentry/decode-packet.ts` accepts.
 * @throws RangeError on more than 4 tag keys, one that has not 8 bytes, or `fwknop` where the packet has more headers
 */
export function knockFilter({ layer, port, tagKeys, fwknop = false }: Knock): Uint8Array {
  if (fwknop && layer !== 'udp') throw new RangeError('packets of fwknop have packet sockets of their own');
  if (tagKeys.length > MOST_TAG_KEYS) throw new RangeError(`${String(tagKeys.length)} tag keys are too many`);
  const program = new Assembler();
  const ip = layer === 'udp' ? undefined : IP[layer];
  const udp = ip?.size ?? 0;

  program
    .do('ld', ANCILLARY + PKTTYPE)
    .if('jeq', PACKET_HOST, 'to this host')
    .do('ret', 0)
    .label('to this host');
  if (ip !== undefined) {
    program.do('ldb', 0).do('and', ip.versionMask).if('jeq', ip.version, undefined, 'refuse');
    // More fragments, or an offset: either way not the whole datagram.
    if (ip.fragment !== undefined) program.do('ldh', ip.fragment).if('jset', 0x3fff, 'refuse');
    program.do('ldb', ip.protocol).if('jeq', 17, undefined, 'refuse');
  }
  program.do('ldh', udp + 2).if('jeq', port, undefined, 'refuse');
  for (const payload of [SHORT_PACKET, LONG_PACKET]) {
    const next = `not ${String(payload)}`;
    const whole = udp + UDP_HEADER + payload;
    program.do('ldh', udp + 4).if('jeq', UDP_HEADER + payload, undefined, next);
    if (ip !== undefined) program.do('ldh', ip.length).if('jeq', whole - ip.uncounted, undefined, 'refuse');
    // The packet may be longer: links pad.
    program.do('ldlen').if('jge', whole, 'form', 'refuse').label(next);
  }
  program.label('refuse');
  if (fwknop) program.jump('fwknop');
  else program.do('ret', 0);
  program.label('form');

  if (tagKeys.length > 0) {
    const payload = udp + UDP_HEADER;
    loadLittleEndian(program, payload + PACKET.nonce, M.nonce0);
    loadLittleEndian(program, payload + PACKET.nonce + 4, M.nonce1);
    loadLittleEndian(program, payload + PACKET.tag, M.tag);
    tagKeys.forEach((key, index) => {
      hash(program, key);
      program.do('ldxm', M.tag).if('jeqx', 0, undefined, `not key ${String(index)}`);
      program.do('ret', WHOLE).label(`not key ${String(index)}`);
    });
  }
  if (tagKeys.length === 0) program.do('ret', WHOLE);
  else if (!fwknop) program.do('ret', 0);
  if (fwknop) fwknopDatagram(program.label('fwknop'));
  return program.bytes();
}

/** HalfSipHash reads words little-endian, classic BPF loads them big-endian. */
function loadLittleEndian(program: Assembler, offset: number, into: number): void {
  program.do('ldb', offset).do('st', into);
  for (let byte = 1; byte < 4; byte++) {
    program
      .do('ldb', offset + byte)
      .do('lsh', 8 * byte)
      .do('ldxm', into)
      .do('orx')
      .do('st', into);
  }
}

/** HalfSipHash-2-4 of the nonce, unrolled; its 32-bit output is left in A. */
function hash(program: Assembler, key: Uint8Array): void {
  if (key.length !== 8) throw new RangeError(`a tag key has 8 bytes, not ${String(key.length)}`);
  const view = new DataView(key.buffer, key.byteOffset, 8);
  const k0 = view.getUint32(0, true);
  const k1 = view.getUint32(4, true);
  program.do('ldi', k0).do('st', M.v0).do('ldi', k1).do('st', M.v1);
  program
    .do('ldi', k0 ^ 0x6c796765)
    .do('st', M.v2)
    .do('ldi', k1 ^ 0x74656462)
    .do('st', M.v3);
  for (const word of [M.nonce0, M.nonce1]) {
    program.do('ldxm', word).do('ldm', M.v3).do('xorx').do('st', M.v3);
    rounds(program, 2);
    program.do('ldxm', word).do('ldm', M.v0).do('xorx').do('st', M.v0);
  }
  const length = (PACKET.nonceSize << 24) >>> 0;
  program.do('ldm', M.v3).do('xor', length).do('st', M.v3);
  rounds(program, 2);
  program.do('ldm', M.v0).do('xor', length).do('st', M.v0);
  program.do('ldm', M.v2).do('xor', 0xff).do('st', M.v2);
  rounds(program, 4);
  program.do('ldxm', M.v1).do('ldm', M.v3).do('xorx');
}

function rounds(program: Assembler, count: number): void {
  for (let round = 0; round < count; round++) {
    halfRound(program, M.v0, M.v1, 5, 16);
    halfRound(program, M.v2, M.v3, 8, 0);
    halfRound(program, M.v0, M.v3, 7, 0);
    halfRound(program, M.v2, M.v1, 13, 16);
  }
}

/** a += b; b = rotl(b, r) ^ a; a = rotl(a, s). Written so that values stay in the registers: four keys must fit 4,096 instructions. */
function halfRound(program: Assembler, a: number, b: number, r: number, s: number): void {
  program.do('ldxm', b).do('ldm', a).do('addx').do('st', a).do('txa');
  rotateLeft(program, r);
  program.do('ldxm', a).do('xorx').do('st', b);
  if (s === 0) return;
  program.do('txa');
  rotateLeft(program, s);
  program.do('st', a);
}

/** Rotates a word that is in both A and X; the result is in A. */
function rotateLeft(program: Assembler, bits: number): void {
  program
    .do('lsh', bits)
    .do('st', M.scratch)
    .do('txa')
    .do('rsh', 32 - bits)
    .do('ldxm', M.scratch)
    .do('orx');
}
