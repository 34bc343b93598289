/**
 * The kernel's part of hearing fwknop's format: a classic BPF program that lets through what has the size of its packets and begins as base64 does.
 * There is no tag in this format, so what looks like a packet of it reaches the sentry.
 */
import { Assembler } from './assembler.ts';
import type { PortRange } from './port-ranges.ts';

/** Bytes of a packet of fwknop's format, at least and at most: what its server takes. */
export const FWKNOP_PAYLOAD = { least: 140, most: 1500 } as const;

/** Where packets of fwknop's format are heard. */
export interface FwknopPorts {
  readonly family: 4 | 6;
  /** Ascending, as `unite` gives them. */
  readonly udp: readonly PortRange[];
  readonly tcp: readonly PortRange[];
  readonly icmp: boolean;
}

/** First bytes of a packet that are looked at. Random bytes are base64 in all of them once in 65,536 packets. */
const LOOKED_AT = 8;

/** Offsets from here on are not in the packet but about it (linux/filter.h: SKF_AD_OFF, SKF_AD_PKTTYPE). */
const PACKET_TYPE = -0x1000 + 4;
const PACKET_HOST = 0;
const WHOLE = 0xffff_ffff;

const IP = {
  4: { size: 20, version: 0x45, versionMask: 0xff, protocol: 9, length: 2, uncounted: 0, icmp: 1 },
  6: { size: 40, version: 0x60, versionMask: 0xf0, protocol: 6, length: 4, uncounted: 40, icmp: 58 },
} as const;

const TCP = 6;
const UDP = 17;
const HEADER = 8;
const LEAST_TCP_HEADER = 20;
const MOST_TCP_HEADER = 60;

/**
 * Only what can be a packet passes: to this host, IPv4 without options or IPv6 without extension headers, unfragmented, 140 to 1,500 bytes behind the header
 * of UDP, TCP or ICMP, of which for UDP and ICMP the first eight are base64. The form is what `sentry/decode-fwknop.ts` accepts.
 */
export function fwknopFilter({ family, udp, tcp, icmp }: FwknopPorts): Uint8Array {
  const ip = IP[family];
  const program = new Assembler();
  program.do('ld', PACKET_TYPE).if('jeq', PACKET_HOST, undefined, 'refuse');
  program.do('ldb', 0).do('and', ip.versionMask).if('jeq', ip.version, undefined, 'refuse');
  if (family === 4) program.do('ldh', 6).if('jset', 0x3fff, 'refuse');
  program.do('ldb', ip.protocol);
  goOn(program, UDP, 'udp');
  goOn(program, TCP, 'tcp');
  if (icmp) goOn(program, ip.icmp, 'icmp');
  program.label('refuse').do('ret', 0);

  program.label('udp');
  heard(program, 'udp', ip.size + 2, udp);
  between(program, 'udp', ip.size + 4, HEADER + FWKNOP_PAYLOAD.least, HEADER + FWKNOP_PAYLOAD.most);
  program.jump('text');

  program.label('tcp');
  heard(program, 'tcp', ip.size + 2, tcp);
  const tcpBytes = ip.size - ip.uncounted;
  const least = tcpBytes + LEAST_TCP_HEADER + FWKNOP_PAYLOAD.least;
  between(program, 'tcp', ip.length, least, tcpBytes + MOST_TCP_HEADER + FWKNOP_PAYLOAD.most);
  program.do('ret', WHOLE);

  if (icmp) {
    program.label('icmp');
    const bytes = ip.size - ip.uncounted + HEADER;
    between(program, 'icmp', ip.length, bytes + FWKNOP_PAYLOAD.least, bytes + FWKNOP_PAYLOAD.most);
  }
  program.label('text');
  base64(program, ip.size + HEADER);
  return program.bytes();
}

/**
 * What a UDP socket lets through of fwknop's format, for a program that reads from the UDP header on: goes on to accept or refuse, and never comes back.
 */
export function fwknopDatagram(program: Assembler): void {
  between(program, 'fwknop', 4, HEADER + FWKNOP_PAYLOAD.least, HEADER + FWKNOP_PAYLOAD.most);
  base64(program, HEADER);
}

/** Goes on at a label where the protocol is `number`: with many ports it is further away than a test can jump. */
function goOn(program: Assembler, number: number, to: string): void {
  program.if('jeq', number, undefined, `not ${to}`).jump(to).label(`not ${to}`);
}

/** Refuses but where the port at `offset` is in one of `ranges`. */
function heard(program: Assembler, name: string, offset: number, ranges: readonly PortRange[]): void {
  program.do('ldh', offset);
  ranges.forEach(({ first, last }, index) => {
    const next = `${name} not range ${String(index)}`;
    program.if('jge', first, undefined, next).if('jgt', last, next).jump(`${name} heard`).label(next);
  });
  program.do('ret', 0).label(`${name} heard`);
}

/** Refuses where the length at `offset` is not in [least, most]. */
function between(program: Assembler, name: string, offset: number, least: number, most: number): void {
  program.do('ldh', offset).if('jge', least, undefined, `${name} wrong length`);
  program.if('jgt', most, undefined, `${name} length`).label(`${name} wrong length`).do('ret', 0);
  program.label(`${name} length`);
}

/** Accepts where the bytes from `offset` on are of the alphabet of RFC 4648 section 4. */
function base64(program: Assembler, offset: number): void {
  for (let index = 0; index < LOOKED_AT; index++) {
    const [good, bad] = [`byte ${String(index)} is text`, `byte ${String(index)} is none`];
    program.do('ldb', offset + index).if('jeq', 0x2b, good);
    // From '/' on: '0' to '9' follow it at once.
    for (const [first, last] of [
      [0x2f, 0x39],
      [0x41, 0x5a],
      [0x61, 0x7a],
    ] as const) {
      const next = `byte ${String(index)} above ${String(last)}`;
      program.if('jge', first, undefined, bad).if('jgt', last, next, good).label(next);
    }
    program.label(bad).do('ret', 0).label(good);
  }
  program.do('ret', WHOLE);
}
