/** The classic form of recordings, as tcpdump writes it (draft-ietf-opsawg-pcap). */
import type { ByteSource } from './byte-source.ts';
import { MOST_PACKET, timeOf, type Capture } from './capture.ts';

/** Offsets in the file's header, and its size. */
const FILE = { major: 4, linkType: 20, size: 24 } as const;
/** The same of what is before each packet. */
const PACKET = { seconds: 0, fraction: 4, captured: 8, length: 12, size: 16 } as const;

const MAJOR = 2;

/** Units of a fraction in one microsecond, by the magic number in the order of its bytes. */
const MAGICS: ReadonlyMap<number, { readonly little: boolean; readonly units: number }> = new Map([
  [0xa1b2c3d4, { little: false, units: 1 }],
  [0xd4c3b2a1, { little: true, units: 1 }],
  [0xa1b23c4d, { little: false, units: 1000 }],
  [0x4d3cb2a1, { little: true, units: 1000 }],
]);

/** Whether a file that begins with this number, read big-endian, is one. */
export function isPcap(magic: number): boolean {
  return MAGICS.has(magic);
}

/** Reads a file of which {@link isPcap} said so: either byte order, microseconds or nanoseconds. Total. */
export function* readPcap(source: ByteSource): Capture {
  const head = source.take(FILE.size);
  const form = MAGICS.get(head?.readUInt32BE(0) ?? 0);
  if (head === undefined || form === undefined) return { reason: 'truncated', offset: 0 };
  const { little, units } = form;
  const u32 = (bytes: Buffer, at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  if ((little ? head.readUInt16LE(FILE.major) : head.readUInt16BE(FILE.major)) !== MAJOR)
    return { reason: 'version', offset: 0 };
  // The upper half says how packets end.
  const linkType = u32(head, FILE.linkType) & 0xffff;
  while (!source.ended) {
    const { offset } = source;
    const header = source.take(PACKET.size);
    if (header === undefined) return { reason: 'truncated', offset };
    const [captured, length] = [u32(header, PACKET.captured), u32(header, PACKET.length)];
    const time = timeOf(u32(header, PACKET.seconds) * 1_000_000 + u32(header, PACKET.fraction) / units);
    if (captured > MOST_PACKET) return { reason: 'size', offset };
    const bytes = source.take(captured);
    if (bytes === undefined) return { reason: 'truncated', offset };
    yield { time, linkType, bytes, length };
  }
  return undefined;
}
