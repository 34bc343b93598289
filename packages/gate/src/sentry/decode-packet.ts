/** Reads the IP and UDP headers of what a packet socket gives. Total on arbitrary bytes; the form is what `system/filter.ts` lets through. */
import { LONG_PACKET, readU16, SHORT_PACKET } from '@postern/protocol';

const UDP = 17;
const UDP_HEADER = 8;
const IP4_HEADER = 20;
const IP6_HEADER = 40;

/** One datagram to the knock port. Made once and overwritten by every packet, so that the hot path allocates nothing. */
export interface Datagram {
  readonly family: 4 | 6;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  /** The address of this host that it came to, likewise. */
  readonly destination: Uint8Array;
  sourcePort: number;
  /** Index of the interface that it came in by. */
  interfaceIndex: number;
  /** Where the payload is in the buffer, half-open. */
  from: number;
  to: number;
}

/** An empty datagram to be filled. */
export function newDatagram(family: 4 | 6): Datagram {
  return {
    family,
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    sourcePort: 0,
    interfaceIndex: 0,
    from: 0,
    to: 0,
  };
}

/**
 * Fills `into` from a packet that begins with the header of its family, and says whether it has the form of a knock: no options or
 * extension headers, unfragmented, UDP to `port`, 352 or 1,372 bytes of payload by every length field. Bytes after the payload are padding.
 */
export function decodePacket(packet: Uint8Array, size: number, port: number, into: Datagram): boolean {
  const { family } = into;
  const udp = family === 4 ? IP4_HEADER : IP6_HEADER;
  if (size < udp + UDP_HEADER || size > packet.length) return false;
  const length = readU16(packet, udp + 4);
  if (length !== UDP_HEADER + SHORT_PACKET && length !== UDP_HEADER + LONG_PACKET) return false;
  if (size < udp + length || readU16(packet, udp + 2) !== port) return false;
  if (family === 4) {
    if (packet[0] !== 0x45 || packet[9] !== UDP || readU16(packet, 2) !== udp + length) return false;
    if ((readU16(packet, 6) & 0x3fff) !== 0) return false;
    putMapped(packet, 12, into.source);
    putMapped(packet, 16, into.destination);
  } else {
    if (((packet[0] ?? 0) & 0xf0) !== 0x60 || packet[6] !== UDP || readU16(packet, 4) !== length) return false;
    for (let index = 0; index < 16; index++) {
      into.source[index] = packet[8 + index] ?? 0;
      into.destination[index] = packet[24 + index] ?? 0;
    }
  }
  into.sourcePort = readU16(packet, udp);
  into.from = udp + UDP_HEADER;
  into.to = udp + length;
  return true;
}

/**
 * Whether an address can be somebody's. A packet socket sees packets before the kernel refuses impossible sources: groups, broadcast,
 * class E, nobody, and IPv4-mapped addresses in IPv6 headers, which would pass for IPv4 ones.
 */
export function isPossibleSource(address: Uint8Array, family: 4 | 6): boolean {
  const mapped =
    address.every((byte, index) => index >= 10 || byte === 0) && address[10] === 0xff && address[11] === 0xff;
  if (family === 4) return mapped && address[12] !== 0 && (address[12] ?? 0) < 224;
  return !mapped && address[0] !== 0xff && address.some((byte) => byte !== 0);
}

/** Writes the IPv4 address at `offset` of `packet` as ::ffff:a.b.c.d. */
export function putMapped(packet: Uint8Array, offset: number, into: Uint8Array): void {
  into.fill(0, 0, 10);
  into[10] = into[11] = 0xff;
  for (let index = 0; index < 4; index++) into[12 + index] = packet[offset + index] ?? 0;
}
