/** Reads the headers of what a packet socket for port knocks gives. Total on arbitrary bytes; the form is what `system/port-knock-filter.ts` lets through. */
import { readU16, type Knock, type KnockProtocol } from '@postern/protocol';
import { putMapped } from './decode-packet.ts';

/** One packet that may be a knock. Made once and overwritten by every packet, so that the hot path allocates nothing. */
export interface PortKnock extends Knock {
  readonly family: 4 | 6;
  protocol: KnockProtocol;
  port: number;
  /** Destination port, or the first two bytes of an echo request's payload; -1 where there are none. */
  number: number;
  flags: number;
}

const IP_SIZE = { 4: 20, 6: 40 } as const;
const TCP = 6;
const UDP = 17;
const ECHO = { 4: { protocol: 1, type: 8, name: 'icmp' }, 6: { protocol: 58, type: 128, name: 'icmpv6' } } as const;
const ECHO_HEADER = 8;
const TCP_FLAGS = 13;

/** An empty knock to be filled. */
export function newPortKnock(family: 4 | 6): PortKnock {
  return {
    family,
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    protocol: 'tcp',
    port: 0,
    number: 0,
    flags: 0,
  };
}

/**
 * Fills `into` from a packet that begins with the header of its family, and says whether it has the form of a knock: no options or extension
 * headers, no later fragment, TCP, UDP or an echo request. Packets are cut off after some bytes, so lengths are not compared.
 */
export function decodePortKnock(packet: Uint8Array, size: number, into: PortKnock): boolean {
  const { family } = into;
  const next = IP_SIZE[family];
  if (size < next || size > packet.length) return false;
  let protocol: number;
  let end: number;
  if (family === 4) {
    if (packet[0] !== 0x45 || (readU16(packet, 6) & 0x1fff) !== 0) return false;
    protocol = packet[9] ?? 0;
    end = readU16(packet, 2);
    putMapped(packet, 12, into.source);
    putMapped(packet, 16, into.destination);
  } else {
    if (((packet[0] ?? 0) & 0xf0) !== 0x60) return false;
    protocol = packet[6] ?? 0;
    end = next + readU16(packet, 4);
    for (let index = 0; index < 16; index++) {
      into.source[index] = packet[8 + index] ?? 0;
      into.destination[index] = packet[24 + index] ?? 0;
    }
  }
  into.flags = 0;
  into.port = 0;
  if (protocol === TCP) {
    if (size < next + TCP_FLAGS + 1) return false;
    into.protocol = 'tcp';
    into.port = into.number = readU16(packet, next + 2);
    into.flags = (packet[next + TCP_FLAGS] ?? 0) & 0x3f;
    return true;
  }
  if (protocol === UDP) {
    if (size < next + 4) return false;
    into.protocol = 'udp';
    into.port = into.number = readU16(packet, next + 2);
    return true;
  }
  const echo = ECHO[family];
  if (protocol !== echo.protocol || size < next + 2) return false;
  if (packet[next] !== echo.type || packet[next + 1] !== 0) return false;
  into.protocol = echo.name;
  // What a link pads is not payload.
  const payload = next + ECHO_HEADER;
  into.number = Math.min(size, end) < payload + 2 ? -1 : readU16(packet, payload);
  return true;
}

/** Whether a TCP packet is a pure SYN: SYN, and neither FIN, RST nor ACK. */
export function isPureSyn(flags: number): boolean {
  return (flags & 0x17) === 0x02;
}
