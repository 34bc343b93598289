/** Packets as strangers make them, byte by byte: Ethernet frames of IPv4 and IPv6. */
import { completeChecksum } from '@postern/testkit/checksum';

/** TCP flags by letter. */
const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128 };

/** A TCP segment. `flags` by first letters: "SA" is SYN and ACK; ECE is E and CWR is C. */
export function tcpSegment(from: number, to: number, flags: string, sequence = 1000): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  bytes.writeUInt32BE(sequence, 4);
  bytes[12] = 5 << 4;
  bytes[13] = Array.from(flags).reduce((sum, flag) => sum | (FLAGS[flag] ?? 0), 0);
  bytes.writeUInt16BE(65_000, 14);
  return bytes;
}

/** A UDP datagram. */
export function udpDatagram(from: number, to: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), payload]);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  return bytes;
}

/** What goes around a payload. */
export interface Around {
  /** Destination and source hardware address, 6 bytes each. */
  readonly macs: Uint8Array;
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** IPv4: options. IPv6: a destination options header goes before the payload. */
  readonly options?: boolean;
}

function frame4({ macs, from, to, protocol, payload, options }: Around, fragment: number, id: number): Buffer {
  // Four bytes of "no operation".
  const extra = options === true ? Buffer.alloc(4, 1) : Buffer.alloc(0);
  const header = Buffer.alloc(20);
  const size = 20 + extra.length;
  header[0] = 0x40 | (size / 4);
  header.writeUInt16BE(size + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(fragment, 6);
  header[8] = 64;
  header[9] = protocol;
  header.set(from.subarray(12), 12);
  header.set(to.subarray(12), 16);
  const ip = Buffer.concat([header, extra]);
  let sum = 0;
  for (let i = 0; i < ip.length; i += 2) sum += ip.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  return Buffer.concat([macs, Buffer.from([8, 0]), ip, payload]);
}

function frame6({ macs, from, to, payload }: Around, next: number): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = 64;
  header.set(from, 8);
  header.set(to, 24);
  return Buffer.concat([macs, Buffer.from([0x86, 0xdd]), header, payload]);
}

/** The payload with its checksum, as if it went in one plain packet. */
function checked(around: Around, family: 4 | 6): Buffer {
  const plain = { ...around, options: false };
  const whole = family === 4 ? frame4(plain, 0, 1) : frame6(plain, around.protocol);
  completeChecksum(whole);
  return whole.subarray(14 + (family === 4 ? 20 : 40));
}

/** One frame with a right checksum. */
export function frame(around: Around, family: 4 | 6): Buffer {
  const payload = checked(around, family);
  if (family === 4) return frame4({ ...around, payload }, 0, 1);
  if (around.options !== true) return frame6({ ...around, payload }, around.protocol);
  // Destination options: next header, length 0, and a padding of six bytes (RFC 8200, section 4.6).
  const extension = Buffer.from([around.protocol, 0, 1, 4, 0, 0, 0, 0]);
  return frame6({ ...around, payload: Buffer.concat([extension, payload]) }, 60);
}

/** The same in two fragments, of which the first holds `first` bytes of the payload, a multiple of 8. */
export function fragments(around: Around, family: 4 | 6, first: number, id = 7): Buffer[] {
  const payload = checked(around, family);
  const parts = [payload.subarray(0, first), payload.subarray(first)] as const;
  if (family === 4) {
    return [
      frame4({ ...around, payload: parts[0] }, 0x2000, id),
      frame4({ ...around, payload: parts[1] }, first >>> 3, id),
    ];
  }
  return parts.map((part, i) => {
    const header = Buffer.alloc(8);
    header[0] = around.protocol;
    header.writeUInt16BE(i === 0 ? 1 : first, 2);
    header.writeUInt32BE(id, 4);
    return frame6({ ...around, payload: Buffer.concat([header, part]) }, 44);
  });
}
