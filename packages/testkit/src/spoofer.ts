/** Packets that say they come from somebody else: IPv4 packets with their own header, from a raw socket of a namespace. */
import koffi from 'koffi';
import { parseAddress } from '@postern/protocol';
import { completeChecksum } from './checksum.ts';
import { inNamespace } from './in-namespace.ts';
import type { Namespace } from './namespace.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number;
const close = libc.func('int close(int)') as (fd: number) => number;
const sendto = libc.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)') as (
  fd: number,
  data: Uint8Array,
  size: number,
  flags: number,
  to: Uint8Array,
  toSize: number,
) => number;

const [AF_INET, SOCK_RAW, IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP] = [2, 3, 255, 6, 17] as const;
const ETHERNET = 14;

/** One SYN, or a UDP packet where there is a payload. */
export interface Spoofed {
  /** Four bytes, as a number. */
  readonly source: number;
  readonly port: number;
  readonly payload?: Uint8Array;
}

/** An IPv4 address as a number. */
export function ipv4(text: string): number {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`${text} is no address`);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(12);
}

/** It as a whole IPv4 packet. */
function packetOf({ source, port, payload }: Spoofed, to: number): Uint8Array {
  const size = payload === undefined ? 40 : 28 + payload.length;
  // With room for an Ethernet header, which the checksum's code expects.
  const frame = new Uint8Array(ETHERNET + size);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, size);
  view.setUint8(22, 64);
  view.setUint8(23, payload === undefined ? IPPROTO_TCP : IPPROTO_UDP);
  view.setUint32(26, source);
  view.setUint32(30, to);
  view.setUint16(34, 40_000);
  view.setUint16(36, port);
  if (payload === undefined) {
    view.setUint32(38, 1);
    view.setUint16(46, 0x5002);
    view.setUint16(48, 65_535);
  } else {
    view.setUint16(38, 8 + payload.length);
    frame.set(payload, ETHERNET + 28);
  }
  completeChecksum(frame);
  return frame.subarray(ETHERNET);
}

/** Sends packets to an IPv4 address from the namespace that this thread is in, at most `perSecond` of them in a second. */
export async function spoof(to: string, packets: Iterable<Spoofed>, perSecond: number): Promise<void> {
  const fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) throw new Error(`no raw socket: errno ${String(koffi.errno())}`);
  const target = ipv4(to);
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint16(0, AF_INET, true);
  new DataView(address.buffer).setUint32(4, target);
  try {
    const begun = performance.now();
    let sent = 0;
    for (const packet of packets) {
      const bytes = packetOf(packet, target);
      if (sendto(fd, bytes, bytes.length, 0, address, address.length) < 0)
        throw new Error(`sendto: errno ${String(koffi.errno())}`);
      sent++;
      const ahead = (sent / perSecond) * 1000 - (performance.now() - begun);
      if (ahead > 5) await new Promise((resolve) => setTimeout(resolve, ahead));
    }
  } finally {
    close(fd);
  }
}

/** The same from a namespace. */
export async function sendSpoofed(
  world: Namespace,
  to: string,
  packets: Iterable<Spoofed>,
  perSecond: number,
): Promise<void> {
  await inNamespace(world, () => spoof(to, packets, perSecond));
}
