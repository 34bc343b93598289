/**
 * The kernel's part of port knocking: a classic BPF program that lets through what can be a knock and nothing else, so that traffic of
 * real services and of the host's own connections wakes nobody.
 */
import { Assembler } from './assembler.ts';
import type { PortRange } from './port-ranges.ts';

/** What counts as a knock over one family. */
export interface PortKnocks {
  readonly family: 4 | 6;
  /** Addresses that may be knocked at, 16 bytes each, IPv4 as ::ffff:a.b.c.d. At most {@link MOST_ADDRESSES}. */
  readonly addresses: readonly Uint8Array[];
  /** Ports at which nothing is a knock, as `unite` gives them. */
  readonly deaf: Readonly<Record<'tcp' | 'udp', readonly PortRange[]>>;
  /** TCP ports at which packets of any flags may be knocks; at all others only a pure SYN is. At most {@link MOST_FLAG_PORTS}. */
  readonly flagPorts: readonly number[];
  /** Echo requests are knocks. */
  readonly echo: boolean;
}

/** The most addresses of one family. */
export const MOST_ADDRESSES = 64;

/** The most ports at which flags are looked at. */
export const MOST_FLAG_PORTS = 128;

/** What the kernel keeps of a knock: its headers and the first bytes of an echo request. */
export const KEPT_BYTES = 96;

/** Offsets from here on are not in the packet but about it (linux/filter.h: SKF_AD_OFF, SKF_AD_PKTTYPE). */
const PACKET_TYPE = -0x1000 + 4;
const PACKET_HOST = 0;

/** Where the fields of the headers are. */
const IP = {
  4: { size: 20, version: 0x45, versionMask: 0xff, protocol: 9, destination: 16, words: 1, echo: 1, echoType: 8 },
  6: { size: 40, version: 0x60, versionMask: 0xf0, protocol: 6, destination: 24, words: 4, echo: 58, echoType: 128 },
} as const;

const TCP_FLAGS = 13;
/** Of FIN, SYN, RST and ACK a pure SYN has SYN alone; RFC 3168 may add ECE and CWR. */
const SYN_MASK = 0x17;
const SYN = 0x02;

/** Subtrees of so many ports or fewer are within reach of a test's own jump. */
const NEAR = 64;

/**
 * Only knocks pass: to one of `addresses` and so for this host, or through it; IPv4 without options and no later fragment, IPv6 without extension
 * headers; TCP with SYN alone (any flags at `flagPorts`) or UDP to a port that is not `deaf`; echo requests. The form is what
 * `sentry/decode-port-knock.ts` accepts.
 * @throws RangeError on too many addresses or ports
 */
export function portKnockFilter({ family, addresses, deaf, flagPorts, echo }: PortKnocks): Uint8Array {
  if (addresses.length > MOST_ADDRESSES) throw new RangeError(`${String(addresses.length)} addresses are too many`);
  if (flagPorts.length > MOST_FLAG_PORTS) throw new RangeError(`${String(flagPorts.length)} ports are too many`);
  const ip = IP[family];
  const port = ip.size + 2;
  const program = new Assembler();

  program.do('ld', PACKET_TYPE).if('jeq', PACKET_HOST, undefined, 'refuse');
  program.do('ldb', 0).do('and', ip.versionMask).if('jeq', ip.version, undefined, 'refuse');
  // An offset: the ports are in another fragment.
  if (family === 4) program.do('ldh', 6).if('jset', 0x1fff, 'refuse');
  program.jump('addresses').label('refuse').do('ret', 0).label('addresses');

  for (const [index, address] of addresses.entries()) {
    const view = new DataView(address.buffer, address.byteOffset, 16);
    const next = `not address ${String(index)}`;
    for (let word = 0; word < ip.words; word++) {
      if (word > 0 || index === 0 || family === 6) program.do('ld', ip.destination + 4 * word);
      program.if('jeq', view.getUint32(16 - 4 * ip.words + 4 * word), undefined, next);
    }
    program.jump('ours').label(next);
  }
  program.do('ret', 0).label('ours');

  program.do('ldb', ip.protocol).if('jeq', 6, undefined, 'not tcp').jump('tcp').label('not tcp');
  program.if('jeq', 17, undefined, 'not udp').jump('udp').label('not udp');
  if (echo) {
    program.if('jeq', ip.echo, undefined, 'no knock');
    program.do('ldb', ip.size).if('jeq', ip.echoType, undefined, 'no knock');
    program.do('ldb', ip.size + 1).if('jeq', 0, undefined, 'no knock');
    program.do('ret', KEPT_BYTES).label('no knock');
  }
  program.do('ret', 0);

  program.label('udp').do('ldh', port);
  tree(program, 'udp', deaf.udp);

  program
    .label('tcp')
    .do('ldb', ip.size + TCP_FLAGS)
    .do('and', SYN_MASK);
  program.if('jeq', SYN, undefined, 'flags').jump('tcp ports').label('flags').do('ldh', port);
  for (const flagged of flagPorts) program.if('jeq', flagged, 'tcp ports near');
  program.do('ret', 0).label('tcp ports near').label('tcp ports').do('ldh', port);
  tree(program, 'tcp', deaf.tcp);
  return program.bytes();
}

/** A binary search of the port in A. The ports of `deaf` are refused, all others kept. */
function tree(program: Assembler, name: string, deaf: readonly PortRange[]): void {
  // Where silence begins and ends, in turn.
  const borders = deaf.flatMap(({ first, last }) => [first, last + 1]);
  const search = (from: number, to: number): void => {
    if (from === to) {
      program.do('ret', from % 2 === 0 ? KEPT_BYTES : 0);
      return;
    }
    const middle = Math.ceil((from + to) / 2);
    const above = `${name} from ${String(from)} above ${String(middle)}`;
    const border = borders[middle - 1] ?? 0;
    if (middle - from <= NEAR) program.if('jge', border, above);
    else {
      const below = `${name} from ${String(from)} below ${String(middle)}`;
      program.if('jge', border, undefined, below).jump(above).label(below);
    }
    search(from, middle - 1);
    program.label(above);
    search(middle, to);
  };
  search(0, borders.length);
}
