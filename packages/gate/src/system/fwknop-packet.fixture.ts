/** For tests: packets of fwknop's format as a packet socket gives them. */
import { parseAddress } from '@postern/protocol';

/** What a packet is made of; what is left out is right. */
export interface PacketParts {
  readonly family: 4 | 6;
  readonly protocol: 'udp' | 'tcp' | 'icmp';
  readonly payload: Uint8Array;
  readonly port?: number;
  /** Words of 4 bytes of the header of TCP: 5 to 15. */
  readonly words?: number;
  /** Bytes of the link behind the packet. */
  readonly padding?: number;
}

/** Where packets come from and go to. */
export const ADDRESSES = { 4: ['203.0.113.9', '192.0.2.1'], 6: ['2001:db8::9', '2001:db8::1'] } as const;

const PROTOCOL = { udp: { 4: 17, 6: 17 }, tcp: { 4: 6, 6: 6 }, icmp: { 4: 1, 6: 58 } } as const;

/** Text of base64 that is no packet of anybody. */
export function base64Text(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => 'Aa0+/Zz9'.charCodeAt(index % 8));
}

/** The packet, from its IP header on. */
export function fwknopPacket({
  family,
  protocol,
  payload,
  port = 62201,
  words = 5,
  padding = 0,
}: PacketParts): Uint8Array {
  const next = family === 4 ? 20 : 40;
  const header = protocol === 'tcp' ? 4 * words : 8;
  const bytes = new Uint8Array(next + header + payload.length + padding);
  const view = new DataView(bytes.buffer);
  const [from, to] = ADDRESSES[family].map((text) => parseAddress(text) ?? new Uint8Array(16));
  if (family === 4) {
    bytes.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, PROTOCOL[protocol][4]]);
    view.setUint16(2, next + header + payload.length);
    bytes.set(from?.subarray(12) ?? [], 12);
    bytes.set(to?.subarray(12) ?? [], 16);
  } else {
    bytes.set([0x6a, 0xbc, 0xde, 0xf0, 0, 0, PROTOCOL[protocol][6], 64]);
    view.setUint16(4, header + payload.length);
    bytes.set(from ?? [], 8);
    bytes.set(to ?? [], 24);
  }
  if (protocol === 'icmp') bytes[next] = family === 4 ? 8 : 128;
  else {
    view.setUint16(next, 40_000);
    view.setUint16(next + 2, port);
    if (protocol === 'udp') view.setUint16(next + 4, header + payload.length);
    else bytes[next + 12] = words << 4;
  }
  bytes.set(payload, next + header);
  return bytes;
}
