/** Finds the IP packet behind the headers of a link. Total on arbitrary bytes. */
import { readU16 } from '@postern/protocol';

/** The IP packet within what was recorded. */
export interface IpPacket {
  readonly family: 4 | 6;
  /** From the IP header on. */
  readonly bytes: Buffer;
}

/** `other`: not IP, or too short to tell. `link`: a kind of link that is not known. */
export type NoIp = 'other' | 'link';

/** EtherTypes (IEEE 802). */
const ETHER = { ip4: 0x0800, ip6: 0x86dd, pppoe: 0x8864 } as const;
/** Tags of 802.1Q and 802.1ad, and what came before that; each is followed by two bytes and another EtherType. */
const VLAN_TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100];
const MOST_TAGS = 4;

/** Address families of a loopback header: of Linux, BSD, FreeBSD, macOS. */
const FAMILIES: ReadonlyMap<number, 4 | 6> = new Map([
  [2, 4],
  [10, 6],
  [24, 6],
  [28, 6],
  [30, 6],
]);

/** Protocols of PPP (RFC 1661 and its registry). */
const PPP: ReadonlyMap<number, 4 | 6> = new Map([
  [0x0021, 4],
  [0x0057, 6],
]);
const PPPOE_HEADER = 6;
/** What may stand before the protocol (RFC 1662). */
const PPP_ADDRESS = 0xff03;

/** The IP packet of a packet whose link has this LINKTYPE_ number. */
export function ipPacketOf(linkType: number, bytes: Buffer): IpPacket | NoIp {
  switch (linkType) {
    case 1: // ETHERNET
      return behindType(bytes, 12);
    case 113: // LINUX_SLL
      return bytes.length < 16 ? 'other' : behindType(bytes, 14);
    case 276: // LINUX_SLL2: the type comes first
      return bytes.length < 20 ? 'other' : typed(readU16(bytes, 0), bytes, 20);
    case 0: // NULL, in the byte order of the host that recorded it
      if (bytes.length < 4) return 'other';
      return packet(FAMILIES.get(bytes.readUInt32LE(0)) ?? FAMILIES.get(bytes.readUInt32BE(0)), bytes, 4);
    case 108: // LOOP
      return bytes.length < 4 ? 'other' : packet(FAMILIES.get(bytes.readUInt32BE(0)), bytes, 4);
    case 12: // DLT_RAW, which the number of RAW is on other systems
    case 14:
    case 101: // RAW
      return packet(versionOf(bytes), bytes, 0);
    case 228: // IPV4
      return packet(4, bytes, 0);
    case 229: // IPV6
      return packet(6, bytes, 0);
    case 9: // PPP
    case 50: // PPP_HDLC
      return behindPpp(bytes, bytes.length >= 2 && readU16(bytes, 0) === PPP_ADDRESS ? 2 : 0);
    case 51: // PPP_ETHER
      return behindPpp(bytes, PPPOE_HEADER);
    default:
      return 'link';
  }
}

function versionOf(bytes: Buffer): 4 | 6 | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  return version === 4 || version === 6 ? version : undefined;
}

function packet(family: 4 | 6 | undefined, bytes: Buffer, at: number): IpPacket | 'other' {
  return family === undefined || bytes.length <= at ? 'other' : { family, bytes: bytes.subarray(at) };
}

function behindType(bytes: Buffer, at: number): IpPacket | 'other' {
  return bytes.length < at + 2 ? 'other' : typed(readU16(bytes, at), bytes, at + 2);
}

function typed(first: number, bytes: Buffer, start: number): IpPacket | 'other' {
  let [type, at] = [first, start];
  for (let tags = 0; tags < MOST_TAGS && VLAN_TAGS.includes(type); tags++) {
    if (bytes.length < at + 4) return 'other';
    type = readU16(bytes, at + 2);
    at += 4;
  }
  switch (type) {
    case ETHER.ip4:
      return packet(4, bytes, at);
    case ETHER.ip6:
      return packet(6, bytes, at);
    case ETHER.pppoe:
      return behindPpp(bytes, at + PPPOE_HEADER);
    default:
      return 'other';
  }
}

function behindPpp(bytes: Buffer, at: number): IpPacket | 'other' {
  return bytes.length < at + 2 ? 'other' : packet(PPP.get(readU16(bytes, at)), bytes, at + 2);
}
