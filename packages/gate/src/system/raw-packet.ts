/** Whole IP packets of TCP, UDP and ICMP, with their checksums, for raw sockets that take the header from their user. */
import { concat, familyOf } from '@postern/protocol';

/** What a packet is made of. */
export interface RawPacket {
  readonly kind: 'tcpraw' | 'udpraw' | 'icmp';
  /** 16 bytes; both addresses are of the same family. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Of TCP and UDP. */
  readonly sourcePort: number;
  readonly port: number;
  /** Of ICMP and ICMPv6: type, code, and the identifier behind the checksum. */
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly icmpId: number;
  readonly payload: Uint8Array;
}

const [TCP, UDP] = [6, 17] as const;
const TTL = 64;

/**
 * The packet: IPv4 (RFC 791, 20 bytes of header, not to be fragmented) or IPv6 (RFC 8200, 40 bytes), then a SYN of TCP (RFC 9293, sequence number 1, window
 * 32767), UDP (RFC 768), or ICMP with an identifier and sequence number 1 (RFC 792, RFC 4443), then the payload.
 *
 * @throws RangeError if the families differ
 */
export function rawPacket(packet: RawPacket): Uint8Array {
  const { source, destination } = packet;
  const family = familyOf(source);
  if (family !== familyOf(destination)) throw new RangeError('source and destination of one family expected');
  const protocol = packet.kind === 'tcpraw' ? TCP : packet.kind === 'udpraw' ? UDP : family === 4 ? 1 : 58;
  const segment = concat(segmentHeader(packet), packet.payload);
  const addresses = family === 4 ? concat(source.subarray(12), destination.subarray(12)) : concat(source, destination);
  const pseudo = family === 4 && packet.kind === 'icmp' ? 0 : sum(addresses) + protocol + segment.length;
  const at = packet.kind === 'tcpraw' ? 16 : packet.kind === 'udpraw' ? 6 : 2;
  const checksum = fold(pseudo + sum(segment));
  // A UDP checksum of 0 would mean none.
  new DataView(segment.buffer).setUint16(at, packet.kind === 'udpraw' && checksum === 0 ? 0xffff : checksum);
  return concat(ipHeader(family, protocol, segment.length), addresses, segment);
}

/** All of an IP header but the addresses, which are at its end. */
function ipHeader(family: 4 | 6, protocol: number, size: number): Uint8Array {
  if (family === 6) return Uint8Array.of(0x60, 0, 0, 0, size >> 8, size & 255, protocol, TTL);
  // The kernel fills in length, id and checksum (raw(7)).
  return Uint8Array.of(0x45, 0, 0, 0, 0, 0, 0x40, 0, TTL, protocol, 0, 0);
}

function segmentHeader({ kind, sourcePort, port, icmpType, icmpCode, icmpId, payload }: RawPacket): Uint8Array {
  const bytes = new Uint8Array(kind === 'tcpraw' ? 20 : 8);
  const view = new DataView(bytes.buffer);
  if (kind === 'icmp') {
    view.setUint8(0, icmpType);
    view.setUint8(1, icmpCode);
    view.setUint16(4, icmpId);
    view.setUint16(6, 1);
    return bytes;
  }
  view.setUint16(0, sourcePort);
  view.setUint16(2, port);
  if (kind === 'udpraw') view.setUint16(4, 8 + payload.length);
  else {
    view.setUint32(4, 1);
    view.setUint16(12, 0x5002);
    view.setUint16(14, 0x7fff);
  }
  return bytes;
}

/** Sum of 16-bit words (RFC 1071). */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}
