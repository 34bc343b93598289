/** Reads the headers in front of a packet of fwknop's format. Total on arbitrary bytes; the form is what `system/fwknop-filter.ts` lets through. */
import { readU16 } from '@postern/protocol';
import { FWKNOP_PAYLOAD } from '../system/fwknop-filter.ts';
import { newDatagram, putMapped, type Datagram } from './decode-packet.ts';

/** A packet of fwknop's format, by whatever it came. Made once and overwritten by every packet. */
export interface FwknopDatagram extends Datagram {
  /** IP protocol: 1, 6, 17 or 58. */
  transport: number;
}

const TCP = 6;
const UDP = 17;
const ICMP = { 4: 1, 6: 58 } as const;
const HEADER = 8;
const IP_HEADER = { 4: 20, 6: 40 } as const;

/** An empty one to be filled. */
export function newFwknopDatagram(family: 4 | 6): FwknopDatagram {
  return { ...newDatagram(family), transport: UDP };
}

/**
 * Fills `into` from a packet that begins with the header of its family, and says whether it has the form: no options or extension headers of IP,
 * unfragmented, UDP, TCP or ICMP, with a payload of 140 to 1,500 bytes by every length field. Bytes after the payload are padding. Ports and addresses are
 * the filter's business.
 */
export function decodeFwknopPacket(packet: Uint8Array, size: number, into: FwknopDatagram): boolean {
  const { family } = into;
  const header = IP_HEADER[family];
  if (size < header + HEADER || size > packet.length) return false;
  const protocol = packet[family === 4 ? 9 : 6] ?? 0;
  const end = family === 4 ? readU16(packet, 2) : header + readU16(packet, 4);
  if (end > size) return false;
  if (family === 4) {
    if (packet[0] !== 0x45 || (readU16(packet, 6) & 0x3fff) !== 0) return false;
  } else if (((packet[0] ?? 0) & 0xf0) !== 0x60) return false;
  const from = payloadOf(packet, header, end, protocol, family);
  if (from === undefined || end - from < FWKNOP_PAYLOAD.least || end - from > FWKNOP_PAYLOAD.most) return false;
  if (family === 4) {
    putMapped(packet, 12, into.source);
    putMapped(packet, 16, into.destination);
  } else {
    into.source.set(packet.subarray(8, 24));
    into.destination.set(packet.subarray(24, 40));
  }
  into.sourcePort = protocol === ICMP[family] ? 0 : readU16(packet, header);
  into.transport = protocol;
  into.from = from;
  into.to = end;
  return true;
}

function payloadOf(packet: Uint8Array, at: number, end: number, protocol: number, family: 4 | 6): number | undefined {
  switch (protocol) {
    case UDP:
      return readU16(packet, at + 4) === end - at ? at + HEADER : undefined;
    case TCP: {
      const size = ((packet[at + 12] ?? 0) >> 4) * 4;
      return end >= at + 20 && size >= 20 ? at + size : undefined;
    }
    default:
      return protocol === ICMP[family] ? at + HEADER : undefined;
  }
}
