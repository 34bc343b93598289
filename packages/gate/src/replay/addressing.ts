/** Who sent a packet to whom, for a line about it. Total on arbitrary bytes. */
import { formatAddress, readU16 } from '@postern/protocol';
import { putMapped } from '../sentry/decode-packet.ts';
import type { IpPacket } from './link-layer.ts';

/** Addresses and ports as text and numbers. */
export interface Addressing {
  readonly source: string;
  readonly destination: string;
  /** Undefined where there are none. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /** `udp`, `tcp`, `icmp`, `icmpv6`, or `ip/47`. */
  readonly protocol: string;
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmpv6'],
]);
const WITH_PORTS: readonly number[] = [6, 17];

/** Undefined for what is too short. */
export function addressingOf({ family, bytes }: IpPacket): Addressing | undefined {
  const size = family === 6 ? 40 : ((bytes[0] ?? 0) & 0x0f) * 4;
  if (bytes.length < size || size < 20) return undefined;
  const [source, destination] = [new Uint8Array(16), new Uint8Array(16)];
  if (family === 4) {
    putMapped(bytes, 12, source);
    putMapped(bytes, 16, destination);
  } else {
    source.set(bytes.subarray(8, 24));
    destination.set(bytes.subarray(24, 40));
  }
  const number = bytes[family === 4 ? 9 : 6] ?? 0;
  // A later fragment begins with no header.
  const first = family === 6 || (readU16(bytes, 6) & 0x1fff) === 0;
  const ports = first && WITH_PORTS.includes(number) && bytes.length >= size + 4;
  return {
    source: formatAddress(source),
    destination: formatAddress(destination),
    sourcePort: ports ? readU16(bytes, size) : undefined,
    destinationPort: ports ? readU16(bytes, size + 2) : undefined,
    protocol: NAMES.get(number) ?? `ip/${String(number)}`,
  };
}

/** An address with its port: `192.0.2.7:40000`, `[2001:db8::7]:40000`. */
export function formatPlace(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}
